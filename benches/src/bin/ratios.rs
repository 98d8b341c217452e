//! Ratios of operations to their floors. Each pair is measured in turns in one process, so a gate
//! can rely on the ratio.
//!
//! `cargo run --release -p united-voice-benches --bin ratios
//! [memory|relay|broadcast|queue|flatness]` prints one JSON object on each line, and exits with 1
//! if a gate is missed. Absolute times change with the load of the machine. The median of paired
//! ratios hardly does.

#![allow(clippy::print_stdout)]

use std::{
    hint::black_box,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use futures::FutureExt;
use serde_json::json;
use united_voice_benches::{
    BareQueue, Hall, Inbox, Seated, broadcast_floor, candidate_frame, channel, floor_room, in_json,
    offer_frame, relay_floor, state_signal,
};
use united_voice_core::{
    Codec, OpenDirectory, Signal, SignalSink, SinkError, UserId, VoiceConnection, VoiceServer,
    proto::voice::VoiceJoinRequest, signaling,
};

/// Pairs of measurements; the median of their ratios counts.
const PAIRS: usize = 305;

/// How many rooms a broadcast is measured in. The place of a large room in memory changes its ratio
/// by a few per cent, and no single place should decide.
const PLACEMENTS: usize = 5;

/// About how long one side of a pair runs.
const SIDE: Duration = Duration::from_micros(500);

type Part = (&'static str, fn(&mut Report));

fn main() -> ExitCode {
    let mut report = Report { passed: true };
    let parts: [Part; 5] = [
        // Memory comes first: later the allocator keeps what other cases freed, and new rooms would
        // use that.
        ("memory", memory),
        ("relay", relays),
        ("broadcast", broadcasts),
        ("queue", queues),
        ("flatness", flatness),
    ];
    let wanted = std::env::args().nth(1);
    for (name, part) in parts {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            part(&mut report);
        }
    }
    if report.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

struct Report {
    passed: bool,
}

impl Report {
    /// Reports a ratio with its gate, and the median times of one call in nanoseconds.
    fn ratio(&mut self, op: &str, measured: &Paired, gate: f64) {
        self.line(&json!({
            "op": op,
            "ratio": rounded(measured.ratio),
            "gate": gate,
            "pass": measured.ratio <= gate,
            "ns": nanoseconds(measured.above),
            "floor_ns": nanoseconds(measured.below),
        }));
    }

    /// Reports a ratio without a gate.
    fn shown(&mut self, op: &str, measured: &Paired) {
        self.line(&json!({
            "op": op,
            "ratio": rounded(measured.ratio),
            "pass": true,
            "ns": nanoseconds(measured.above),
            "floor_ns": nanoseconds(measured.below),
        }));
    }

    fn bytes(&mut self, op: &str, bytes: f64, gate: f64) {
        self.line(
            &json!({ "op": op, "bytes": rounded(bytes), "gate": gate, "pass": bytes <= gate }),
        );
    }

    fn line(&mut self, line: &serde_json::Value) {
        self.passed &= line["pass"] == true;
        println!("{line}");
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn relays(report: &mut Report) {
    type MakeFrame = fn(&str, &str) -> bytes::Bytes;
    let cases: [(&str, Codec, usize, MakeFrame, f64); 5] = [
        (
            "relay/candidate/room4",
            Codec::Protobuf,
            4,
            candidate_frame,
            1.35,
        ),
        ("relay/offer/room4", Codec::Protobuf, 4, offer_frame, 1.20),
        (
            "relay/candidate/room100",
            Codec::Protobuf,
            100,
            candidate_frame,
            1.45,
        ),
        (
            "relay/json/candidate/room4",
            Codec::Json,
            4,
            |room, target| in_json(&candidate_frame(room, target)),
            1.35,
        ),
        (
            "relay/json/offer/room4",
            Codec::Json,
            4,
            |room, target| in_json(&offer_frame(room, target)),
            1.20,
        ),
    ];
    for (op, codec, members, make_frame, gate) in cases {
        let mut hall = Hall::with_codec(codec, 1, members);
        let target = members / 2;
        let frame = make_frame(&channel(0), &format!("u-0-{target}"));
        let (_, session) = hall.seated[0].connection.seat().expect("seated");
        let session = session.to_string();
        let queue = BareQueue::default();
        let ratio = paired(
            || {
                relay_floor(codec, black_box(&frame), "u-0-0", &session, &queue);
                queue.take_one();
            },
            || {
                hall.handle(&hall.seated[0].connection, codec, black_box(&frame));
                hall.seated[target].inbox.take_one();
            },
        );
        report.ratio(op, &ratio, gate);
    }
}

fn broadcasts(report: &mut Report) {
    for (members, gate) in [(8, 1.70), (25, 1.30), (100, 1.15)] {
        let room = channel(0);
        let signal = state_signal(&room, "u-0-0");
        // All rooms are made before the first is measured, so that they lie in different places.
        let placements: Vec<_> = (0..PLACEMENTS)
            .map(|_| (Hall::new(1, members), floor_room(members)))
            .collect();
        let mut updates = Vec::new();
        for (mut hall, (queues, mut inboxes)) in placements {
            // The inboxes of the room lie side by side, as those of the floor do.
            let (connections, mut members) = hall.take_seated();
            updates.extend(pairs(
                PAIRS / PLACEMENTS,
                || {
                    broadcast_floor(black_box(&signal), &queues);
                    inboxes.iter_mut().for_each(Inbox::take_one);
                },
                || {
                    let updated = connections[0].update_state(black_box(&room), true, false, "");
                    updated.expect("seated");
                    members.iter_mut().for_each(Inbox::take_one);
                },
            ));
        }
        let updates = Paired::of(&updates);
        report.ratio(&format!("broadcast/state/room{members}"), &updates, gate);
    }
}

/// The queue that ships, compared with the smallest possible queue. There is no gate.
fn queues(report: &mut Report) {
    let signal = state_signal(&channel(0), "u-0-0");
    let frame = signal.as_protobuf().clone();
    let bare = BareQueue::default();
    let (queues, mut inboxes) = floor_room(1);
    let measured = paired(
        || {
            assert!(bare.push(black_box(&frame).clone()), "it has room");
            bare.take_one();
        },
        || {
            broadcast_floor(black_box(&signal), &queues);
            inboxes[0].take_one();
        },
    );
    report.shown("queue/outbound-over-bare", &measured);
}

/// How many rooms the flatness cases use. The number is the same with few rooms and with many, so
/// only the size of the maps differs.
const TOUCHED: usize = 64;

fn flatness(report: &mut Report) {
    let (mut few, mut many) = (Hall::new(1_000, 1), Hall::new(1_000_000, 1));
    let rooms: Vec<String> = (0..TOUCHED).map(channel).collect();
    let mut visitors = [few.connect("visitor"), many.connect("visitor")];
    let tour = |hall: &mut Hall, visitor: &mut Seated| {
        for (room, host) in rooms.iter().zip(0..) {
            hall.join(&visitor.connection, room);
            visitor.connection.leave_channel(room, "").expect("seated");
            visitor.inbox.clear();
            hall.seated[host].inbox.clear();
        }
    };
    let [few_visitor, many_visitor] = &mut visitors;
    let ratio = paired(
        || tour(&mut few, few_visitor),
        || tour(&mut many, many_visitor),
    );
    report.ratio("join+leave/1M-rooms-over-1k", &ratio, 1.10);

    let disconnect = |hall: &mut Hall| {
        let guests: Vec<Seated> = (0..TOUCHED)
            .map(|number| {
                let guest = hall.connect(&format!("guest-{number}"));
                hall.join(&guest.connection, &rooms[number]);
                guest
            })
            .collect();
        let start = Instant::now();
        drop(guests);
        let each = start.elapsed().as_secs_f64() / TOUCHED as f64;
        hall.seated[..TOUCHED]
            .iter_mut()
            .for_each(|host| host.inbox.clear());
        each
    };
    let pairs = in_turns(PAIRS, || disconnect(&mut few), || disconnect(&mut many));
    report.ratio("disconnect/1M-rooms-over-1k", &Paired::of(&pairs), 1.75);
}

/// Resident memory of the registry with 100 000 rooms of 4 members, in bytes for each participant.
/// The members share one sink, and the memory of their handles is subtracted, since both belong to
/// the host.
fn memory(report: &mut Report) {
    let server = VoiceServer::builder(OpenDirectory)
        .build()
        .expect("valid limits");
    let sink: Arc<dyn SignalSink> = Arc::new(NoSink);
    let (rooms, members) = (100_000, 4);
    let mut sessions: Vec<VoiceConnection> = Vec::with_capacity(rooms * members);
    let before = resident_bytes();
    for seat in 0..rooms * members {
        let user = UserId::new(format!("user-{seat}")).expect("a user id");
        let session = server.connect(&user, Arc::clone(&sink)).expect("connected");
        let request = VoiceJoinRequest {
            channel_id: channel(seat / members),
        };
        signaling::handle_voice_join(&server, &session, "", request, UNIX_EPOCH)
            .now_or_never()
            .expect("needs no waiting")
            .expect("joined");
        sessions.push(session);
    }
    let grown = resident_bytes() - before - size_of_val(&*sessions) as u64;
    let bytes = grown as f64 / (rooms * members) as f64;
    report.bytes("memory/bytes-per-participant", bytes, 300.0);
}

struct NoSink;

impl SignalSink for NoSink {
    fn deliver(&self, _signal: &Signal) -> Result<(), SinkError> {
        Ok(())
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux says it here");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map_or(0, |pages: u64| pages * 4096)
}

/// Measures `operation` and `floor` in turns. Each is repeated until it runs long enough to be
/// timed.
fn paired(floor: impl FnMut(), operation: impl FnMut()) -> Paired {
    Paired::of(&pairs(PAIRS, floor, operation))
}

/// How long one call of `floor` and one of `operation` took, `count` times.
fn pairs(count: usize, mut floor: impl FnMut(), mut operation: impl FnMut()) -> Vec<Pair> {
    let repeats = repeats(&mut floor).max(repeats(&mut operation));
    in_turns(
        count,
        || time(repeats, &mut floor) / f64::from(repeats),
        || time(repeats, &mut operation) / f64::from(repeats),
    )
}

fn repeats(work: &mut impl FnMut()) -> u32 {
    let mut repeats = 1;
    while time(repeats, work) < SIDE.as_secs_f64() {
        repeats *= 2;
    }
    repeats
}

/// In seconds as a float, because a call may take less than a nanosecond, the unit of `Duration`.
fn time(repeats: u32, work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..repeats {
        work();
    }
    start.elapsed().as_secs_f64()
}

/// The times of the floor and of the operation, in seconds.
type Pair = (f64, f64);

fn in_turns(
    count: usize,
    mut floor: impl FnMut() -> f64,
    mut operation: impl FnMut() -> f64,
) -> Vec<Pair> {
    let turn = |number: usize| {
        // The order changes each time, so that neither side always finds the caches warm.
        if number.is_multiple_of(2) {
            let below = floor();
            (below, operation())
        } else {
            let above = operation();
            (floor(), above)
        }
    };
    (0..count).map(turn).collect()
}

/// The result of the pairs of measurements.
struct Paired {
    /// The median of the pairs' ratios.
    ratio: f64,
    /// The medians, in seconds.
    above: f64,
    below: f64,
}

impl Paired {
    fn of(pairs: &[Pair]) -> Self {
        let median = |value: fn(&Pair) -> f64| {
            let mut values: Vec<f64> = pairs.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            ratio: median(|(below, above)| above / below),
            above: median(|pair| pair.1),
            below: median(|pair| pair.0),
        }
    }
}
