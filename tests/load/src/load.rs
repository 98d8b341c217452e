//! The kinds of load, and how much of each.

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use serde::Serialize;

use crate::floor::{READ_BUFFER_BYTES, SMALL_READ_BUFFER_BYTES};

/// Members of a room, except in the scenarios between pairs.
pub(crate) const ROOM: usize = 8;

/// Messages a second of all clients together, unless the command line says otherwise.
pub(crate) const USUAL_RATE: u32 = 5000;

/// Clients that join one at a time.
const JOINS_ONE_BY_ONE: usize = 512;

/// The queues of the servers and of the bare relays hold 256 messages for each client. A full
/// window must fit in with room to spare, because a message that does not fit is lost.
const MAX_IN_FLIGHT: i64 = 128;

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Messages of 300 bytes between pairs, as fast as they go
    Relay,
    /// Messages of 2 KiB between pairs, as fast as they go
    RelayLarge,
    /// Messages of 300 bytes between pairs at a fixed rate: what a message costs and how long it
    /// takes
    Rate,
    /// State updates in rooms of eight, as fast as they go
    Broadcast,
    /// All clients connect, sign in and join a room of eight at once, again and again
    Joins,
    /// Many connections in rooms of eight that send nothing
    Idle,
}

impl Scenario {
    /// All scenarios, in the order of the table.
    pub(crate) const ALL: [Self; 6] = [
        Self::Relay,
        Self::RelayLarge,
        Self::Rate,
        Self::Broadcast,
        Self::Joins,
        Self::Idle,
    ];

    /// Members of each room.
    pub(crate) const fn seats(self) -> usize {
        match self {
            Self::Relay | Self::RelayLarge | Self::Rate => 2,
            Self::Broadcast | Self::Joins | Self::Idle => ROOM,
        }
    }
}

/// How many messages the relay scenarios have on their way.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RelayOptions {
    /// Pairs of clients in the relay scenarios
    #[arg(long, default_value_t = 50)]
    pub(crate) pairs: usize,
    /// Messages that each client of a pair has on their way to the other, in the relay scenarios
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..=MAX_IN_FLIGHT))]
    pub(crate) in_flight: u32,
}

/// How much load, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Seconds to measure, after a quarter of that time to warm up.
    pub(crate) seconds: f64,
    /// Clients. They fill their rooms.
    pub(crate) clients: usize,
    /// Messages of each client on their way, in the relay scenarios.
    pub(crate) in_flight: u32,
    /// Messages a second of all clients together, in the scenario with a fixed rate.
    pub(crate) rate: u32,
    /// Bytes that a bare relay reads from a socket at once, at most.
    pub(crate) floor_read_buffer: usize,
}

impl Load {
    /// The load that suits a scenario.
    pub(crate) const fn usual(scenario: Scenario, seconds: f64, relay: RelayOptions) -> Self {
        let (clients, floor_read_buffer) = match scenario {
            Scenario::Relay | Scenario::RelayLarge => (2 * relay.pairs, READ_BUFFER_BYTES),
            Scenario::Rate | Scenario::Broadcast => (64, READ_BUFFER_BYTES),
            Scenario::Joins => (1024, READ_BUFFER_BYTES),
            Scenario::Idle => (2048, SMALL_READ_BUFFER_BYTES),
        };
        Self {
            seconds,
            clients,
            in_flight: relay.in_flight,
            rate: USUAL_RATE,
            floor_read_buffer,
        }
    }

    /// The time to measure.
    pub(crate) fn time(self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The time before that, which does not count.
    pub(crate) fn warm_up(self) -> Duration {
        self.time() / 4
    }
}

/// How much load when nodes are compared with a server alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClusterLoads {
    /// Relays at a fixed rate.
    pub(crate) relay: Load,
    /// Joins as fast as they go.
    pub(crate) storm: Load,
    /// Joins one at a time.
    pub(crate) join: Load,
    /// Rooms with one member at the node that is watched and all others elsewhere.
    pub(crate) remote_rooms: usize,
}

impl ClusterLoads {
    /// Relays at that rate and joins for so many seconds, and so many rooms with remote members.
    pub(crate) const fn new(seconds: f64, rate: u32, remote_rooms: usize) -> Self {
        let relay = RelayOptions {
            pairs: 0,
            in_flight: 0,
        };
        let storm = Load::usual(Scenario::Joins, seconds, relay);
        Self {
            relay: Load {
                rate,
                ..Load::usual(Scenario::Rate, seconds, relay)
            },
            storm,
            join: Load {
                clients: JOINS_ONE_BY_ONE,
                ..storm
            },
            remote_rooms,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        relay: RelayOptions,
    }

    fn usual(line: &[&str], scenario: Scenario) -> Load {
        let line = Line::parse_from([&["run"], line].concat());
        Load::usual(scenario, 1.0, line.relay)
    }

    #[test]
    fn relays_are_between_fifty_pairs_with_eight_in_flight() {
        for scenario in [Scenario::Relay, Scenario::RelayLarge] {
            let load = usual(&[], scenario);
            assert_eq!((load.clients, load.in_flight), (100, 8));
            let load = usual(&["--pairs", "3", "--in-flight", "9"], scenario);
            assert_eq!((load.clients, load.in_flight), (6, 9));
        }
        let load = usual(&["--pairs", "3"], Scenario::Rate);
        assert_eq!(load.clients, 64, "pairs are for relays");
    }

    #[test]
    fn usual_clients_fill_their_rooms() {
        for scenario in Scenario::ALL {
            let load = usual(&[], scenario);
            assert!(
                load.clients.is_multiple_of(scenario.seats()),
                "{scenario:?}"
            );
        }
    }

    #[test]
    fn only_the_idle_floor_reads_into_a_small_buffer() {
        for scenario in Scenario::ALL {
            let load = usual(&[], scenario);
            let small = load.floor_read_buffer == SMALL_READ_BUFFER_BYTES;
            assert_eq!(small, scenario == Scenario::Idle, "{scenario:?}");
        }
    }
}
