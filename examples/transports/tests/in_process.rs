//! Voice channels without a wire. The clock stands still while any task can run, so a deadline
//! passes only if nothing else can happen.

use std::time::Duration;

use tokio::{task::JoinHandle, time::timeout};
use united_voice_core::{
    CloseReason, Limits, OpenDirectory, Signal, UserId, VoiceServer,
    proto::{
        voice::{
            VoiceErrorCode as Code, VoiceIceCandidate, VoiceIceServersRequest, VoiceJoinRequest,
            VoiceJoinResponse, VoiceLeaveReason, VoiceLeaveRequest, VoiceStateUpdate,
        },
        ws::envelope::Payload,
    },
};
use united_voice_transports::in_process::{self, LocalClient};

const ROOM: &str = "room";
const DEADLINE: Duration = Duration::from_secs(5);

fn server(queue: usize) -> VoiceServer<OpenDirectory> {
    let mut limits = Limits::default();
    limits.outbound_queue = queue;
    VoiceServer::builder(OpenDirectory)
        .limits(limits)
        .build()
        .unwrap()
}

struct Bot {
    client: LocalClient,
    served: JoinHandle<()>,
}

impl Bot {
    fn new(server: &VoiceServer<OpenDirectory>, user: &str) -> Self {
        let (client, served) = in_process::connect(server, &UserId::new(user).unwrap()).unwrap();
        let served = tokio::spawn(served);
        Self { client, served }
    }

    async fn joined(server: &VoiceServer<OpenDirectory>, user: &str) -> Self {
        let mut bot = Self::new(server, user);
        bot.say("join", join()).await;
        let answer = bot.hear("join").await;
        assert!(matches!(answer.payload(), Payload::VoiceJoinResponse(_)));
        bot
    }

    async fn say(&self, request_id: &str, payload: Payload) {
        self.client.say(request_id, payload).await.unwrap();
    }

    async fn heard(&mut self) -> Result<Signal, CloseReason> {
        timeout(DEADLINE, self.client.hear())
            .await
            .expect("in time")
    }

    async fn hear(&mut self, request_id: &str) -> Signal {
        let signal = self.heard().await.unwrap();
        assert_eq!(signal.envelope().request_id, request_id, "{signal:?}");
        signal
    }

    async fn hear_joined(&mut self, user: &str) {
        match self.hear("").await.payload() {
            Payload::VoiceParticipantJoinedEvent(event) => {
                assert_eq!(event.participant.as_ref().unwrap().user_id, user);
            }
            other => panic!("{other:?}"),
        }
    }

    async fn hear_left(&mut self, request_id: &str, user: &str, reason: VoiceLeaveReason) {
        match self.hear(request_id).await.payload() {
            Payload::VoiceLeaveEvent(event) => {
                assert_eq!((&*event.user_id, event.reason()), (user, reason));
            }
            other => panic!("{other:?}"),
        }
    }

    async fn hear_error(&mut self, request_id: &str, code: Code) {
        match self.hear(request_id).await.payload() {
            Payload::VoiceError(error) => assert_eq!(error.code(), code),
            other => panic!("{other:?}"),
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

#[tokio::test(start_paused = true)]
async fn join_relay_in_order_and_leave() {
    let server = server(256);
    let mut alice = Bot::joined(&server, "alice").await;
    let mut bob = Bot::joined(&server, "bob").await;
    alice.hear_joined("bob").await;
    for number in 0..100 {
        bob.say("", candidate("alice", &number.to_string())).await;
    }
    for number in 0..100 {
        match alice.hear("").await.payload() {
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
    let server = server(256);
    let mut alice = Bot::joined(&server, "alice").await;
    let mut old = Bot::joined(&server, "bob").await;
    alice.hear_joined("bob").await;
    let new = Bot::joined(&server, "bob").await;
    old.hear_error("", Code::SessionReplaced).await;
    alice.hear_left("", "bob", VoiceLeaveReason::Replaced).await;
    alice.hear_joined("bob").await;
    // The end of the old client changes nothing. The end of the new client does.
    drop(old.client);
    old.served.await.unwrap();
    assert_eq!(server.connections(), 2);
    drop(new.client);
    new.served.await.unwrap();
    alice
        .hear_left("", "bob", VoiceLeaveReason::Disconnected)
        .await;
}

#[tokio::test(start_paused = true)]
async fn bad_requests_are_answered() {
    let server = server(256);
    let mut alice = Bot::joined(&server, "alice").await;
    alice.say("1", candidate("nobody", "")).await;
    alice.hear_error("1", Code::TargetNotInChannel).await;
    alice
        .say(
            "2",
            Payload::VoiceJoinResponse(VoiceJoinResponse::default()),
        )
        .await;
    alice.hear_error("2", Code::Unsupported).await;
    let overlong = "x".repeat(129);
    alice.say(&overlong, join()).await;
    alice.hear_error("", Code::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_is_evicted() {
    let server = server(4);
    let mut alice = Bot::joined(&server, "alice").await;
    let mut bob = Bot::joined(&server, "bob").await;
    alice.hear_joined("bob").await;
    for number in 0..9 {
        let muted = number % 2 == 0;
        let update = VoiceStateUpdate {
            channel_id: ROOM.into(),
            muted,
            ..VoiceStateUpdate::default()
        };
        alice.say("state", Payload::VoiceStateUpdate(update)).await;
        let _ = alice.hear("state").await;
    }
    // The queue holds 4. Events may fill twice as much, and the ninth did not fit.
    alice.hear_left("", "bob", VoiceLeaveReason::Evicted).await;
    assert_eq!(bob.heard().await.unwrap_err(), CloseReason::SlowConsumer);
    bob.served.await.unwrap();
    assert!(bob.client.say("", join()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answers_has_to_wait() {
    let server = server(4);
    let mut bob = Bot::joined(&server, "bob").await;
    let request = || {
        let channel_id = ROOM.into();
        Payload::VoiceIceServersRequest(VoiceIceServersRequest { channel_id })
    };
    let mut said = 0;
    while let Ok(result) = timeout(DEADLINE, bob.client.say(&said.to_string(), request())).await {
        result.unwrap();
        said += 1;
        assert!(said < 100, "the server never stops reading");
    }
    assert!(said > 4);
    // Each request is answered once, in order.
    for number in 0..said {
        let _ = bob.hear(&number.to_string()).await;
    }
    bob.say("last", request()).await;
    let _ = bob.hear("last").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_dropped_while_answers_wait_is_removed() {
    let server = server(4);
    let mut alice = Bot::joined(&server, "alice").await;
    let bob = Bot::joined(&server, "bob").await;
    alice.hear_joined("bob").await;
    for _ in 0..4 {
        bob.say("again", join()).await;
    }
    // Once Alice has her answer, all of Bob's answers are in his mailbox.
    alice.say("again", join()).await;
    let _ = alice.hear("again").await;
    drop(bob.client);
    let served = timeout(DEADLINE, bob.served).await;
    served.expect("no session without a client").unwrap();
    let reason = VoiceLeaveReason::Disconnected;
    alice.hear_left("", "bob", reason).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_every_client_at_once() {
    let server = server(4);
    let mut alice = Bot::joined(&server, "alice").await;
    server.shutdown();
    assert_eq!(alice.heard().await.unwrap_err(), CloseReason::GoingAway);
    timeout(DEADLINE, server.drained()).await.unwrap();
}
