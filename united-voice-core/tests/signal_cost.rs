//! The cost of operations with the library's own queue, counted by an allocator. Relay and
//! broadcast allocate nothing per recipient, a signal is encoded once for all recipients, and other
//! rooms and users add no cost.
//!
//! Two invariants: a broadcast encodes once and a recipient costs one clone and one push; relay
//! touches only its room.

use std::time::{Duration, Instant, UNIX_EPOCH};

use allocation_counter::measure;
use bytes::Bytes;
use futures::FutureExt;
use united_voice_core::{
    ChannelId, Codec, OpenDirectory, QueueStream, UserId, VoiceConnection, VoiceServer,
    outbound_queue,
    proto::{
        Incoming, encode_json, encode_protobuf,
        voice::VoiceIceCandidate,
        ws::{Envelope, envelope::Payload},
    },
    signaling,
};

/// The reading end of a queue. It reads signals as `drive` does.
struct Inbox {
    stream: QueueStream,
    codec: Codec,
}

impl Inbox {
    fn pop(&mut self) -> Option<Bytes> {
        let signal = self.stream.pop()?;
        Some(match self.codec {
            Codec::Protobuf => signal.into_protobuf(),
            Codec::Json => signal.into_json().into_bytes(),
        })
    }

    fn take(&mut self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Reads everything and keeps nothing, so that reading itself allocates nothing.
    fn clear(&mut self) -> usize {
        let mut count = 0;
        while self.pop().is_some() {
            count += 1;
        }
        count
    }
}

type Server = VoiceServer<OpenDirectory>;

fn server() -> Server {
    let server = VoiceServer::builder(OpenDirectory).build();
    server.expect("valid limits")
}

fn join(server: &Server, name: &str, room: &str) -> (VoiceConnection, Inbox) {
    join_speaking(Codec::Protobuf, server, name, room)
}

fn join_speaking(
    codec: Codec,
    server: &Server,
    name: &str,
    room: &str,
) -> (VoiceConnection, Inbox) {
    let user = UserId::new(name).expect("an id");
    let channel = ChannelId::new(room).expect("an id");
    let (sink, mut stream) = outbound_queue(256, 4 << 20);
    stream.set_codec(codec);
    let connection = server.connect(&user, sink.into()).expect("connected");
    let joined = server.join_channel(&connection, &channel, "", UNIX_EPOCH);
    let joined = joined.now_or_never();
    joined
        .expect("this directory answers at once")
        .expect("joined");
    (connection, Inbox { stream, codec })
}

/// Sends one frame of a client through the whole library.
fn dispatch(server: &Server, connection: &VoiceConnection, codec: Codec, frame: &[u8]) {
    let message = Incoming::decode(codec, frame, usize::MAX).expect("an envelope");
    let done = signaling::dispatch(server, connection, message, UNIX_EPOCH).now_or_never();
    done.expect("a relay waits for nothing");
}

/// A room of alice, who acts, and others.
struct Scene {
    server: Server,
    alice: VoiceConnection,
    others: Vec<VoiceConnection>,
    /// One inbox per member. Alice's is the last.
    inboxes: Vec<Inbox>,
}

fn scene(server: &Server, members: usize) -> Scene {
    scene_speaking(server, &vec![Codec::Protobuf; members])
}

/// A room of alice and one member per codec in `codecs`.
fn scene_speaking(server: &Server, codecs: &[Codec]) -> Scene {
    let (alice, alices) = join(server, "alice", "room");
    let other = |(number, codec): (usize, &Codec)| {
        join_speaking(*codec, server, &format!("member-{number}"), "room")
    };
    let (others, mut inboxes): (Vec<_>, Vec<_>) = codecs.iter().enumerate().map(other).unzip();
    inboxes.push(alices);
    let mut scene = Scene {
        server: server.clone(),
        alice,
        others,
        inboxes,
    };
    scene.clear();
    scene
}

impl Scene {
    /// Reads all inboxes and returns the number of frames.
    fn clear(&mut self) -> usize {
        self.inboxes.iter_mut().map(Inbox::clear).sum()
    }

    /// The allocations of one call and of reading the `frames` frames that it sends, after one
    /// warm-up call.
    fn allocations(
        &mut self,
        frames: usize,
        mut call: impl FnMut(&Server, &VoiceConnection),
    ) -> u64 {
        let mut run = || {
            call(&self.server, &self.alice);
            assert_eq!(
                self.inboxes.iter_mut().map(Inbox::clear).sum::<usize>(),
                frames
            );
        };
        run();
        measure(run).count_total
    }
}

fn state(scene: &mut Scene) -> u64 {
    scene.allocations(scene.inboxes.len(), |_, alice| {
        alice.update_state("room", true, false, "").expect("told");
    })
}

fn speaking(scene: &mut Scene) -> u64 {
    scene.allocations(scene.others.len(), |_, alice| {
        alice.speaking("room", true, "").expect("told");
    })
}

fn candidate(length: usize) -> VoiceIceCandidate {
    VoiceIceCandidate {
        channel_id: "room".into(),
        target_user_id: "member-0".into(),
        candidate_json: "x".repeat(length),
        ..VoiceIceCandidate::default()
    }
}

/// The candidate is made before the count begins, since it comes from the decoder.
fn relay_message(scene: &mut Scene) -> u64 {
    let mut candidates = vec![candidate(100), candidate(100)];
    scene.allocations(1, move |server, alice| {
        let candidate = candidates.pop().expect("two");
        let relayed = signaling::handle_voice_ice_candidate(server, alice, candidate);
        relayed.expect("relayed");
    })
}

fn envelope(length: usize) -> Envelope {
    Envelope {
        request_id: "7".into(),
        payload: Some(Payload::VoiceIceCandidate(candidate(length))),
    }
}

/// From the client's frame to the target's.
fn relay_frame(scene: &mut Scene, length: usize) -> u64 {
    let frame = encode_protobuf(&envelope(length));
    scene.allocations(1, |server, alice| {
        dispatch(server, alice, Codec::Protobuf, &frame);
    })
}

/// The same in JSON.
fn relay_text(scene: &mut Scene) -> u64 {
    let text = encode_json(&envelope(100));
    scene.allocations(1, |server, alice| {
        dispatch(server, alice, Codec::Json, text.as_bytes());
    })
}

#[test]
#[expect(clippy::print_stdout, reason = "readers of this test need the numbers")]
fn one_more_recipient_adds_no_allocation() {
    let count = |others: usize| {
        let server = server();
        let scene = &mut scene(&server, others);
        [
            state(scene),
            speaking(scene),
            relay_frame(scene, 20),
            relay_frame(scene, 300),
            relay_message(scene),
        ]
    };
    let (few, many) = (count(1), count(99));
    println!(
        "allocations of a state update, a speaking event, a short and a long relayed frame, a relayed message: \
         {few:?} for 1, {many:?} for 99 others"
    );
    assert_eq!(few, many);
    // One allocation for the frame. A message without its frame also needs two strings for the
    // sender, and an envelope.
    assert_eq!(many, [1, 1, 1, 1, 4], "{many:?}");
}

#[test]
fn a_second_codec_is_encoded_once_too() {
    let count = |others: usize| {
        let server = server();
        let mut codecs = vec![Codec::Protobuf; others];
        codecs.extend(vec![Codec::Json; others]);
        let scene = &mut scene_speaking(&server, &codecs);
        [state(scene), speaking(scene)]
    };
    assert_eq!(count(2), count(40));
}

#[test]
fn a_relay_in_json_is_one_allocation() {
    let server = server();
    let mut scene = scene_speaking(&server, &[Codec::Json; 3]);
    assert_eq!(relay_text(&mut scene), 1);
}

/// If no member is left, no event is made.
#[test]
fn the_last_disconnect_makes_no_event() {
    let server = server();
    let vanish = |others: usize| {
        let Scene { alice, others, .. } = scene(&server, others);
        assert!(alice.seat().is_some());
        let counted = measure(|| drop(alice)).count_total;
        drop(others);
        counted
    };
    assert_eq!(vanish(0), 0);
    assert!(vanish(1) > 0, "the other member gets the event");
}

#[test]
fn all_recipients_get_the_same_bytes() {
    let server = server();
    let codecs = [Codec::Protobuf, Codec::Json].repeat(10);
    let mut scene = scene_speaking(&server, &codecs);
    let updated = scene.alice.update_state("room", true, false, "");
    updated.expect("told");
    // Kept, so that no later encoding can reuse the same address.
    let sent: Vec<Vec<Bytes>> = scene.inboxes.iter_mut().map(Inbox::take).collect();
    for (codec, frames) in codecs.iter().zip(&sent) {
        let first = usize::from(*codec == Codec::Json);
        assert_eq!(frames.len(), 1);
        assert_eq!(
            frames[0].as_ptr(),
            sent[first][0].as_ptr(),
            "encoded a second time"
        );
    }
}

#[test]
fn a_leave_without_a_request_id_is_encoded_once() {
    let server = server();
    let mut scene = scene(&server, 1);
    scene.alice.leave_channel("room", "").expect("left");
    let sent: Vec<Vec<Bytes>> = scene.inboxes.iter_mut().map(Inbox::take).collect();
    assert_eq!(sent[0][0].as_ptr(), sent[1][0].as_ptr());
}

#[test]
fn other_rooms_and_users_cost_nothing() {
    let alone = server();
    let crowded = server();
    let _crowd: Vec<_> = (0..2_000)
        .map(|number| {
            let names = (format!("user-{number}"), format!("room-{}", number / 2));
            join(&crowded, &names.0, &names.1)
        })
        .collect();
    let count = |server: &Server| {
        let scene = &mut scene(server, 3);
        [state(scene), speaking(scene), relay_message(scene)]
    };
    assert_eq!(count(&alone), count(&crowded));
}

/// The shortest of many runs of one call, so that other work on the machine hardly matters.
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
    let _crowd: Vec<_> = (0..10_000)
        .map(|number| {
            let names = (format!("user-{number}"), format!("room-{number}"));
            join(&crowded, &names.0, &names.1)
        })
        .collect();
    let times = |server: &Server| {
        let mut scene = scene(server, 3);
        let relay = shortest(|| {
            let (server, alice) = (&scene.server, &scene.alice);
            let relayed = signaling::handle_voice_ice_candidate(server, alice, candidate(0));
            relayed.expect("relayed");
            scene.clear();
        });
        // A connection, a join and a disconnect.
        let visit = shortest(|| {
            drop(join(server, "visitor", "room"));
            scene.clear();
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

#[test]
fn an_idle_connection_is_small() {
    let server = server();
    let mut kept = Vec::with_capacity(1_000);
    let counted = measure(|| {
        for number in 0..1_000 {
            let (sink, stream) = outbound_queue(256, 4 << 20);
            let user = UserId::new(number.to_string()).expect("an id");
            let session = server.connect(&user, sink.into()).expect("connected");
            kept.push((session, stream));
        }
    });
    let each = counted.bytes_current / 1_000;
    assert!(each < 1_024, "{each} bytes for an idle connection");
}
