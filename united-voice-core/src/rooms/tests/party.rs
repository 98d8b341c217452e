//! Connections that perform a `VoiceOp` and track their room from the messages that they get.

use std::collections::HashMap;

use crate::{CloseReason, VoiceRoomRegistry, proto::voice::VoiceParticipant};

use super::{
    channel,
    client::Client,
    ops::VoiceOp,
    order::Order,
    user,
    view::{Replica, Stay},
};

pub(crate) fn user_name(number: u8) -> String {
    format!("user-{number}")
}

pub(crate) fn channel_name(number: u8) -> String {
    format!("room-{number}")
}

/// A connection and its replica of its room.
pub(crate) struct Guest {
    registry: VoiceRoomRegistry,
    capacity: usize,
    pub(crate) client: Client,
    pub(crate) replica: Replica,
    past: Vec<Past>,
}

/// A connection that has ended.
struct Past {
    stays: Vec<Stay>,
    cut: bool,
}

fn replica(name: &str, capacity: usize) -> Replica {
    if capacity < 1_000_000 {
        Replica::slow(name)
    } else {
        Replica::new(name)
    }
}

impl Guest {
    pub(crate) fn new(registry: &VoiceRoomRegistry, name: &str, capacity: usize) -> Self {
        Self {
            registry: registry.clone(),
            capacity,
            client: Client::slow(registry, name, capacity),
            replica: replica(name, capacity),
            past: Vec::new(),
        }
    }

    pub(crate) fn apply(&mut self, op: &VoiceOp) {
        // The operation may be refused. Only the messages after it matter here.
        match *op {
            VoiceOp::Join { channel, limit, .. } => {
                let _ = self.client.join_limited(&channel_name(channel), limit);
            }
            VoiceOp::Leave { channel, .. } => {
                let _ = self
                    .client
                    .connection
                    .leave_channel(&channel_name(channel), "leave");
            }
            VoiceOp::Mute { muted, .. } => {
                if let Some((channel, _)) = self.client.connection.seat() {
                    let connection = &self.client.connection;
                    let _ = connection.update_state(channel.as_str(), muted, false, "mute");
                }
            }
            VoiceOp::Speak { speaking, .. } => {
                if let Some((channel, _)) = self.client.connection.seat() {
                    let connection = &self.client.connection;
                    let _ = connection.speaking(channel.as_str(), speaking, "speak");
                }
            }
            VoiceOp::Relay {
                target, channel, ..
            } => {
                let _ = self
                    .client
                    .send(&channel_name(channel), &user_name(target), "x");
            }
            VoiceOp::Reconnect { .. } => self.reconnect(),
            VoiceOp::Kick { user: number } => {
                self.registry.kick(&user(&user_name(number)));
            }
            VoiceOp::CloseChannel { channel: number } => {
                self.registry.close_channel(&channel(&channel_name(number)));
            }
        }
    }

    fn reconnect(&mut self) {
        let name = self.client.name.clone();
        let new = Client::slow(&self.registry, &name, self.capacity);
        let old = std::mem::replace(&mut self.client, new);
        let sink = old.sink.clone();
        drop(old);
        // After the drop, no more messages can come.
        self.replica.apply_all(&sink.take());
        let replica = std::mem::replace(&mut self.replica, replica(&name, self.capacity));
        self.past.push(Past {
            stays: replica.stays,
            // Evicted, or disconnected before a due eviction.
            cut: sink.close_reason() == Some(CloseReason::SlowConsumer) || sink.has_refused(),
        });
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.client.sink.close_reason().is_some()
    }

    /// Applies the messages that have arrived.
    pub(crate) fn settle(&mut self) {
        self.replica.apply_all(&self.client.take());
    }

    pub(crate) fn check_order(&self, order: &Order) {
        let me = &self.client.name;
        let past = self
            .past
            .iter()
            .flat_map(|past| past.stays.iter().map(|stay| (stay, past.cut)));
        let present = self.replica.stays.iter().map(|stay| (stay, self.is_cut()));
        for (stay, cut) in past.chain(present) {
            order.check(me, stay, cut);
        }
    }

    pub(crate) fn cuts(&self) -> usize {
        self.past.iter().filter(|past| past.cut).count() + usize::from(self.is_cut())
    }
}

/// Checks a registry on which no operation is running. Each guest's replica must equal the
/// registry's roster, no user may have two seats, and no empty room may be left.
pub(crate) fn check_all<'a>(
    registry: &VoiceRoomRegistry,
    channels: u8,
    guests: impl Iterator<Item = &'a Guest>,
) {
    let rosters: HashMap<String, Vec<VoiceParticipant>> = (0..channels)
        .map(channel_name)
        .map(|name| (name.clone(), registry.participants(&channel(&name))))
        .collect();
    let mut users: Vec<&str> = rosters
        .values()
        .flatten()
        .map(|who| who.user_id.as_str())
        .collect();
    let participants = users.len();
    users.sort_unstable();
    users.dedup();
    assert_eq!(users.len(), participants, "a user has two seats");
    let mut seated = 0;
    for guest in guests {
        let seat = guest.client.connection.seat();
        if guest.is_cut() {
            assert_eq!(seat, None, "an evicted connection has a seat");
            continue;
        }
        let view = guest.replica.room.as_ref();
        let believed = view.map(|view| (view.channel.clone(), view.session.clone()));
        let seat = seat.map(|(channel, session)| (channel.to_string(), session.to_string()));
        assert_eq!(believed, seat, "the seat of {}", guest.client.name);
        if let Some((channel, _)) = seat {
            guest.replica.assert_equals(&rosters[&channel]);
            seated += 1;
        }
    }
    assert_eq!(
        seated, participants,
        "a participant without a connection is listed"
    );
    let occupied = rosters.values().filter(|roster| !roster.is_empty()).count();
    assert_eq!(registry.room_count(), occupied, "an empty room is left");
}
