//! A client that sends anything at all to [`drive`], through a WebSocket in memory: well-formed
//! frames, broken frames and raw bytes, in chunks, with time going by. It reads as slowly as it
//! likes. Another member of its channel and the host act meanwhile.

mod client;
mod wire;

use std::{
    future::Future,
    num::NonZeroU32,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;
use futures::FutureExt as _;
use united_voice_core::{
    Admission, AdmitError, ChannelId, Codec, Disconnect, IceConfig, Limits, Profile, TurnConfig,
    UserId, VoiceConnection, VoiceDirectory, VoiceServer, drive, signaling::dispatch,
    test_util::RecordingSink,
};
use united_voice_proto::{
    voice::{VoiceIceCandidate, VoiceJoinRequest, VoiceSpeakingEvent, VoiceStateUpdate},
    ws::{Envelope, envelope::Payload},
};
use united_voice_websocket::WebSocket;

use self::{client::Client, wire::Wire};
use crate::input::Input;

/// More steps find nothing more, and take more time.
const MOST_STEPS: usize = 150;

/// A task that is woken this often without waiting for anything never ends.
const MOST_POLLS: usize = 20_000;

/// Reads the bytes as what a client sends, and what happens meanwhile.
///
/// # Panics
///
/// If the server breaks a rule.
pub fn check(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime without I/O");
    runtime.block_on(tokio::task::unconstrained(run(Input::new(bytes))));
}

async fn run(mut input: Input<'_>) {
    let server = server();
    let codec = input.pick(&[None, Some(Codec::Protobuf), Some(Codec::Json)]);
    let mut bob = Bob::join(&server);
    let (wire, stream) = Wire::new();
    let mut client = Client::new(wire, codec);
    let socket = WebSocket::new(stream, [], server.limits());
    let alice = UserId::new("alice").expect("a valid id");
    let driven = pin!(drive(&server, socket, alice, codec));
    let mut task = Task::new(driven);

    for _ in 0..MOST_STEPS {
        if input.is_empty() || task.ended.is_some() {
            break;
        }
        match input.below(16) {
            0..8 => client.send(&mut input),
            8 | 9 => bob.act(&server, &mut input),
            10 | 11 => {
                let time = input.pick(&[1, 100, 1_000, 4_000, 11_000, 16_000, 31_000]);
                pass(time, &mut client).await;
            }
            12 => client
                .wire
                .read_more(input.pick(&[0, 1, 100, 1_000, 100_000])),
            13 => client.wire.set_chunk(input.pick(&[1, 2, 3, 7, 64, 4096])),
            14 => client.end(&mut input),
            _ => host_acts(&server, &mut input, &mut client),
        }
        task.poll();
        client.check_output(bob.actions);
    }

    // A client that reads all is in the room that it believes to be in.
    client.wire.read_more(usize::MAX);
    task.poll();
    client.check_output(bob.actions);
    if task.ended.is_none() && !client.is_closed() {
        check_view(&server, &client);
    }
    if input.flag() {
        client.wire.hang_up(false);
    }
    // Pings, their time-out, the directory's, the close frame's and the lingering take less.
    for _ in 0..20 {
        pass(5_000, &mut client).await;
        task.poll();
        client.check_output(bob.actions);
    }
    let disconnect = task
        .ended
        .expect("no connection lasts without a sign of life");
    client.check_end(disconnect);
    check_nobody_is_left(&server, bob);
}

fn server() -> VoiceServer<Host> {
    let mut limits = Limits::default();
    limits.messages_per_second = 10;
    limits.burst = 20;
    limits.outbound_queue = 8;
    limits.outbound_queue_bytes = 4_000;
    limits.max_message_bytes = 2_000;
    limits.max_sdp_bytes = 500;
    limits.max_candidate_bytes = 300;
    // Credentials of this lifetime are renewed while a client is there.
    let turn = TurnConfig::new("turn.example", 3478, "a secret", 20).expect("valid");
    let server = VoiceServer::builder(Host)
        .limits(limits)
        .ice(IceConfig::default().with_turn(turn))
        .build();
    server.expect("the limits are valid")
}

/// Lets time go by.
async fn pass(millis: u64, client: &mut Client) {
    client.millis += millis;
    tokio::time::advance(Duration::from_millis(millis)).await;
}

fn host_acts(server: &VoiceServer<Host>, input: &mut Input<'_>, client: &mut Client) {
    let registry = server.registry();
    let alice = UserId::new("alice").expect("a valid id");
    let channel = ChannelId::new("a").expect("a valid id");
    match input.below(8) {
        0 | 1 => drop(registry.kick(&alice)),
        2 | 3 => drop(registry.leave_all_channels(&alice)),
        4 | 5 => drop(registry.close_channel(&channel)),
        6 => registry.policy_changed(&channel),
        _ => {
            server.shutdown();
            client.may_go_away = true;
        }
    }
}

fn check_view(server: &VoiceServer<Host>, client: &Client) {
    let mut seats = 0;
    for name in ["a", "b", "tiny"] {
        let channel = ChannelId::new(name).expect("a valid id");
        let roster = server.registry().participants(&channel);
        if roster.iter().any(|who| who.user_id == "alice") {
            let room = client.replica.room.as_ref().expect("told of its seat");
            assert_eq!(room.channel, name);
            client.replica.check(&roster);
            seats += 1;
        }
    }
    assert_eq!(seats, usize::from(client.replica.room.is_some()));
}

fn check_nobody_is_left(server: &VoiceServer<Host>, bob: Bob) {
    assert_eq!(server.connections(), 1);
    for name in ["a", "b", "tiny"] {
        let channel = ChannelId::new(name).expect("a valid id");
        let roster = server.registry().participants(&channel);
        assert!(roster.iter().all(|who| who.user_id == "bob"));
    }
    drop(bob);
    assert_eq!(server.registry().room_count(), 0);
    assert_eq!(server.drained().now_or_never(), Some(()));
}

/// Admits to three channels, and never answers about a fourth.
struct Host;

#[async_trait]
impl VoiceDirectory for Host {
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        let admission = Admission::new(Profile::new(user.as_str()));
        match channel.as_str() {
            "a" | "b" => Ok(admission),
            "tiny" => Ok(admission.with_max_participants(NonZeroU32::new(1))),
            "slow" => std::future::pending().await,
            "text" => Err(AdmitError::NotAVoiceChannel),
            _ => Err(AdmitError::ChannelNotFound),
        }
    }
}

/// The other member. He reads at once.
struct Bob {
    connection: VoiceConnection,
    sink: Arc<RecordingSink>,
    /// Messages that he has sent.
    actions: usize,
}

impl Bob {
    fn join(server: &VoiceServer<Host>) -> Self {
        let sink = Arc::new(RecordingSink::default());
        let user = UserId::new("bob").expect("a valid id");
        let connection = server.connect(&user, sink.clone()).expect("connected");
        let mut bob = Self {
            connection,
            sink,
            actions: 0,
        };
        let channel_id = "a".to_owned();
        bob.send(
            server,
            Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id }),
        );
        bob
    }

    /// Sends one message several times. Many of them are more than a queue takes.
    fn act(&mut self, server: &VoiceServer<Host>, input: &mut Input<'_>) {
        let channel_id = input.pick(&["a", "a", "a", "b", "tiny"]).to_owned();
        let payload = match input.below(6) {
            0 => Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id }),
            1 => Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
                channel_id,
                speaking: input.flag(),
                ..VoiceSpeakingEvent::default()
            }),
            2 | 3 => Payload::VoiceStateUpdate(VoiceStateUpdate {
                channel_id,
                muted: input.flag(),
                ..VoiceStateUpdate::default()
            }),
            _ => Payload::VoiceIceCandidate(VoiceIceCandidate {
                channel_id,
                target_user_id: "alice".to_owned(),
                candidate_json: "x".repeat(input.pick(&[0, 10, 300])),
                ..VoiceIceCandidate::default()
            }),
        };
        for _ in 0..input.pick(&[1, 1, 2, 7, 20]) {
            self.send(server, payload.clone());
        }
    }

    fn send(&mut self, server: &VoiceServer<Host>, payload: Payload) {
        self.actions += 1;
        let envelope = Envelope {
            request_id: "bob".to_owned(),
            payload: Some(payload),
        };
        let handled = dispatch(server, &self.connection, envelope, UNIX_EPOCH);
        handled.now_or_never().expect("he asks for no slow channel");
        self.sink.take();
    }
}

/// The task of the connection, polled as long as it is woken.
struct Task<'a, F> {
    future: Pin<&'a mut F>,
    woken: Arc<Woken>,
    ended: Option<Disconnect>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<'a, F: Future<Output = Disconnect>> Task<'a, F> {
    fn new(future: Pin<&'a mut F>) -> Self {
        Self {
            future,
            woken: Arc::new(Woken(AtomicBool::new(true))),
            ended: None,
        }
    }

    fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..MOST_POLLS {
            if self.ended.is_some() || !self.woken.0.swap(false, Ordering::SeqCst) {
                return;
            }
            if let Poll::Ready(disconnect) = self.future.as_mut().poll(&mut cx) {
                self.ended = Some(disconnect);
            }
        }
        panic!("the connection wakes itself without end");
    }
}
