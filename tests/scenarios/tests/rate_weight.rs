//! What counts in the rate, and how often: section 2, rule 10. The floods run in real time, for as
//! long as the contract's limits last.

use std::time::Duration;

use futures::SinkExt as _;
use reqwest::Method;
use serde_json::json;
use tokio::time::{Instant, interval};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use united_voice_scenarios::{
    Client, Codec, Incoming, Payload, Server, ServerKind, User, expect_payload, pair, request,
    voice::{VoiceErrorCode, VoiceLeaveReason},
};

scenarios! {
    each codec:
        leave_over_the_rate_is_carried_out,
        large_descriptions_count_more_often,
        rejoin_counts_by_its_snapshot;
    once:
        flood_of_pings_is_closed,
        flood_of_empty_fragments_is_closed,
        flood_of_leaves_is_closed,
}

/// Sends these messages twenty times a second until the server closes. Returns the code, and after
/// how long it came.
async fn flood(mut client: Client, messages: Vec<Message>) -> (u16, Duration) {
    let started = Instant::now();
    let mut ticks = interval(Duration::from_millis(50));
    loop {
        assert!(started.elapsed() < Duration::from_secs(60), "not closed");
        ticks.tick().await;
        for message in messages.clone() {
            // If the connection is closed already, the close frame is still there to read.
            let _ = client.socket.feed(message).await;
        }
        let _ = client.socket.flush().await;
        while let Some(incoming) = client.incoming_within(Duration::from_millis(1)).await {
            match incoming {
                Incoming::Envelope(_) => {}
                Incoming::Closed(code) => return (code, started.elapsed()),
                Incoming::Cut => panic!("the connection ended without a close frame"),
            }
        }
    }
}

/// Two others exchange relays during the flood, at most some fifty a second, and miss none.
async fn is_closed_and_harms_nobody(
    kind: ServerKind,
    first: Option<Message>,
    messages: Vec<Message>,
) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, Codec::Protobuf).await;
    let mut cyd = Client::new(&server, "Cyd", Codec::Protobuf).await;
    cyd.join("general").await;
    for other in [&mut ann, &mut bob] {
        other.joined_event("general").await;
    }
    if let Some(first) = first {
        ann.send_message(first).await;
    }
    let flooder = ann.user.id.clone();
    let flooding = tokio::spawn(flood(ann, messages));
    let mut sent = 0;
    let left = loop {
        let sdp = format!("offer {sent}");
        bob.send(request::offer("general", &cyd.user.id, &sdp))
            .await;
        sent += 1;
        match cyd.event().await {
            Payload::VoiceSdpOffer(offer) => assert_eq!(offer.sdp, sdp),
            other => {
                let left = expect_payload!(other, VoiceLeaveEvent);
                let offer = expect_payload!(cyd.event().await, VoiceSdpOffer);
                assert_eq!(offer.sdp, sdp);
                break left;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(
        (left.reason(), left.user_id),
        (VoiceLeaveReason::Disconnected, flooder)
    );
    bob.leave_event("general", VoiceLeaveReason::Disconnected)
        .await;
    bob.expect_idle().await;
    let (code, after) = flooding.await.expect("the flood ends");
    assert_eq!(code, 1008);
    assert!(after > Duration::from_secs(10), "closed after {after:?}");
}

async fn flood_of_pings_is_closed(kind: ServerKind) {
    let pings = vec![Message::Ping("!".into()); 20];
    is_closed_and_harms_nobody(kind, None, pings).await;
}

async fn flood_of_empty_fragments_is_closed(kind: ServerKind) {
    let fragment = |kind| Message::Frame(Frame::message(Vec::new(), OpCode::Data(kind), false));
    let fragments = vec![fragment(Data::Continue); 20];
    is_closed_and_harms_nobody(kind, Some(fragment(Data::Binary)), fragments).await;
}

async fn flood_of_leaves_is_closed(kind: ServerKind) {
    let server = Server::start(kind).await;
    let ann = Client::new(&server, "Ann", Codec::Json).await;
    let leave = ann.codec().encode(&united_voice_scenarios::ws::Envelope {
        request_id: "leave".to_owned(),
        payload: Some(request::leave("general")),
    });
    let (code, after) = flood(ann, vec![leave; 20]).await;
    assert_eq!(code, 1008);
    assert!(after > Duration::from_secs(10), "closed after {after:?}");
}

async fn leave_over_the_rate_is_carried_out(kind: ServerKind, codec: Codec) {
    let config = "[limits]\nmessages_per_second = 1\nburst = 5\n";
    let server = Server::with_config(kind, config).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    let mut asked = Vec::new();
    for _ in 0..20 {
        asked.push(
            ann.send_request(request::state("general", true, false))
                .await,
        );
    }
    let leave = ann.send_request(request::leave("general")).await;
    // All of them are answered, most are dropped, and the leave is done.
    let mut dropped = 0;
    for id in asked {
        let answer = ann.next().await;
        assert_eq!(answer.request_id, id);
        match answer.payload {
            Some(Payload::VoiceError(error)) => {
                assert_eq!(error.code(), VoiceErrorCode::RateLimited);
                dropped += 1;
            }
            other => assert!(matches!(other, Some(Payload::VoiceStateUpdate(_)))),
        }
    }
    assert!(dropped > 0);
    let answer = ann.next().await;
    assert_eq!(answer.request_id, leave);
    expect_payload!(
        answer.payload.expect("decoding checks that"),
        VoiceLeaveEvent
    );
    let left = loop {
        match bob.event().await {
            Payload::VoiceStateUpdate(_) => {}
            other => break expect_payload!(other, VoiceLeaveEvent),
        }
    };
    assert_eq!(left.reason(), VoiceLeaveReason::Left);
    assert_eq!(server.roster(&bob.user, "general").await, [bob.user.id]);
}

/// How many of the answers to these requests are not `RATE_LIMITED`. Each is asked after the answer
/// to the one before.
async fn done(client: &mut Client, times: usize, payload: impl Fn() -> Payload) -> usize {
    let mut done = 0;
    for _ in 0..times {
        match client.ask(payload()).await {
            Payload::VoiceError(error) if error.code() == VoiceErrorCode::RateLimited => {}
            _ => done += 1,
        }
    }
    done
}

/// Checks how many of the messages passed that weigh `weight` each, if `burst` were there at
/// `started` and one comes each second.
fn check(done: usize, weight: usize, burst: usize, started: Instant) {
    let earned = started.elapsed().as_secs() as usize + 1;
    let (least, most) = (burst / weight, (burst + earned) / weight);
    assert!(
        (least..=most).contains(&done),
        "{done} passed, {least} to {most} may"
    );
}

async fn large_descriptions_count_more_often(kind: ServerKind, codec: Codec) {
    let config = "[limits]\nmessages_per_second = 1\nburst = 100\n";
    let server = Server::with_config(kind, config).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    // Nobody is there, so each is answered. 64 KiB of content and the ids beside it are five parts.
    let large = || request::offer("general", "nobody", &"s".repeat(64 << 10));
    let started = Instant::now();
    check(done(&mut ann, 40, large).await, 5, 100, started);
    let mut bob = Client::new(&server, "Bob", codec).await;
    let small = || request::offer("general", "nobody", &"s".repeat(15 << 10));
    let started = Instant::now();
    check(done(&mut bob, 150, small).await, 1, 100, started);
}

/// A user with a public key of 4 KiB.
async fn user_with_large_key(server: &Server) -> User {
    let pubkey = "k".repeat(4096);
    let body = json!({ "displayName": "Member", "pubkey": pubkey });
    let login = server.http(Method::POST, "/api/dev/login", None, Some(body));
    let (status, answer) = login.await;
    assert_eq!(status, 200, "{answer}");
    let text = |key: &str| answer[key].as_str().expect("a text").to_owned();
    User {
        id: text("userId"),
        name: "Member".to_owned(),
        pubkey,
        token: text("token"),
    }
}

async fn rejoin_counts_by_its_snapshot(kind: ServerKind, codec: Codec) {
    let config = "[limits]\nmessages_per_second = 1\nburst = 100\n";
    let server = Server::with_config(kind, config).await;
    let mut members = Vec::new();
    for _ in 0..6 {
        let user = user_with_large_key(&server).await;
        let mut member = Client::connect(&server, &user, codec).await;
        member.join("general").await;
        members.push(member);
    }
    let mut ann = Client::new(&server, "Ann", codec).await;
    let started = Instant::now();
    let first = ann.join("general").await;
    assert_eq!(first.participants.len(), 6);
    // Some 25 KiB are two parts, and each request is one. The first join was one in all. A rejoin
    // passes if its request does, and may leave a debt.
    let done = done(&mut ann, 60, || request::join("general")).await;
    let earned = started.elapsed().as_secs() as usize + 1;
    let (least, most) = (33, (99 + earned).div_ceil(3));
    assert!(
        (least..=most).contains(&done),
        "{done} of {least} to {most}"
    );
}
