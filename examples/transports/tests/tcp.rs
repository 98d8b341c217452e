//! Voice channels over framed TCP. All tests but the last use a pipe in memory and a clock that
//! stands still while any task can run, so a deadline passes only if nothing else can happen.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, timeout},
};
use united_voice_core::{
    CloseFrame, Disconnect, Frame, Limits, OpenDirectory, VoiceServer,
    proto::{
        voice::{
            VoiceErrorCode as Code, VoiceIceCandidate, VoiceJoinRequest, VoiceJoinResponse,
            VoiceLeaveReason, VoiceLeaveRequest, VoiceStateUpdate,
        },
        ws::envelope::Payload,
    },
};
use united_voice_transports::tcp::{self, Heard, TcpClient};

const ROOM: &str = "room";

fn server_with(limits: Limits) -> VoiceServer<OpenDirectory> {
    VoiceServer::builder(OpenDirectory)
        .limits(limits)
        .build()
        .unwrap()
}

fn server() -> VoiceServer<OpenDirectory> {
    server_with(Limits::default())
}

struct Connected {
    client: TcpClient<DuplexStream>,
    served: JoinHandle<Option<Disconnect>>,
}

impl Connected {
    async fn over(server: &VoiceServer<OpenDirectory>, user: &str, pipe: usize) -> Self {
        let (ours, theirs) = duplex(pipe);
        let server = server.clone();
        let served = tokio::spawn(async move { tcp::serve_stream(&server, theirs).await });
        let client = TcpClient::over(ours, user).await.unwrap();
        Self { client, served }
    }

    async fn new(server: &VoiceServer<OpenDirectory>, user: &str) -> Self {
        Self::over(server, user, 256 << 10).await
    }

    async fn joined(server: &VoiceServer<OpenDirectory>, user: &str) -> Self {
        let mut connected = Self::new(server, user).await;
        connected.join().await;
        connected
    }

    async fn say(&mut self, request_id: &str, payload: Payload) {
        self.client.send(request_id, payload).await.unwrap();
    }

    async fn heard(&mut self) -> Heard {
        let heard = timeout(Duration::from_secs(40), self.client.next()).await;
        heard.expect("in time").unwrap()
    }

    /// The next message, which must have this request id.
    async fn hear(&mut self, request_id: &str) -> Payload {
        match self.heard().await {
            Heard::Message(envelope) => {
                assert_eq!(envelope.request_id, request_id, "{envelope:?}");
                envelope.payload.unwrap()
            }
            Heard::Closed(close) => panic!("closed: {close:?}"),
        }
    }

    async fn join(&mut self) -> VoiceJoinResponse {
        self.say("join", join()).await;
        match self.hear("join").await {
            Payload::VoiceJoinResponse(response) => response,
            other => panic!("{other:?}"),
        }
    }

    async fn hear_joined(&mut self, user: &str) {
        match self.hear("").await {
            Payload::VoiceParticipantJoinedEvent(event) => {
                assert_eq!(event.participant.unwrap().user_id, user);
            }
            other => panic!("{other:?}"),
        }
    }

    async fn hear_left(&mut self, request_id: &str, user: &str, reason: VoiceLeaveReason) {
        match self.hear(request_id).await {
            Payload::VoiceLeaveEvent(event) => {
                assert_eq!((&*event.user_id, event.reason()), (user, reason));
            }
            other => panic!("{other:?}"),
        }
    }

    async fn hear_error(&mut self, request_id: &str, code: Code) {
        match self.hear(request_id).await {
            Payload::VoiceError(error) => assert_eq!(error.code(), code),
            other => panic!("{other:?}"),
        }
    }

    /// Reads to the end, which must be this close code with nothing after it.
    async fn hear_close(&mut self, code: u16) {
        loop {
            if let Heard::Closed(close) = self.heard().await {
                assert_eq!(close.expect("a code").code, code);
                return;
            }
        }
    }
}

fn join() -> Payload {
    let channel_id = ROOM.into();
    Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id })
}

fn candidate(target: &str, content: &str) -> Payload {
    Payload::VoiceIceCandidate(VoiceIceCandidate {
        channel_id: ROOM.into(),
        target_user_id: target.into(),
        candidate_json: content.into(),
        ..VoiceIceCandidate::default()
    })
}

fn state(muted: bool) -> Payload {
    Payload::VoiceStateUpdate(VoiceStateUpdate {
        channel_id: ROOM.into(),
        muted,
        ..VoiceStateUpdate::default()
    })
}

#[tokio::test(start_paused = true)]
async fn join_relay_in_order_and_leave() {
    let server = server();
    let mut alice = Connected::joined(&server, "alice").await;
    let mut bob = Connected::new(&server, "bob").await;
    assert_eq!(bob.join().await.participants[0].user_id, "alice");
    alice.hear_joined("bob").await;

    for number in 0..150 {
        bob.say("", candidate("alice", &number.to_string())).await;
    }
    for number in 0..150 {
        match alice.hear("").await {
            Payload::VoiceIceCandidate(candidate) => {
                assert_eq!(candidate.candidate_json, number.to_string());
                assert_eq!(candidate.sender_user_id, "bob");
            }
            other => panic!("{other:?}"),
        }
    }

    let channel_id = ROOM.into();
    let leave = Payload::VoiceLeaveRequest(VoiceLeaveRequest { channel_id });
    bob.say("leave", leave).await;
    bob.hear_left("leave", "bob", VoiceLeaveReason::Left).await;
    alice.hear_left("", "bob", VoiceLeaveReason::Left).await;
}

#[tokio::test(start_paused = true)]
async fn disconnect_and_takeover() {
    let server = server();
    let mut alice = Connected::joined(&server, "alice").await;
    let mut old = Connected::joined(&server, "bob").await;
    alice.hear_joined("bob").await;
    let new = Connected::joined(&server, "bob").await;
    old.hear_error("", Code::SessionReplaced).await;
    alice.hear_left("", "bob", VoiceLeaveReason::Replaced).await;
    alice.hear_joined("bob").await;
    // The end of the old connection changes nothing. The end of the new connection does.
    old.client.send_frame(Frame::Close(None)).await.unwrap();
    drop(old.client);
    assert_eq!(old.served.await.unwrap(), Some(Disconnect::Closed));
    assert_eq!(server.connections(), 2);
    drop(new.client);
    assert_eq!(new.served.await.unwrap(), Some(Disconnect::Lost));
    alice
        .hear_left("", "bob", VoiceLeaveReason::Disconnected)
        .await;
}

#[tokio::test(start_paused = true)]
async fn bad_messages_are_answered_and_bad_frames_close_the_connection() {
    let server = server();
    let mut alice = Connected::joined(&server, "alice").await;
    let garbage = Frame::Binary(Bytes::from_static(b"\xff\xff"));
    alice.client.send_frame(garbage).await.unwrap();
    alice.hear_error("", Code::Malformed).await;
    alice.say("1", candidate("nobody", "")).await;
    alice.hear_error("1", Code::TargetNotInChannel).await;
    alice
        .say(
            "2",
            Payload::VoiceJoinResponse(VoiceJoinResponse::default()),
        )
        .await;
    alice.hear_error("2", Code::Unsupported).await;

    let unknown_tag = [0, 0, 0, 1, 9];
    alice
        .client
        .stream_mut()
        .write_all(&unknown_tag)
        .await
        .unwrap();
    alice.hear_close(1002).await;
}

#[tokio::test(start_paused = true)]
async fn an_oversized_message_closes_the_connection_although_its_sender_keeps_sending() {
    let limits = Limits::default();
    let too_large = limits.max_message_bytes + 1;
    let server = server_with(limits);
    // The server must empty the narrow pipe before the client can finish sending and begin to read.
    let mut alice = Connected::over(&server, "alice", 1024).await;
    let message = Frame::Binary(vec![0; too_large].into());
    alice.client.send_frame(message).await.unwrap();
    alice.hear_close(1009).await;
    drop(alice.client);
    assert_eq!(
        alice.served.await.unwrap(),
        Some(Disconnect::MessageTooLarge)
    );
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_and_keep_the_connection() {
    let server = server();
    let mut alice = Connected::new(&server, "alice").await;
    let ping = Frame::Ping(Bytes::from_static(b"are you there?"));
    alice.client.send_frame(ping).await.unwrap();
    let pong = alice.client.next_frame().await.unwrap();
    assert_eq!(pong, Frame::Pong(Bytes::from_static(b"are you there?")));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_removed_within_30_s() {
    let server = server();
    let mut alice = Connected::joined(&server, "alice").await;
    let mut bob = Connected::joined(&server, "bob").await;
    alice.hear_joined("bob").await;
    let begin = Instant::now();
    // Alice answers her pings while she waits. Bob's pings stay unread.
    alice
        .hear_left("", "bob", VoiceLeaveReason::Disconnected)
        .await;
    assert!(begin.elapsed() <= Duration::from_secs(30));
    assert_eq!(bob.served.await.unwrap(), Some(Disconnect::TimedOut));
    assert_eq!(
        bob.client.next_frame().await.unwrap(),
        Frame::Ping(Bytes::new())
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_is_evicted_with_a_close_frame() {
    let mut limits = Limits::default();
    limits.outbound_queue = 4;
    limits.messages_per_second = 1_000_000;
    limits.burst = 1_000_000;
    let server = server_with(limits);
    let mut alice = Connected::joined(&server, "alice").await;
    let mut bob = Connected::over(&server, "bob", 1024).await;
    bob.join().await;
    alice.hear_joined("bob").await;
    let mut updates = 0;
    loop {
        updates += 1;
        assert!(
            updates < 1000,
            "a client that reads nothing was never evicted"
        );
        alice.say("state", state(updates % 2 == 0)).await;
        match alice.heard().await {
            Heard::Message(heard) if heard.request_id == "state" => {}
            Heard::Message(heard) => match heard.payload.unwrap() {
                Payload::VoiceLeaveEvent(event) => {
                    assert_eq!(event.reason(), VoiceLeaveReason::Evicted);
                    break;
                }
                other => panic!("{other:?}"),
            },
            Heard::Closed(close) => panic!("{close:?}"),
        }
    }
    bob.hear_close(1013).await;
    drop(bob.client);
    assert_eq!(bob.served.await.unwrap(), Some(Disconnect::SlowConsumer));
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_valid_user_id_is_disconnected() {
    let server = server();
    let mut overlong = vec![0, 0, 0, 130, 0];
    overlong.resize(5 + 129, b'x');
    for hello in [
        &[0, 0, 0, 1, 1][..], // a ping
        &[0, 0, 0, 1, 0],     // no id
        &[0, 0, 0, 2, 0, 0xff],
        &[0xff; 8],
        &overlong,
    ] {
        let (mut ours, theirs) = duplex(1024);
        ours.write_all(hello).await.unwrap();
        assert_eq!(tcp::serve_stream(&server, theirs).await, None, "{hello:?}");
    }
    let (mut silent, theirs) = duplex(1024);
    assert_eq!(tcp::serve_stream(&server, theirs).await, None);
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_real_socket_works_until_the_server_stops() {
    let server = server();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(tcp::serve(listener, server.clone()));
    let mut alice = TcpClient::connect(address, "alice").await.unwrap();
    alice.send("1", join()).await.unwrap();
    let Heard::Message(answer) = alice.next().await.unwrap() else {
        panic!("an answer");
    };
    assert!(matches!(
        answer.payload,
        Some(Payload::VoiceJoinResponse(_))
    ));
    server.shutdown();
    let going = CloseFrame {
        code: 1001,
        reason: "server is stopping".into(),
    };
    assert_eq!(alice.next().await.unwrap(), Heard::Closed(Some(going)));
    drop(alice);
    server.drained().await;
    serving.abort();
}
