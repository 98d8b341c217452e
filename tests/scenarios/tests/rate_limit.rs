//! Clients that send too much: section 2, rule 10. These scenarios run in real time, for as long as
//! the contract's limits last.

use std::{collections::HashMap, time::Duration};

use tokio::time::{Instant, interval};
use united_voice_scenarios::{
    Client, Codec, Incoming, Payload, Server, ServerKind, eventually, expect_payload, pair,
    request,
    voice::{VoiceErrorCode, VoiceLeaveReason},
};

scenarios! {
    each codec:
        excess_is_answered_and_dropped;
    once:
        default_allows_a_burst,
        limit_applies_to_each_connection,
        ten_seconds_of_excess_close_the_connection,
        excess_ends_after_a_quiet_second,
}

const TIGHT: &str = "[limits]\nmessages_per_second = 20\nburst = 40\n";
const TIGHTER: &str = "[limits]\nmessages_per_second = 5\nburst = 5\n";

/// Sends `number` state updates at once. Returns for each request id whether the update was done
/// (`true`) or dropped.
async fn burst(client: &mut Client, number: usize) -> HashMap<String, bool> {
    let mut done = HashMap::new();
    for _ in 0..number {
        client
            .send_request(request::state("general", true, false))
            .await;
    }
    while done.len() < number {
        let answer = client.next().await;
        let outcome = match answer.payload.expect("decoding checks that") {
            Payload::VoiceStateUpdate(_) => true,
            Payload::VoiceError(error) if error.code() == VoiceErrorCode::RateLimited => false,
            other => panic!("{other:?}"),
        };
        let twice = done.insert(answer.request_id.clone(), outcome);
        assert_eq!(twice, None, "{} is answered twice", answer.request_id);
    }
    done
}

/// Repeats a request until the answer is not `RATE_LIMITED`.
async fn recovered(client: &mut Client) {
    eventually("the limit to let a message through", async || {
        let answer = client.ask(request::ice_servers("nowhere")).await;
        let error = expect_payload!(answer, VoiceError);
        if error.code() == VoiceErrorCode::RateLimited {
            return None;
        }
        assert_eq!(error.code(), VoiceErrorCode::NotInChannel);
        Some(())
    })
    .await;
}

async fn excess_is_answered_and_dropped(kind: ServerKind, codec: Codec) {
    let server = Server::with_config(kind, TIGHT).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    let started = Instant::now();
    let answers = burst(&mut ann, 300).await;
    let done = answers.values().filter(|done| **done).count();
    let allowance = 41.0 + 20.0 * started.elapsed().as_secs_f64();
    // The join used one message of the burst.
    assert!(
        (39.0..=allowance).contains(&(done as f64)),
        "{done} of 300 done, {allowance} allowed"
    );
    for _ in 0..done {
        expect_payload!(bob.event().await, VoiceStateUpdate);
    }
    bob.expect_idle().await;
    recovered(&mut ann).await;
}

async fn default_allows_a_burst(kind: ServerKind) {
    let server = Server::start(kind).await;
    let (mut ann, _bob) = pair(&server, Codec::Protobuf).await;
    let started = Instant::now();
    let answers = burst(&mut ann, 2000).await;
    let done = answers.values().filter(|done| **done).count();
    let allowance = 201.0 + 100.0 * started.elapsed().as_secs_f64();
    assert!(
        (199.0..=allowance).contains(&(done as f64)),
        "{done} of 2000 done, {allowance} allowed"
    );
}

async fn limit_applies_to_each_connection(kind: ServerKind) {
    let server = Server::with_config(kind, TIGHT).await;
    let (mut ann, mut bob) = pair(&server, Codec::Protobuf).await;
    let mut second = Client::connect(&server, &ann.user, Codec::Protobuf).await;
    for _ in 0..300 {
        ann.send(request::speaking("general", true)).await;
    }
    second.expect_idle().await;
    bob.send(request::offer("general", &ann.user.id, "sdp"))
        .await;
    loop {
        // Any number of errors without a request id may come, even none.
        match ann.event().await {
            Payload::VoiceSdpOffer(_) => break,
            other => assert_eq!(
                expect_payload!(other, VoiceError).code(),
                VoiceErrorCode::RateLimited
            ),
        }
    }
}

/// Sends twenty messages a second for `time` and reads the answers. Returns the close code and the
/// time when it came, if it came.
async fn excess(client: &mut Client, time: Duration) -> Option<(u16, Duration)> {
    let started = Instant::now();
    let mut ticks = interval(Duration::from_millis(50));
    while started.elapsed() < time {
        ticks.tick().await;
        client
            .send_request(request::state("general", true, false))
            .await;
        while let Some(incoming) = client.incoming_within(Duration::from_millis(1)).await {
            match incoming {
                Incoming::Envelope(_) => {}
                Incoming::Closed(code) => return Some((code, started.elapsed())),
                Incoming::Cut => panic!("the connection ended without a close frame"),
            }
        }
    }
    None
}

async fn ten_seconds_of_excess_close_the_connection(kind: ServerKind) {
    let server = Server::with_config(kind, TIGHTER).await;
    let (mut ann, mut bob) = pair(&server, Codec::Json).await;
    let (code, after) = excess(&mut ann, Duration::from_secs(19))
        .await
        .expect("the connection is closed");
    assert_eq!(code, 1008);
    assert!(after > Duration::from_secs(10), "closed after {after:?}");
    loop {
        match bob.event().await {
            Payload::VoiceStateUpdate(_) => {}
            other => {
                let left = expect_payload!(other, VoiceLeaveEvent);
                assert_eq!(
                    (left.reason(), left.user_id),
                    (VoiceLeaveReason::Disconnected, ann.user.id)
                );
                break;
            }
        }
    }
}

/// Reads the messages that are still on their way.
async fn drain(client: &mut Client) {
    let last = client.send_request(request::ice_servers("nowhere")).await;
    while client.next().await.request_id != last {}
}

async fn excess_ends_after_a_quiet_second(kind: ServerKind) {
    let server = Server::with_config(kind, TIGHTER).await;
    let (mut ann, _bob) = pair(&server, Codec::Protobuf).await;
    for _ in 0..2 {
        assert_eq!(excess(&mut ann, Duration::from_secs(6)).await, None);
        drain(&mut ann).await;
        // The client sends nothing for two seconds, so nothing is dropped.
        assert_eq!(ann.incoming_within(Duration::from_secs(2)).await, None);
    }
    recovered(&mut ann).await;
}
