//! Tests of rooms, users and connections together, without payload handlers and sockets.

mod client;
#[cfg(feature = "cluster")]
mod cluster;
mod critical_section;
mod limits;
#[path = "../../../tests/support/lines.rs"]
mod lines;
mod membership;
mod moderation;
mod ops;
mod order;
mod party;
mod pressure;
#[cfg(united_voice_shuttle)]
mod races;
mod relay;
mod replica;
mod room_model;
mod seam;
mod stress;
mod view;

use crate::{ChannelId, UserId};

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a test's user id")
}

fn channel(id: &str) -> ChannelId {
    ChannelId::new(id).expect("a test's channel id")
}
