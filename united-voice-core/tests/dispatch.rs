//! `signaling::dispatch`: what each request is answered, good or bad, exactly once and under its request id, and what a
//! directory that is slow, failing or given up does to a join.

mod support;

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::FutureExt;
use support::{channel, lines::line, user};
use tokio::sync::Semaphore;
use united_voice_core::{
    Admission, AdmitError, ChannelId, IceConfig, Profile, TurnConfig, UserId, VoiceDirectory,
    VoiceServer, VoiceSession,
    proto::{
        voice::{
            VoiceIceCandidate, VoiceIceServersRequest, VoiceIceServersResponse, VoiceJoinRequest,
            VoiceJoinResponse, VoiceLeaveEvent, VoiceLeaveRequest, VoiceParticipantJoinedEvent,
            VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent, VoiceStateUpdate,
        },
        ws::{Envelope, envelope::Payload},
    },
    signaling,
    test_util::RecordingSink,
};

/// Answers by the channel's name; where a channel is `slow`, only when it is let.
struct Directory {
    gate: Semaphore,
    asked: AtomicUsize,
}

#[async_trait]
impl VoiceDirectory for Directory {
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match channel.as_str() {
            "slow" => self.gate.acquire().await.map_err(AdmitError::unavailable)?.forget(),
            "text" => return Err(AdmitError::NotAVoiceChannel),
            "unknown" => return Err(AdmitError::ChannelNotFound),
            "banned" => return Err(AdmitError::Forbidden),
            "broken" => return Err(AdmitError::unavailable("disk on fire at /secret/path")),
            _ => {}
        }
        let limit = if channel.as_str() == "tiny" { 1 } else { 0 };
        let admission = Admission::new(Profile::new(user.as_str()));
        Ok(admission.with_max_participants(NonZeroU32::new(limit)))
    }
}

type Server = VoiceServer<Directory>;

fn server() -> Server {
    let directory = Directory { gate: Semaphore::new(0), asked: AtomicUsize::new(0) };
    let turn = TurnConfig::new("turn.example", 3478, "secret", 60).expect("valid");
    let ice = IceConfig::default().with_turn(turn);
    VoiceServer::builder(directory).ice(ice).build().expect("built")
}

struct Peer {
    session: VoiceSession,
    sink: Arc<RecordingSink>,
    server: Server,
}

impl Peer {
    fn new(server: &Server, name: &str) -> Self {
        let sink = Arc::new(RecordingSink::default());
        let session = server.connect(&user(name), sink.clone()).expect("connected");
        Self { session, sink, server: server.clone() }
    }

    fn joined(server: &Server, name: &str, channel: &str) -> Self {
        let peer = Self::new(server, name);
        let told = peer.ask(join(channel));
        assert!(told[0].starts_with("#7 response"), "{told:?}");
        peer
    }

    /// Sends under the request id 7 and says what came of it. Nothing here has to wait.
    fn ask(&self, payload: Payload) -> Vec<String> {
        self.ask_as("7", Some(payload))
    }

    fn ask_as(&self, request_id: &str, payload: Option<Payload>) -> Vec<String> {
        let envelope = Envelope { request_id: request_id.into(), payload };
        let dispatched = signaling::dispatch(&self.server, &self.session, envelope);
        dispatched.now_or_never().expect("at once");
        self.lines()
    }

    fn lines(&self) -> Vec<String> {
        self.sink.take().iter().map(line).collect()
    }
}

fn join(channel: &str) -> Payload {
    Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id: channel.into() })
}

fn leave(channel: &str) -> Payload {
    Payload::VoiceLeaveRequest(VoiceLeaveRequest { channel_id: channel.into() })
}

fn state(channel: &str) -> Payload {
    let channel_id = channel.into();
    Payload::VoiceStateUpdate(VoiceStateUpdate { channel_id, ..VoiceStateUpdate::default() })
}

fn speaking(channel: &str) -> Payload {
    let channel_id = channel.into();
    Payload::VoiceSpeakingEvent(VoiceSpeakingEvent { channel_id, ..VoiceSpeakingEvent::default() })
}

fn ice(channel: &str) -> Payload {
    Payload::VoiceIceServersRequest(VoiceIceServersRequest { channel_id: channel.into() })
}

/// The three relayed messages.
fn relayed(channel: &str, to: &str, content: &str) -> [Payload; 3] {
    let (channel_id, target_user_id, sdp) = (channel.to_owned(), to.to_owned(), content.to_owned());
    [
        Payload::VoiceSdpOffer(VoiceSdpOffer {
            channel_id: channel_id.clone(),
            target_user_id: target_user_id.clone(),
            sdp: sdp.clone(),
            ..VoiceSdpOffer::default()
        }),
        Payload::VoiceSdpAnswer(VoiceSdpAnswer {
            channel_id: channel_id.clone(),
            target_user_id: target_user_id.clone(),
            sdp: sdp.clone(),
            ..VoiceSdpAnswer::default()
        }),
        Payload::VoiceIceCandidate(VoiceIceCandidate {
            channel_id,
            target_user_id,
            candidate_json: sdp,
            ..VoiceIceCandidate::default()
        }),
    ]
}

/// All requests that name a channel.
fn requests(channel: &str) -> Vec<Payload> {
    let mut all = vec![join(channel), leave(channel), state(channel), speaking(channel), ice(channel)];
    all.extend(relayed(channel, "bob", "x"));
    all
}

#[test]
fn each_request_is_answered_once_under_its_id() {
    let server = server();
    let alice = Peer::new(&server, "alice");
    assert_eq!(alice.ask(join("a")), ["#7 response a []"]);
    assert_eq!(alice.ask(join("a")), ["#7 response a []"]);
    assert_eq!(alice.ask(state("a")), ["#7 state a alice"]);
    assert_eq!(alice.ask(speaking("a")), ["#7 speaking a alice off"]);
    assert_eq!(alice.ask(ice("a")), ["#7 ice a 2"]);
    assert_eq!(alice.ask(leave("a")), ["#7 left a alice LEFT"]);
}

#[test]
fn a_request_without_an_id_is_answered_without_one() {
    let server = server();
    let alice = Peer::new(&server, "alice");
    assert_eq!(alice.ask_as("", Some(join("a"))), ["response a []"]);
    assert_eq!(alice.ask_as("", Some(state("a"))), ["state a alice"]);
    assert_eq!(alice.ask_as("", Some(speaking("a"))), [""; 0]);
    assert_eq!(alice.ask_as("", Some(leave("b"))), ["error NOT_IN_CHANNEL b"]);
    assert_eq!(alice.ask_as("", Some(leave("a"))), ["left a alice LEFT"]);
}

#[test]
fn a_relayed_message_is_answered_only_when_it_fails() {
    let server = server();
    let alice = Peer::joined(&server, "alice", "a");
    let bob = Peer::joined(&server, "bob", "a");
    alice.lines();
    for payload in relayed("a", "bob", "x") {
        assert_eq!(alice.ask(payload), [""; 0]);
    }
    assert_eq!(bob.lines(), ["offer alice x", "answer alice x", "candidate alice x"]);
    for payload in relayed("a", "nobody", "x") {
        assert_eq!(alice.ask(payload), ["#7 error TARGET_NOT_IN_CHANNEL a"]);
    }
    for payload in relayed("b", "bob", "x") {
        assert_eq!(alice.ask(payload), ["#7 error NOT_IN_CHANNEL b"]);
    }
    let stale = VoiceSdpOffer {
        channel_id: "a".into(),
        target_user_id: "bob".into(),
        target_session_id: "1-1".into(),
        ..VoiceSdpOffer::default()
    };
    assert_eq!(alice.ask(Payload::VoiceSdpOffer(stale)), ["#7 error STALE_SESSION a"]);
    assert_eq!(bob.lines(), [""; 0]);
}

#[test]
fn ids_that_are_none_are_malformed_whatever_the_request() {
    let server = server();
    let alice = Peer::joined(&server, "alice", "a");
    for id in ["", &"x".repeat(129)] {
        for request in requests(id) {
            let case = format!("{request:?}");
            assert_eq!(alice.ask(request), ["#7 error MALFORMED "], "{case}");
        }
        for payload in relayed("a", id, "x") {
            assert_eq!(alice.ask(payload), ["#7 error MALFORMED a"]);
        }
    }
    let long_session = VoiceSdpOffer {
        channel_id: "a".into(),
        target_user_id: "bob".into(),
        target_session_id: "x".repeat(129),
        ..VoiceSdpOffer::default()
    };
    assert_eq!(alice.ask(Payload::VoiceSdpOffer(long_session)), ["#7 error MALFORMED a"]);
    assert_eq!(server.registry().participant_count(&channel("a")), 1);
}

#[test]
fn ids_of_128_bytes_are_ids() {
    let server = server();
    let longest = "é".repeat(64);
    let alice = Peer::new(&server, &longest);
    assert_eq!(alice.ask(join(&longest)), [format!("#7 response {longest} []")]);
    let told = alice.ask_as(&longest, Some(state(&longest)));
    assert_eq!(told, [format!("#{longest} state {longest} {longest}")]);
}

#[test]
fn a_request_id_that_is_too_long_is_malformed_and_not_given_back() {
    let server = server();
    let alice = Peer::new(&server, "alice");
    for request in requests("a") {
        let told = alice.ask_as(&"7".repeat(129), Some(request));
        assert_eq!(told, ["error MALFORMED "]);
    }
    assert_eq!(server.registry().room_count(), 0, "it was not carried out");
}

#[test]
fn no_payload_is_malformed() {
    let server = server();
    assert_eq!(Peer::new(&server, "alice").ask_as("7", None), ["#7 error MALFORMED "]);
}

#[test]
fn what_only_a_server_sends_is_unsupported() {
    let server = server();
    let alice = Peer::joined(&server, "alice", "a");
    let bob = Peer::joined(&server, "bob", "a");
    alice.lines();
    let payloads = [
        Payload::VoiceJoinResponse(VoiceJoinResponse::default()),
        Payload::VoiceLeaveEvent(VoiceLeaveEvent { user_id: "bob".into(), ..VoiceLeaveEvent::default() }),
        Payload::VoiceParticipantJoinedEvent(VoiceParticipantJoinedEvent::default()),
        Payload::VoiceError(united_voice_core::proto::voice::VoiceError::default()),
        Payload::VoiceIceServersResponse(VoiceIceServersResponse::default()),
    ];
    for payload in payloads {
        assert_eq!(alice.ask(payload), ["#7 error UNSUPPORTED "]);
    }
    assert_eq!(bob.lines(), [""; 0]);
}

#[test]
fn content_is_limited_to_the_byte() {
    let server = server();
    let alice = Peer::joined(&server, "alice", "a");
    let bob = Peer::joined(&server, "bob", "a");
    alice.lines();
    let limits = [64 << 10, 64 << 10, 4 << 10];
    for (kind, limit) in limits.into_iter().enumerate() {
        let at_limit = "x".repeat(limit);
        let [fits, over] = [at_limit.clone(), at_limit + "x"]
            .map(|content| relayed("a", "bob", &content).into_iter().nth(kind).expect("three"));
        assert_eq!(alice.ask(fits), [""; 0]);
        assert_eq!(bob.sink.take().len(), 1);
        assert_eq!(alice.ask(over), ["#7 error TOO_LARGE a"]);
        assert_eq!(bob.sink.take().len(), 0);
    }
}

#[test]
fn outside_a_channel_everything_is_refused_whether_it_exists_or_not() {
    let server = server();
    let _bob = Peer::joined(&server, "bob", "a");
    let alice = Peer::new(&server, "alice");
    for name in ["a", "unknown"] {
        for request in requests(name).into_iter().skip(1) {
            assert_eq!(alice.ask(request), [format!("#7 error NOT_IN_CHANNEL {name}")]);
        }
    }
}

#[test]
fn what_the_directory_refuses_is_said_and_changes_nothing() {
    let server = server();
    let alice = Peer::joined(&server, "alice", "a");
    let _carol = Peer::joined(&server, "carol", "tiny");
    let refusals = [
        ("text", "NOT_A_VOICE_CHANNEL"),
        ("unknown", "CHANNEL_NOT_FOUND"),
        ("banned", "FORBIDDEN"),
        ("broken", "UNAVAILABLE"),
        ("tiny", "CHANNEL_FULL"),
    ];
    for (name, code) in refusals {
        assert_eq!(alice.ask(join(name)), [format!("#7 error {code} {name}")]);
        assert_eq!(alice.session.seat().expect("still there").0, channel("a"));
    }
    assert_eq!(server.registry().room_count(), 2);
}

#[test]
fn a_client_is_not_told_why_the_directory_failed() {
    let server = server();
    let alice = Peer::new(&server, "alice");
    let request = VoiceJoinRequest { channel_id: "broken".into() };
    let handled = signaling::handle_voice_join(&server, &alice.session, "7", request);
    let error = handled.now_or_never().expect("at once").expect_err("refused");
    let source = std::error::Error::source(&error).expect("kept for the host");
    assert!(source.to_string().contains("disk on fire"));
    signaling::reply_error(&alice.session, "7", &error);
    assert!(!format!("{:?}", alice.sink.take()).contains("disk"));
}

#[test]
fn a_join_that_is_given_up_changes_nothing() {
    let server = server();
    let alice = Peer::joined(&server, "alice", "a");
    let bob = Peer::joined(&server, "bob", "a");
    alice.lines();
    let envelope = Envelope { request_id: "7".into(), payload: Some(join("slow")) };
    let mut dispatched = Box::pin(signaling::dispatch(&server, &alice.session, envelope));
    assert!(dispatched.as_mut().now_or_never().is_none(), "the directory is slow");
    assert_eq!(server.registry().room_count(), 1);
    drop(dispatched);
    server.directory().gate.add_permits(1);
    assert_eq!(alice.lines(), [""; 0]);
    assert_eq!(bob.lines(), [""; 0]);
    assert_eq!(alice.session.seat().expect("still there").0, channel("a"));
}

#[test]
fn a_slow_directory_holds_nobody_else_up() {
    let server = server();
    let alice = Peer::joined(&server, "alice", "a");
    let bob = Peer::joined(&server, "bob", "a");
    alice.lines();
    let envelope = Envelope { request_id: "7".into(), payload: Some(join("slow")) };
    let mut dispatched = Box::pin(signaling::dispatch(&server, &alice.session, envelope));
    assert!(dispatched.as_mut().now_or_never().is_none());
    assert_eq!(bob.ask(state("a")), ["#7 state a bob"]);
    assert_eq!(alice.lines(), ["state a bob"], "it is still a member and told everything");
    server.directory().gate.add_permits(1);
    dispatched.as_mut().now_or_never().expect("through");
    assert_eq!(alice.lines(), ["#7 response slow []"]);
    assert_eq!(bob.lines(), ["left a alice MOVED"]);
}

#[test]
fn a_join_asks_again_where_the_policy_changed_meanwhile() {
    let server = server();
    let alice = Peer::new(&server, "alice");
    let envelope = Envelope { request_id: "7".into(), payload: Some(join("slow")) };
    let mut dispatched = Box::pin(signaling::dispatch(&server, &alice.session, envelope));
    assert!(dispatched.as_mut().now_or_never().is_none());
    server.registry().policy_changed(&channel("slow"));
    server.directory().gate.add_permits(1);
    assert!(dispatched.as_mut().now_or_never().is_none(), "asks again");
    server.directory().gate.add_permits(1);
    dispatched.as_mut().now_or_never().expect("through");
    assert_eq!(server.directory().asked.load(Ordering::SeqCst), 2);
    assert_eq!(alice.lines(), ["#7 response slow []"]);
}

#[test]
fn a_policy_that_never_rests_is_answered_too() {
    let server = server();
    let alice = Peer::new(&server, "alice");
    let envelope = Envelope { request_id: "7".into(), payload: Some(join("slow")) };
    let mut dispatched = Box::pin(signaling::dispatch(&server, &alice.session, envelope));
    let mut rounds = 0;
    while dispatched.as_mut().now_or_never().is_none() {
        server.registry().policy_changed(&channel("slow"));
        server.directory().gate.add_permits(1);
        rounds += 1;
        assert!(rounds < 100, "asks for ever");
    }
    assert_eq!(alice.lines(), ["#7 error UNAVAILABLE slow"]);
    assert_eq!(server.registry().room_count(), 0);
}
