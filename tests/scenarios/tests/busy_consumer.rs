//! Clients that read, but are sent more than they can read: section 2, rule 11.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};
use united_voice_scenarios::{
    Client, Codec, Incoming, Payload, Server, ServerKind, expect_payload, request,
    voice::{VoiceErrorCode, VoiceIceCandidate},
    ws::Envelope,
};

use crate::metrics::{exported, value};

scenarios! {
    each codec:
        bursts_of_many_put_out_nobody;
    once:
        large_offers_put_out_nobody_on_a_slow_line,
}

/// What a client may send at once, but for its join.
const BURST: usize = 199;
const LAST: &str = "last";

async fn bursts_of_many_put_out_nobody(kind: ServerKind, codec: Codec) {
    // A small queue, so that some are refused even if the machine has nothing else to do.
    let server = Server::with_config(kind, "[limits]\noutbound_queue = 32\n").await;
    let mut reader = Client::new(&server, "Reader", codec).await;
    reader.join("general").await;
    let mut senders = Vec::new();
    for number in 0..6 {
        let mut sender = Client::new(&server, &format!("Sender {number}"), codec).await;
        sender.join("general").await;
        senders.push(sender);
    }
    let target = reader.user.id.clone();
    let ids: Vec<String> = (senders.iter().map(|sender| sender.user.id.clone())).collect();
    let sending = senders
        .iter_mut()
        .map(|sender| send_burst(sender, &target, &ids));
    let (refused, arrived) = tokio::join!(join_all(sending), read_all(&mut reader, ids.len()));
    for (id, refused) in ids.iter().zip(refused) {
        let from = |candidate: &&VoiceIceCandidate| candidate.sender_user_id == *id;
        let arrived: Vec<usize> = (arrived.iter().filter(from))
            .map(|candidate| candidate.candidate_json.parse().expect("a number"))
            .collect();
        assert!(arrived.is_sorted(), "out of order: {arrived:?}");
        let both = arrived.iter().copied().chain(refused.iter().copied());
        let mut both: Vec<usize> = both.collect();
        both.sort_unstable();
        let all: Vec<usize> = (0..BURST).collect();
        assert_eq!(both, all, "each arrives once or is refused once");
    }
    for sender in &mut senders {
        sender.expect_idle().await;
    }
    let roster = server.roster(&reader.user, "general").await;
    assert_eq!(roster.len(), 7);
}

/// Sends a burst of numbered candidates, and then one that says that it was the last. Returns the
/// numbers of those that were refused.
async fn send_burst(sender: &mut Client, target: &str, members: &[String]) -> BTreeSet<usize> {
    for number in 0..BURST {
        let id = number.to_string();
        let candidate = request::candidate("general", target, &id);
        sender.send_as(&id, candidate).await;
    }
    let mut refused = BTreeSet::new();
    loop {
        // Time for the rate, and for the reader.
        sleep(Duration::from_millis(500)).await;
        let last = request::candidate("general", target, LAST);
        sender.send_as(LAST, last).await;
        let mut last_refused = false;
        for Envelope {
            request_id,
            payload,
        } in sender.catch_up().await.0
        {
            match payload.expect("decoding checks that") {
                Payload::VoiceParticipantJoinedEvent(joined) => {
                    let who = joined.participant.expect("a participant").user_id;
                    assert!(members.contains(&who), "{who} joined");
                }
                other => {
                    let error = expect_payload!(other, VoiceError);
                    assert_eq!(error.code(), VoiceErrorCode::RateLimited);
                    assert_eq!(error.channel_id, "general");
                    match request_id.parse() {
                        Ok(number) => assert!(refused.insert(number), "{number} twice"),
                        Err(_) => last_refused = true,
                    }
                }
            }
        }
        if !last_refused {
            return refused;
        }
    }
}

/// Reads candidates until so many senders have sent their last.
async fn read_all(reader: &mut Client, senders: usize) -> Vec<VoiceIceCandidate> {
    let mut candidates = Vec::new();
    let mut done = 0;
    while done < senders {
        match reader.event().await {
            Payload::VoiceParticipantJoinedEvent(_) => {}
            other => match expect_payload!(other, VoiceIceCandidate) {
                last if last.candidate_json == LAST => done += 1,
                candidate => candidates.push(candidate),
            },
        }
    }
    candidates
}

/// The largest offers, far more than a line of 2 MB a second carries, for 10 s.
async fn large_offers_put_out_nobody_on_a_slow_line(kind: ServerKind) {
    const SECONDS: u64 = 10;
    const BYTES: usize = 64 << 10;
    const PER_MESSAGE: Duration = Duration::from_millis(BYTES as u64 / 2000);
    let limits =
        "[limits]\nmessages_per_second = 1000\nburst = 1000\noutbound_queue_bytes = 500000\n";
    let server = Server::with_config(kind, limits).await;
    let mut sender = Client::new(&server, "Sender", Codec::Protobuf).await;
    sender.join("general").await;
    let user = server.user("Reader").await;
    let mut reader = Client::connect_narrow(&server, &user, Codec::Protobuf).await;
    reader.join("general").await;
    sender.joined_event("general").await;
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let sending = async {
        let mut sent = 0;
        let mut refused = BTreeSet::new();
        let mut due = Instant::now();
        while due < end {
            let digits = sent.to_string();
            let sdp = format!("{}{digits}", "0".repeat(BYTES - digits.len()));
            let offer = request::offer("general", &user.id, &sdp);
            sender.send_as(&sent.to_string(), offer).await;
            sent += 1;
            while let Some(number) = refusal(&mut sender, Duration::ZERO).await {
                assert!(refused.insert(number), "{number} twice");
            }
            due += Duration::from_millis(10);
            sleep_until(due).await;
        }
        while let Some(number) = refusal(&mut sender, Duration::from_secs(2)).await {
            assert!(refused.insert(number), "{number} twice");
        }
        (sent, refused)
    };
    let reading = async {
        let mut arrived: Vec<usize> = Vec::new();
        loop {
            match reader.incoming_within(Duration::from_secs(2)).await {
                None if Instant::now() > end + Duration::from_secs(5) => return arrived,
                None => {}
                Some(Incoming::Envelope(envelope)) => {
                    let offer = envelope.payload.expect("decoding checks that");
                    let offer = expect_payload!(offer, VoiceSdpOffer);
                    arrived.push(offer.sdp.parse().expect("a number"));
                }
                Some(end) => panic!("{end:?} after {} offers", arrived.len()),
            }
            sleep(PER_MESSAGE).await;
        }
    };
    let ((sent, refused), arrived) = tokio::join!(sending, reading);
    assert!(arrived.is_sorted(), "out of order: {arrived:?}");
    assert!(!arrived.is_empty() && !refused.is_empty(), "{sent} sent");
    let both: BTreeSet<usize> = arrived.iter().chain(&refused).copied().collect();
    assert_eq!(both.len(), arrived.len() + refused.len(), "some did both");
    assert_eq!(both, (0..sent).collect(), "each arrives or is refused");
    let numbers = exported(&server).await;
    let busy = Some(("reason", "target_busy"));
    let counted = value(&numbers, "united_voice_relays_refused_total", busy);
    assert_eq!(counted as usize, refused.len());
    assert_eq!(server.roster(&user, "general").await.len(), 2);
}

/// The number of an offer that was refused, if that is told within `time`.
async fn refusal(sender: &mut Client, time: Duration) -> Option<usize> {
    match sender.incoming_within(time).await? {
        Incoming::Envelope(Envelope {
            request_id,
            payload,
        }) => {
            let error = expect_payload!(payload.expect("decoding checks that"), VoiceError);
            assert_eq!(error.code(), VoiceErrorCode::RateLimited);
            Some(request_id.parse().expect("a number"))
        }
        end => panic!("{end:?}"),
    }
}
