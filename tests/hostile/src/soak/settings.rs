//! How many clients, for how long, and how busy.

use std::time::Duration;

use united_voice_scenarios::ServerKind;

/// What a soak plays.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The server.
    pub server: ServerKind,
    /// How long the clients act. Starting and checking come on top.
    pub time: Duration,
    /// Clients. Every twentieth breaks the rules.
    pub clients: usize,
    /// Channels. Every tenth has a hard limit.
    pub channels: usize,
    /// Actions a second of all clients together.
    pub pace: f64,
    /// Where chance begins. The same seed gives each client the same intentions. The order in which
    /// the server sees them still depends on the machine.
    pub seed: u64,
}

impl Settings {
    /// One client in so many breaks the rules.
    const ONE_BREAKS_RULES_IN: usize = 20;

    /// One channel in so many has a hard limit.
    const ONE_IS_LIMITED_IN: usize = 10;

    /// The hard limit of those channels.
    const LIMIT: u32 = 6;

    /// Whether the client with this number breaks the rules.
    pub(super) const fn breaks_rules(client: usize) -> bool {
        client % Self::ONE_BREAKS_RULES_IN == Self::ONE_BREAKS_RULES_IN - 1
    }

    /// The hard limit of the channel with this number.
    pub(super) const fn limit(channel: usize) -> Option<u32> {
        if channel % Self::ONE_IS_LIMITED_IN == Self::ONE_IS_LIMITED_IN - 1 {
            Some(Self::LIMIT)
        } else {
            None
        }
    }
}
