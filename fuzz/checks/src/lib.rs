//! What the fuzz targets check. Each check is a plain function of bytes that panics if a rule is
//! broken. The targets in `fuzz/fuzz_targets` call them with the fuzzer's bytes, and the test of
//! this crate calls them with the corpus and with random bytes.

mod addresses;
#[cfg(feature = "host")]
mod config;
mod connection;
mod input;
mod json;
mod protobuf;
mod registry;
mod relay;
mod replica;
#[cfg(feature = "host")]
mod token;

pub use crate::{
    addresses::check as addresses, connection::check as connection, json::check as json,
    protobuf::check as protobuf, registry::check as registry, relay::check as relay,
};
#[cfg(feature = "host")]
pub use crate::{config::check as config, token::check as token};
