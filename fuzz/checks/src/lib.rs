//! What the fuzz targets check. Each check is a plain function of bytes that panics if a rule is
//! broken. The targets in `fuzz/fuzz_targets` call them with the fuzzer's bytes, and the test of
//! this crate calls them with the corpus and with random bytes.

mod addresses;
mod config;
mod connection;
mod input;
mod json;
mod protobuf;
mod registry;
mod relay;
mod replica;
mod token;

/// A check, and the name of its fuzz target and of its folder in the corpus.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// The name of the target.
    pub name: &'static str,
    /// Panics if the bytes make the code under test break a rule.
    pub run: fn(&[u8]),
}

/// All checks.
pub const ALL: [Check; 8] = [
    Check {
        name: "protobuf",
        run: protobuf::check,
    },
    Check {
        name: "json",
        run: json::check,
    },
    Check {
        name: "relay",
        run: relay::check,
    },
    Check {
        name: "registry",
        run: registry::check,
    },
    Check {
        name: "connection",
        run: connection::check,
    },
    Check {
        name: "config",
        run: config::check,
    },
    Check {
        name: "addresses",
        run: addresses::check,
    },
    Check {
        name: "token",
        run: token::check,
    },
];

pub use crate::{
    addresses::check as addresses, config::check as config, connection::check as connection,
    json::check as json, protobuf::check as protobuf, registry::check as registry,
    relay::check as relay, token::check as token,
};
