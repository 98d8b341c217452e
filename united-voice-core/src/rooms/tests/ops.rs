//! Operations on a room and on a registry, as data for property tests and fuzzing.

use proptest::prelude::*;

/// A call of `RoomState`. Users are small numbers.
#[derive(Debug, Clone)]
pub(crate) enum RoomOp {
    CheckSeat {
        user: u8,
        limit: u32,
    },
    Seat {
        user: u8,
    },
    /// If `stale`, the session is not the user's present one.
    Unseat {
        user: u8,
        stale: bool,
    },
    SetState {
        user: u8,
        stale: bool,
        muted: bool,
        deafened: bool,
    },
}

impl RoomOp {
    pub(crate) fn any(users: u8) -> impl Strategy<Value = Self> {
        let user = 0..users;
        prop_oneof![
            1 => (user.clone(), 0..10_u32).prop_map(|(user, limit)| Self::CheckSeat { user, limit }),
            3 => user.clone().prop_map(|user| Self::Seat { user }),
            2 => (user.clone(), any::<bool>()).prop_map(|(user, stale)| Self::Unseat { user, stale }),
            2 => (user, any::<[bool; 3]>()).prop_map(|(user, [stale, muted, deafened])| {
                Self::SetState { user, stale, muted, deafened }
            }),
        ]
    }
}

/// An action of a connection or of the host on a registry. Connections, users and channels are
/// numbers. An implementation maps them to the ones that it has.
#[derive(Debug, Clone)]
pub(crate) enum VoiceOp {
    Join {
        connection: u8,
        channel: u8,
        limit: u32,
    },
    Leave {
        connection: u8,
        channel: u8,
    },
    Mute {
        connection: u8,
        muted: bool,
    },
    Speak {
        connection: u8,
        speaking: bool,
    },
    Relay {
        connection: u8,
        target: u8,
        channel: u8,
    },
    Reconnect {
        connection: u8,
    },
    Kick {
        user: u8,
    },
    CloseChannel {
        channel: u8,
    },
}

impl VoiceOp {
    pub(crate) fn any(connections: u8, users: u8, channels: u8) -> impl Strategy<Value = Self> {
        let connection = 0..connections;
        let channel = 0..channels;
        // Most joins have no limit. The others have a small one, so that some joins are refused.
        let limit = prop_oneof![2 => Just(0), 1 => 1..4_u32];
        prop_oneof![
            8 => (connection.clone(), channel.clone(), limit)
                .prop_map(|(connection, channel, limit)| Self::Join { connection, channel, limit }),
            2 => (connection.clone(), channel.clone())
                .prop_map(|(connection, channel)| Self::Leave { connection, channel }),
            2 => (connection.clone(), any::<bool>())
                .prop_map(|(connection, muted)| Self::Mute { connection, muted }),
            1 => (connection.clone(), any::<bool>())
                .prop_map(|(connection, speaking)| Self::Speak { connection, speaking }),
            2 => (connection.clone(), 0..users, channel.clone())
                .prop_map(|(connection, target, channel)| Self::Relay { connection, target, channel }),
            2 => connection.prop_map(|connection| Self::Reconnect { connection }),
            1 => (0..users).prop_map(|user| Self::Kick { user }),
            1 => channel.prop_map(|channel| Self::CloseChannel { channel }),
        ]
    }

    /// A random operation, for tests that run longer than a property test.
    pub(crate) fn random(
        rng: &mut fastrand::Rng,
        connections: u8,
        users: u8,
        channels: u8,
    ) -> Self {
        let connection = rng.u8(..connections);
        let channel = rng.u8(..channels);
        match rng.u8(..40) {
            0..16 => Self::Join {
                connection,
                channel,
                limit: if rng.bool() { 0 } else { 4 },
            },
            16..20 => Self::Leave {
                connection,
                channel,
            },
            20..23 => Self::Mute {
                connection,
                muted: rng.bool(),
            },
            23..25 => Self::Speak {
                connection,
                speaking: rng.bool(),
            },
            25..32 => Self::Relay {
                connection,
                target: rng.u8(..users),
                channel,
            },
            32..37 => Self::Reconnect { connection },
            37..39 => Self::Kick {
                user: rng.u8(..users),
            },
            _ => Self::CloseChannel { channel },
        }
    }
}
