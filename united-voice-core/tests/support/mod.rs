//! Code that the tests share: clients that record their messages, envelopes as short lines, and
//! transports in memory.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod asker;
pub(crate) mod hosted;
pub(crate) mod lines;
pub(crate) mod log;
pub(crate) mod payloads;
pub(crate) mod peer;
pub(crate) mod server;
pub(crate) mod transport;

use united_voice_core::{ChannelId, UserId};

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).expect("a test's user id")
}

pub(crate) fn channel(id: &str) -> ChannelId {
    ChannelId::new(id).expect("a test's channel id")
}
