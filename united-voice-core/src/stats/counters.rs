//! What the crate counts in.
//!
//! All connections share these numbers. If two threads write to one cache line, each waits for the
//! other. So what happens with nearly every message is first counted in the connection
//! ([`Tally`]), or in one of several places ([`Counters::relayed`]).

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use united_voice_proto::{RelayKind, voice::VoiceErrorCode};

use crate::{
    RelayFailure, Stats,
    stats::{
        counts::{CountersByLabel, Counts},
        histogram::Buckets,
        request::Request,
    },
};

/// The codes of errors, by their numbers.
const CODES: [&str; 15] = [
    "unspecified",
    "malformed",
    "unsupported",
    "channel_not_found",
    "not_a_voice_channel",
    "forbidden",
    "channel_full",
    "not_in_channel",
    "target_not_in_channel",
    "too_large",
    "rate_limited",
    "session_replaced",
    "unavailable",
    "internal",
    "stale_session",
];

/// The same, with `joined` in place of number 0, which no error has.
const JOIN_OUTCOMES: &[&str] = &{
    let mut outcomes = CODES;
    outcomes[0] = "joined";
    outcomes
};

/// The labels of `ConnectError`.
const CONNECT_ERRORS: &[&str] = &["shutting_down", "too_many_connections"];

/// The labels of `Disconnect`.
const DISCONNECTS: &[&str] = &[
    "closed",
    "lost",
    "timed_out",
    "slow_consumer",
    "going_away",
    #[cfg(feature = "cluster")]
    "seat_lost",
    "policy_violation",
    "message_too_large",
    "invalid_utf8",
    "protocol_error",
];

/// In the order of [`RelayKind`].
const RELAYS: &[&str] = &["offer", "answer", "candidate"];

/// The labels of `RelayFailure`.
const RELAY_FAILURES: &[&str] = &[
    "not_in_channel",
    "target_not_in_channel",
    "stale_session",
    "target_busy",
    #[cfg(feature = "cluster")]
    "unreachable",
];

/// From 1 us, for a relay, to 16 ms, for a lock that many wait for.
const HANDLING: &[u64] = &[
    1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000, 16_000_000,
];

/// From 1 ms to the default of `Limits::directory_timeout`, 10 s.
const JOIN_WAIT: &[u64] = &[
    1_000_000,
    5_000_000,
    25_000_000,
    100_000_000,
    500_000_000,
    2_500_000_000,
    10_000_000_000,
];

/// From one signal to the default of `Limits::outbound_queue` and above.
const QUEUED: &[u64] = &[1, 4, 16, 64, 128, 256, 512];

/// Relays are counted in this many places.
const PLACES: usize = 8;

/// Two cache lines, since processors fetch lines in pairs.
#[repr(align(128))]
#[derive(Default)]
struct Relays([AtomicU64; RELAYS.len()]);

pub(crate) struct Counters {
    connected: AtomicU64,
    disconnected: AtomicU64,
    refused: CountersByLabel,
    ended: CountersByLabel,
    join_requests: CountersByLabel,
    join_wait: Buckets,
    joins: AtomicU64,
    leaves: AtomicU64,
    relays: [Relays; PLACES],
    relays_refused: CountersByLabel,
    evictions: AtomicU64,
    speaking_dropped: AtomicU64,
    traffic: Traffic,
    errors: CountersByLabel,
    writes_blocked: AtomicU64,
    queued: Buckets,
    handling: [Buckets; Request::NUMBER],
}

#[derive(Default)]
struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    rate_limited: AtomicU64,
}

/// The traffic of one connection since its last wake-up.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) received: u32,
    pub(crate) sent: u32,
    pub(crate) rate_limited: u32,
    /// What the last message asked for, until somebody takes it.
    pub(crate) request: Option<Request>,
}

impl Tally {
    /// Notes a message, before it is known what it asks for.
    #[inline]
    pub(crate) fn receive(&mut self) {
        self.received += 1;
        self.request = Some(Request::Other);
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            connected: AtomicU64::default(),
            disconnected: AtomicU64::default(),
            refused: CountersByLabel::new(CONNECT_ERRORS),
            ended: CountersByLabel::new(DISCONNECTS),
            join_requests: CountersByLabel::new(JOIN_OUTCOMES),
            join_wait: Buckets::new(JOIN_WAIT),
            joins: AtomicU64::default(),
            leaves: AtomicU64::default(),
            relays: Default::default(),
            relays_refused: CountersByLabel::new(RELAY_FAILURES),
            evictions: AtomicU64::default(),
            speaking_dropped: AtomicU64::default(),
            traffic: Traffic::default(),
            errors: CountersByLabel::new(&CODES),
            writes_blocked: AtomicU64::default(),
            queued: Buckets::new(QUEUED),
            handling: std::array::from_fn(|_| Buckets::new(HANDLING)),
        }
    }
}

impl Counters {
    pub(crate) fn connected(&self) {
        self.connected.fetch_add(1, Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.disconnected.fetch_add(1, Relaxed);
    }

    /// A connection was refused. `reason` is the label of the `ConnectError`.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.add_to(reason);
    }

    /// A machine ended its connection. `reason` is the label of the `Disconnect`.
    pub(crate) fn ended(&self, reason: &'static str) {
        self.ended.add_to(reason);
    }

    /// A join request was decided. `refusal` is the code that it was refused with.
    pub(crate) fn join_request(&self, refusal: Option<VoiceErrorCode>) {
        let position = refusal.map_or(0, |code| code as usize);
        self.join_requests.add(position);
    }

    pub(crate) fn join_waited(&self, time: Duration) {
        self.join_wait.add(nanoseconds(time));
    }

    pub(crate) fn joined(&self) {
        self.joins.fetch_add(1, Relaxed);
    }

    pub(crate) fn left(&self) {
        self.leaves.fetch_add(1, Relaxed);
    }

    /// A message was relayed over the connection with this number.
    #[inline]
    pub(crate) fn relayed(&self, kind: RelayKind, connection: u64) {
        let Relays(relays) = &self.relays[connection as usize % PLACES];
        relays[kind as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn relay_refused(&self, reason: RelayFailure) {
        self.relays_refused.add_to(reason.label());
    }

    pub(crate) fn evicted(&self) {
        self.evictions.fetch_add(1, Relaxed);
    }

    pub(crate) fn speaking_dropped(&self, number: u32) {
        self.speaking_dropped.fetch_add(number.into(), Relaxed);
    }

    pub(crate) fn error(&self, code: VoiceErrorCode) {
        self.errors.add(code as usize);
    }

    /// Adds the messages that a connection handled in one wake-up.
    pub(crate) fn traffic(&self, tally: &mut Tally) {
        let add = |counter: &AtomicU64, number: &mut u32| {
            if *number > 0 {
                counter.fetch_add(std::mem::take(number).into(), Relaxed);
            }
        };
        add(&self.traffic.received, &mut tally.received);
        add(&self.traffic.sent, &mut tally.sent);
        add(&self.traffic.rate_limited, &mut tally.rate_limited);
    }

    pub(crate) fn connections_opened(&self) -> u64 {
        self.connected.load(Relaxed)
    }

    pub(crate) fn connections(&self) -> u64 {
        // Disconnects are read first. A connection that opens and closes between the two reads
        // then cannot make the difference too small.
        let disconnected = self.disconnected.load(Relaxed);
        self.connections_opened().saturating_sub(disconnected)
    }

    pub(crate) fn stats(&self, rooms: usize, users: usize) -> Stats {
        let leaves = self.leaves.load(Relaxed);
        let joins = self.joins.load(Relaxed);
        let errors = self.errors.counts();
        Stats {
            rooms: rooms as u64,
            users: users as u64,
            connections: self.connections(),
            participants: joins.saturating_sub(leaves),
            remote_participants: 0,
            connections_opened: self.connections_opened(),
            connections_refused: self.refused.counts(),
            connections_ended: self.ended.counts(),
            join_requests: self.join_requests.counts(),
            join_wait: self.join_wait.histogram(),
            joins,
            leaves,
            relays: self.relays(),
            relays_refused: self.relays_refused.counts(),
            evictions: self.evictions.load(Relaxed),
            speaking_dropped: self.speaking_dropped.load(Relaxed),
            messages_received: self.traffic.received.load(Relaxed),
            messages_sent: self.traffic.sent.load(Relaxed),
            rate_limited: self.traffic.rate_limited.load(Relaxed),
            errors: errors.total(),
            errors_by_code: errors,
            writes_blocked: self.writes_blocked.load(Relaxed),
            queued_signals: self.queued.histogram(),
            handling: std::array::from_fn(|request| self.handling[request].histogram()),
        }
    }

    fn relays(&self) -> Counts {
        Counts::new(RELAYS, |kind| {
            let places = self.relays.iter();
            places
                .map(|Relays(relays)| relays[kind].load(Relaxed))
                .sum()
        })
    }
}

/// What only `drive` counts.
#[cfg(feature = "connection")]
impl Counters {
    pub(crate) fn write_blocked(&self) {
        self.writes_blocked.fetch_add(1, Relaxed);
    }

    pub(crate) fn queued(&self, signals: usize) {
        self.queued.add(signals as u64);
    }

    pub(crate) fn handled(&self, request: Request, time: Duration) {
        self.handling[request as usize].add(nanoseconds(time));
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_label() {
        let codes = (0..).map_while(|number| VoiceErrorCode::try_from(number).ok());
        let names = codes.map(|code| {
            let name = code.as_str_name().to_lowercase();
            name.trim_start_matches("voice_error_code_").to_owned()
        });
        let names: Vec<_> = names.collect();
        assert_eq!(names, CODES);
        assert_eq!(
            (JOIN_OUTCOMES[0], &JOIN_OUTCOMES[1..]),
            ("joined", &CODES[1..])
        );
    }

    #[test]
    fn relays_are_summed_over_all_places() {
        let counters = Counters::default();
        for connection in 0..20 {
            counters.relayed(RelayKind::Offer, connection);
            counters.relayed(RelayKind::Candidate, u64::MAX - connection);
        }
        counters.relayed(RelayKind::Answer, 3);
        let relays = counters.stats(0, 0).relays;
        let expected = [("offer", 20), ("answer", 1), ("candidate", 20)];
        assert_eq!(relays.iter().collect::<Vec<_>>(), expected);
        assert_eq!(
            (relays.of("answer"), relays.of("nothing"), relays.total()),
            (1, 0, 41)
        );
    }
}
