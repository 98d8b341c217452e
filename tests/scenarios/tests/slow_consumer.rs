//! Clients that do not read the events of others: section 2, rule 11.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{SinkExt, StreamExt, stream::SplitStream};
use tokio::time::{Instant, sleep};
use united_voice_scenarios::{
    Client, Codec, Incoming, Payload, Server, ServerKind, Socket, eventually, expect_payload,
    request, soon,
    voice::{VoiceErrorCode, VoiceLeaveReason},
    ws::Envelope,
};

scenarios! {
    each codec:
        stalled_client_is_evicted,
        replies_cause_no_eviction;
    once:
        queue_is_limited_in_bytes_too,
        others_are_not_delayed,
        client_that_never_reads_is_disconnected,
        speaking_is_dropped_without_eviction,
}

/// The ping timeout is long too, so that a client that reads nothing is not taken for dead on a
/// busy machine.
const NO_RATE_LIMIT: &str =
    "[limits]\nmessages_per_second = 1000000\nburst = 1000000\nping_timeout_secs = 600\n";
/// The size of an offer. Large offers soon fill the buffers between the two ends.
const LARGE: usize = 60_000;

/// Sends large offers to a client that does not read, until it is evicted. Once the buffers are
/// full, offers are refused for a second, in which the client could still turn out to be busy.
async fn flood_until_evicted(sender: &mut Client, victim: &Client) {
    let offer = request::offer("general", &victim.user.id, &"s".repeat(LARGE));
    let mut gone = false;
    for _ in 0..600 {
        for _ in 0..10 {
            sender.send(offer.clone()).await;
        }
        for envelope in sender.catch_up().await.0 {
            match envelope.payload.expect("decoding checks that") {
                Payload::VoiceLeaveEvent(left) => {
                    assert_eq!(
                        (&left.user_id, left.reason()),
                        (&victim.user.id, VoiceLeaveReason::Evicted)
                    );
                    assert_eq!(left.session_id, victim.session);
                    gone = true;
                }
                other => {
                    let code = expect_payload!(other, VoiceError).code();
                    let refused = code == VoiceErrorCode::RateLimited && !gone;
                    let went = code == VoiceErrorCode::TargetNotInChannel;
                    assert!(refused || went, "{code:?}");
                }
            }
        }
        if gone {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("not evicted after 30 s");
}

async fn trio(server: &Server, codec: Codec) -> (Client, Client, Client) {
    let mut ann = Client::new(server, "Ann", codec).await;
    let mut bob = Client::new(server, "Bob", codec).await;
    let mut victim = Client::connect_narrow(server, &server.user("Victim").await, codec).await;
    ann.join("general").await;
    bob.join("general").await;
    victim.join("general").await;
    ann.joined_event("general").await;
    ann.joined_event("general").await;
    bob.joined_event("general").await;
    (ann, bob, victim)
}

async fn stalled_client_is_evicted(kind: ServerKind, codec: Codec) {
    let server = Server::with_config(kind, &format!("{NO_RATE_LIMIT}outbound_queue = 16\n")).await;
    let (mut ann, mut bob, mut victim) = trio(&server, codec).await;
    flood_until_evicted(&mut ann, &victim).await;

    // The client reads again: first the messages that were on their way, then the close frame. The
    // server does not send the dropped events again.
    assert_eq!(victim.close_code().await, 1013);
    let left = bob.leave_event("general", VoiceLeaveReason::Evicted).await;
    assert_eq!(
        (left.user_id.as_str(), left.session_id.as_str()),
        (victim.user.id.as_str(), victim.session.as_str())
    );
    bob.expect_idle().await;
    ann.expect_idle().await;
    assert_eq!(
        server.roster(&ann.user, "general").await,
        [ann.user.id.clone(), bob.user.id.clone()]
    );

    let mut again = Client::connect(&server, &victim.user, codec).await;
    assert_eq!(again.join("general").await.participants.len(), 2);
    assert_eq!(ann.joined_event("general").await, again.as_participant());
}

async fn queue_is_limited_in_bytes_too(kind: ServerKind) {
    let queue = "outbound_queue = 1000000\noutbound_queue_bytes = 200000\n";
    let server = Server::with_config(kind, &format!("{NO_RATE_LIMIT}{queue}")).await;
    let (mut ann, _bob, mut victim) = trio(&server, Codec::Protobuf).await;
    flood_until_evicted(&mut ann, &victim).await;
    assert_eq!(victim.close_code().await, 1013);
}

/// The close frame can't reach a client that never reads. The server gives up after five seconds.
async fn client_that_never_reads_is_disconnected(kind: ServerKind) {
    let limits = format!("{NO_RATE_LIMIT}outbound_queue = 16\n");
    let server = Server::with_config(kind, &limits).await;
    let (mut ann, _bob, mut victim) = trio(&server, Codec::Protobuf).await;
    let all_connected = server.open_sockets();
    flood_until_evicted(&mut ann, &victim).await;
    let evicted_at = Instant::now();
    eventually("the server to cut the connection", async || {
        (server.open_sockets() < all_connected).then_some(())
    })
    .await;
    let took = evicted_at.elapsed();
    assert!(took < Duration::from_secs(10), "cut after {took:?}");
    while let Incoming::Envelope(_) = victim.incoming().await {}
}

async fn others_are_not_delayed(kind: ServerKind) {
    let server = Server::with_config(kind, NO_RATE_LIMIT).await;
    let (mut ann, mut bob, victim) = trio(&server, Codec::Protobuf).await;
    let mut cy = Client::new(&server, "Cy", Codec::Protobuf).await;
    let mut dan = Client::new(&server, "Dan", Codec::Protobuf).await;
    // Cy and Dan talk in another channel while Ann's offers to the victim pile up. Bob is in Ann's
    // channel.
    cy.join("lounge").await;
    dan.join("lounge").await;
    cy.joined_event("lounge").await;
    let talking = async {
        let mut slowest = Duration::ZERO;
        for number in 0..200 {
            let text = number.to_string();
            let sent = Instant::now();
            cy.send(request::candidate("lounge", &dan.user.id, &text))
                .await;
            assert_eq!(
                expect_payload!(dan.event().await, VoiceIceCandidate).candidate_json,
                text
            );
            slowest = slowest.max(sent.elapsed());
        }
        slowest
    };
    let ((), slowest) = tokio::join!(flood_until_evicted(&mut ann, &victim), talking);
    assert!(
        slowest < Duration::from_secs(2),
        "a message took {slowest:?}"
    );
    bob.leave_event("general", VoiceLeaveReason::Evicted).await;
    for client in [&mut ann, &mut bob, &mut cy, &mut dan] {
        client.expect_idle().await;
    }
}

async fn speaking_is_dropped_without_eviction(kind: ServerKind) {
    const NUMBER: usize = 40_000;
    let server = Server::with_config(kind, &format!("{NO_RATE_LIMIT}outbound_queue = 16\n")).await;
    // A long id makes each event large.
    let speaker = server.user_with_id(&"s".repeat(128)).await;
    let mut speaker = Client::connect(&server, &speaker, Codec::Protobuf).await;
    let mut victim =
        Client::connect_narrow(&server, &server.user("Victim").await, Codec::Json).await;
    victim.join("general").await;
    speaker.join("general").await;
    victim.joined_event("general").await;
    for number in 0..NUMBER {
        speaker
            .send(request::speaking("general", number % 2 == 0))
            .await;
    }
    speaker.expect_idle().await;

    let (waited, _) = victim.catch_up().await;
    let received = waited.len();
    for event in waited {
        let event = event.payload.expect("decoding checks that");
        expect_payload!(event, VoiceSpeakingEvent);
    }
    assert!(
        (16..NUMBER).contains(&received),
        "{received} of {NUMBER} received, but some must be dropped"
    );
    // Once it reads again, it gets every event.
    speaker.send(request::speaking("general", true)).await;
    speaker.set_state("general", true, false).await;
    expect_payload!(victim.event().await, VoiceSpeakingEvent);
    expect_payload!(victim.event().await, VoiceStateUpdate);
    victim.expect_idle().await;
    assert_eq!(server.roster(&victim.user, "general").await.len(), 2);
}

/// If a client sends many requests and reads late, the server stops reading from it and loses
/// nothing.
async fn replies_cause_no_eviction(kind: ServerKind, codec: Codec) {
    const NUMBER: usize = 1200;
    let server = Server::with_config(kind, &large_replies()).await;
    let user = server.user("Ann").await;
    let mut ann = Client::connect_narrow(&server, &user, codec).await;
    ann.join("general").await;
    let (mut writer, mut reader) = ann.socket.split();
    let written = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&written);
    let writing = tokio::spawn(async move {
        for number in 0..NUMBER {
            let large_request = request::offer("general", "nobody", &"s".repeat(40_000));
            for payload in [request::ice_servers("general"), large_request] {
                let envelope = Envelope {
                    request_id: number.to_string(),
                    payload: Some(payload),
                };
                let sent = writer.send(codec.encode(&envelope)).await;
                sent.expect("the connection stays open");
            }
            progress.store(number + 1, Ordering::Relaxed);
        }
    });
    let stuck_at = stall(&written).await;
    assert!(
        stuck_at < NUMBER,
        "the server read everything although the client read nothing"
    );
    for number in 0..NUMBER {
        let answer = next_envelope(&mut reader, codec).await;
        assert_eq!(answer.request_id, number.to_string());
        expect_payload!(
            answer.payload.expect("decoding checks that"),
            VoiceIceServersResponse
        );
        let answer = next_envelope(&mut reader, codec).await;
        assert_eq!(answer.request_id, number.to_string());
        expect_payload!(answer.payload.expect("decoding checks that"), VoiceError);
    }
    writing.await.expect("everything was written");
    assert_eq!(server.roster(&user, "general").await, [user.id]);
}

/// A configuration with about 16 KiB of ICE servers, so that replies soon fill the buffers between
/// the two ends.
fn large_replies() -> String {
    let url = format!("\"stun:{}example\"", "long-name.".repeat(18));
    let urls = vec![url; 80].join(", ");
    format!("{NO_RATE_LIMIT}outbound_queue = 4\n[ice]\nstun_urls = [{urls}]\n")
}

async fn next_envelope(reader: &mut SplitStream<Socket>, codec: Codec) -> Envelope {
    loop {
        let message = soon("an answer", reader.next()).await;
        let message = message
            .expect("the connection stays open")
            .expect("a message");
        if !message.is_ping() {
            return codec.decode(&message);
        }
    }
}

/// Waits until a counter stops, and returns its value.
async fn stall(counter: &AtomicUsize) -> usize {
    let mut last = (counter.load(Ordering::Relaxed), Instant::now());
    eventually("the writer to get stuck", async || {
        let now = counter.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(500)).then_some(now)
    })
    .await
}
