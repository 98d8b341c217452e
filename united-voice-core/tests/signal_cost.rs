//! The cost of operations, counted by an allocator. Relay and broadcast allocate nothing per
//! recipient, a signal is encoded once for all recipients, and other rooms and users add no cost.
//!
//! Two invariants: a broadcast encodes once and a recipient costs one clone and one push; relay
//! touches only its room.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use allocation_counter::measure;
use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;
use united_voice_core::{
    OpenDirectory, QueueStream, Signal, SignalSink, SinkError, UserId, VoiceConnection,
    VoiceServer, outbound_queue,
    proto::{
        Codec, Incoming, encode_protobuf,
        voice::{VoiceIceCandidate, VoiceJoinRequest},
        ws::{Envelope, envelope::Payload},
    },
    signaling,
};

/// A sink that asks for the encoded form, as a transport does, and keeps only the last bytes.
#[derive(Default)]
struct Encoding {
    count: AtomicUsize,
    /// Kept, so that no later encoding can reuse the same address.
    last: Mutex<Option<Bytes>>,
}

impl Encoding {
    fn keep(&self, bytes: Bytes) -> Result<(), SinkError> {
        self.count.fetch_add(1, Ordering::Relaxed);
        *self.last.lock() = Some(bytes);
        Ok(())
    }
}

impl SignalSink for Encoding {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        self.keep(signal.as_protobuf())
    }

    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        self.keep(signal.into_protobuf())
    }
}

type Server = VoiceServer<OpenDirectory>;

fn server() -> Server {
    VoiceServer::builder(OpenDirectory)
        .build()
        .expect("valid limits")
}

fn join(server: &Server, name: &str, room: &str, sink: Arc<dyn SignalSink>) -> VoiceConnection {
    let user = UserId::new(name).expect("an id");
    let connection = server.connect(&user, sink).expect("connected");
    let request = VoiceJoinRequest {
        channel_id: room.into(),
    };
    signaling::handle_voice_join(server, &connection, "", request, SystemTime::UNIX_EPOCH)
        .now_or_never()
        .expect("this directory answers at once")
        .expect("joined");
    connection
}

/// A room of alice, who acts, and `members` others.
struct Scene {
    server: Server,
    alice: VoiceConnection,
    _others: Vec<VoiceConnection>,
    sinks: Vec<Arc<Encoding>>,
}

fn scene(server: &Server, members: usize) -> Scene {
    let sinks: Vec<Arc<Encoding>> = (0..members).map(|_| Arc::default()).collect();
    let alice = join(server, "alice", "room", Arc::new(Encoding::default()));
    let other = |(number, sink): (usize, &Arc<Encoding>)| {
        join(server, &format!("member-{number}"), "room", sink.clone())
    };
    let others = sinks.iter().enumerate().map(other).collect();
    Scene {
        server: server.clone(),
        alice,
        _others: others,
        sinks,
    }
}

/// Allocations of one call, after one warm-up call.
fn allocations(mut call: impl FnMut()) -> u64 {
    call();
    measure(call).count_total
}

fn state(scene: &Scene) -> u64 {
    allocations(|| {
        scene
            .alice
            .update_state("room", true, false, "")
            .expect("told");
    })
}

fn speaking(scene: &Scene) -> u64 {
    allocations(|| {
        let told = scene.alice.speaking("room", true, "");
        told.expect("told");
    })
}

/// The candidate is made before the count begins, since it comes from the decoder.
fn relay(scene: &Scene) -> u64 {
    let candidate = || VoiceIceCandidate {
        channel_id: "room".into(),
        target_user_id: "member-0".into(),
        candidate_json: "x".repeat(100),
        ..VoiceIceCandidate::default()
    };
    let mut candidates = vec![candidate(), candidate()];
    allocations(move || {
        let candidate = candidates.pop().expect("two");
        let relayed = signaling::handle_voice_ice_candidate(&scene.server, &scene.alice, candidate);
        relayed.expect("relayed");
    })
}

/// From the client's frame to the target's.
fn relay_frame(scene: &Scene) -> u64 {
    let candidate = VoiceIceCandidate {
        channel_id: "room".into(),
        target_user_id: "member-0".into(),
        candidate_json: "x".repeat(100),
        ..VoiceIceCandidate::default()
    };
    let frame = encode_protobuf(&Envelope {
        request_id: "7".into(),
        payload: Some(Payload::VoiceIceCandidate(candidate)),
    });
    allocations(|| {
        let message = Incoming::decode(Codec::Protobuf, &frame, usize::MAX).expect("an envelope");
        let done =
            signaling::dispatch(&scene.server, &scene.alice, message, SystemTime::UNIX_EPOCH)
                .now_or_never();
        done.expect("a relay waits for nothing");
    })
}

#[test]
#[expect(clippy::print_stdout, reason = "readers of this test need the numbers")]
fn one_more_recipient_adds_no_allocation() {
    let small = scene(&server(), 1);
    let large = scene(&server(), 99);
    let count = |scene: &Scene| {
        [
            state(scene),
            speaking(scene),
            relay_frame(scene),
            relay(scene),
        ]
    };
    let (few, many) = (count(&small), count(&large));
    println!(
        "allocations of a state update, a speaking event, a relayed frame, a relayed message: {few:?} for 1, {many:?} for 99 others"
    );
    assert_eq!(few, many);
    // One allocation for the frame. A message without its frame also needs two strings, an
    // envelope, and the state that its clones share.
    assert_eq!(many, [1, 1, 1, 6], "{many:?}");
}

/// If no member is left, no event is made.
#[test]
fn the_last_disconnect_makes_no_event() {
    let server = server();
    let vanish = |others: usize| {
        let scene = scene(&server, others);
        let Scene { alice, .. } = &scene;
        assert!(alice.seat().is_some());
        let (alice, rest) = (scene.alice, scene._others);
        let counted = measure(|| drop(alice)).count_total;
        drop(rest);
        counted
    };
    assert_eq!(vanish(0), 0);
    assert!(vanish(1) > 0, "the other member gets the event");
}

#[test]
fn all_recipients_get_the_same_bytes() {
    let scene = scene(&server(), 20);
    scene
        .alice
        .update_state("room", true, false, "")
        .expect("told");
    let address = |sink: &Arc<Encoding>| sink.last.lock().as_ref().map(|bytes| bytes.as_ptr());
    let first = address(&scene.sinks[0]);
    assert!(first.is_some());
    for sink in &scene.sinks {
        assert_eq!(address(sink), first, "encoded a second time");
    }
    // The later joins, and the state.
    assert_eq!(scene.sinks[0].count.load(Ordering::Relaxed), 1 + 19 + 1);
}

#[test]
fn a_leave_without_a_request_id_is_encoded_once() {
    let server = server();
    let (alices, bobs) = (Arc::new(Encoding::default()), Arc::new(Encoding::default()));
    let alice = join(&server, "alice", "room", alices.clone());
    let _bob = join(&server, "bob", "room", bobs.clone());
    alice.leave_channel("room", "").expect("left");
    let (alices, bobs) = (alices.last.lock(), bobs.last.lock());
    let address = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.as_ptr());
    assert_eq!(address(&alices), address(&bobs));
}

#[test]
fn other_rooms_and_users_cost_nothing() {
    let alone = server();
    let crowded = server();
    let _crowd: Vec<VoiceConnection> = (0..2_000)
        .map(|number| {
            let sink = Arc::new(Encoding::default());
            join(
                &crowded,
                &format!("user-{number}"),
                &format!("room-{}", number / 2),
                sink,
            )
        })
        .collect();
    let count = |server: &Server| {
        let scene = scene(server, 3);
        [state(&scene), speaking(&scene), relay(&scene)]
    };
    assert_eq!(count(&alone), count(&crowded));
}

/// The shortest of many runs of one call, so that other load on the machine hardly matters.
fn shortest(mut call: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        call();
        start.elapsed()
    };
    (0..200).map(time).min().expect("many runs")
}

/// With ten thousand more rooms, no operation takes ten times longer. A search through them would.
#[test]
fn no_operation_searches_rooms_or_users() {
    let alone = server();
    let crowded = server();
    let _crowd: Vec<VoiceConnection> = (0..10_000)
        .map(|number| {
            let sink = Arc::new(Encoding::default());
            let names = (format!("user-{number}"), format!("room-{number}"));
            join(&crowded, &names.0, &names.1, sink)
        })
        .collect();
    let times = |server: &Server| {
        let scene = scene(server, 3);
        let relay = shortest(|| {
            let candidate = VoiceIceCandidate {
                channel_id: "room".into(),
                target_user_id: "member-0".into(),
                ..VoiceIceCandidate::default()
            };
            let relayed =
                signaling::handle_voice_ice_candidate(&scene.server, &scene.alice, candidate);
            relayed.expect("relayed");
        });
        // A connection, a join and a disconnect.
        let visit = shortest(|| {
            drop(join(
                server,
                "visitor",
                "room",
                Arc::new(Encoding::default()),
            ));
        });
        [relay, visit]
    };
    let (few, many) = (times(&alone), times(&crowded));
    for (few, many) in few.into_iter().zip(many) {
        assert!(
            many < 10 * few + Duration::from_micros(50),
            "{few:?} became {many:?}"
        );
    }
}

/// The queue allocates nothing once its buffer has grown to its largest use.
#[test]
fn the_queue_of_the_library_adds_no_allocation_per_recipient() {
    let server = server();
    let mut streams: Vec<QueueStream> = Vec::new();
    let mut sessions = Vec::new();
    for number in 0..50 {
        let (sink, stream) = outbound_queue(256, 1 << 20);
        sessions.push(join(
            &server,
            &format!("user-{number}"),
            "room",
            Arc::new(sink),
        ));
        streams.push(stream);
    }
    let mut drain = || {
        for stream in &mut streams {
            while stream.pop().is_some() {}
        }
    };
    drain();
    let mut call = || {
        sessions[0].speaking("room", true, "").expect("told");
        drain();
    };
    call();
    let counted = measure(call).count_total;
    assert!(counted <= 5, "{counted} allocations for 49 recipients");
}

#[test]
fn an_idle_connection_is_small() {
    let server = server();
    let mut kept = Vec::with_capacity(1_000);
    let counted = measure(|| {
        for number in 0..1_000 {
            let (sink, stream) = outbound_queue(256, 4 << 20);
            let user = UserId::new(number.to_string()).expect("an id");
            let session = server.connect(&user, Arc::new(sink)).expect("connected");
            kept.push((session, stream));
        }
    });
    let each = counted.bytes_current / 1_000;
    assert!(each < 1_024, "{each} bytes for an idle connection");
}
