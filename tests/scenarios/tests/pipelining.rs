//! Clients that do not wait for answers: section 2, rules 9 and 12.

use united_voice_scenarios::{
    Client, Codec, Payload, Server, ServerKind, expect_payload, request,
    voice::{VoiceErrorCode, VoiceLeaveReason},
};

scenarios! {
    each codec:
        answers_come_in_the_order_of_requests,
        joined_event_comes_before_messages_of_the_joiner,
        response_comes_before_events;
    once:
        leave_and_close_are_announced_once,
}

async fn answers_come_in_the_order_of_requests(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let requests = [
        request::leave("general"),
        request::join("general"),
        request::state("general", true, false),
        request::join("lounge"),
        request::state("general", true, true),
        request::ice_servers("lounge"),
        request::leave("lounge"),
        request::leave("lounge"),
    ];
    let mut ids = Vec::new();
    for payload in requests {
        ids.push(ann.send_request(payload).await);
    }
    let mut answers = vec![None; ids.len()];
    let mut order = Vec::new();
    for _ in &ids {
        let answer = ann.next().await;
        let place = ids.iter().position(|id| *id == answer.request_id);
        let place = place.expect("an answer to a request");
        let twice = answers[place].replace(answer.payload.expect("decoding checks that"));
        assert_eq!(twice, None, "request {place} is answered twice");
        order.push(place);
    }
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    let refused = |payload: &Payload| matches!(payload, Payload::VoiceError(error) if error.code() == VoiceErrorCode::NotInChannel);
    let pattern: Vec<_> = answers.iter().map(refused).collect();
    assert_eq!(
        pattern,
        [true, false, false, false, true, false, false, true],
        "{answers:?}"
    );
    if kind == ServerKind::Nodes {
        // What the engine decides takes longer, so a refusal may overtake it.
        order.retain(|place| !pattern[*place]);
    }
    assert!(order.is_sorted(), "{order:?}");
    ann.expect_idle().await;
}

async fn joined_event_comes_before_messages_of_the_joiner(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    ann.join("general").await;
    for _ in 0..10 {
        bob.send(request::join("general")).await;
        bob.send(request::offer("general", &ann.user.id, "offer"))
            .await;
        bob.send(request::candidate("general", &ann.user.id, "candidate"))
            .await;
        bob.send(request::state("general", true, false)).await;
        bob.send(request::leave("general")).await;
        let session = expect_payload!(bob.event().await, VoiceJoinResponse).session_id;
        expect_payload!(bob.event().await, VoiceStateUpdate);
        expect_payload!(bob.event().await, VoiceLeaveEvent);

        assert_eq!(ann.joined_event("general").await.session_id, session);
        assert_eq!(
            expect_payload!(ann.event().await, VoiceSdpOffer).sender_session_id,
            session
        );
        assert_eq!(
            expect_payload!(ann.event().await, VoiceIceCandidate).sender_session_id,
            session
        );
        assert!(expect_payload!(ann.event().await, VoiceStateUpdate).muted);
        assert_eq!(
            ann.leave_event("general", VoiceLeaveReason::Left)
                .await
                .session_id,
            session
        );
    }
    ann.expect_idle().await;
}

/// While one client joins, a member of the channel makes events all the time.
async fn response_comes_before_events(kind: ServerKind, codec: Codec) {
    const STATES: usize = 400;
    let limits = "[limits]\nmessages_per_second = 100000\nburst = 100000\noutbound_queue = 10000\n";
    let server = Server::with_config(kind, limits).await;
    let mut noisy = Client::new(&server, "Noisy", codec).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    noisy.join("general").await;
    let noise = async {
        for number in 0..STATES {
            noisy
                .send(request::state("general", number % 2 == 0, false))
                .await;
        }
    };
    let joining = async {
        for _ in 0..20 {
            // `join` fails if any other message comes before the response.
            let seen = ann.join("general").await.participants;
            assert_eq!(seen.len(), 1);
            let id = ann.send_request(request::leave("general")).await;
            loop {
                let next = ann.next().await;
                if next.request_id == id {
                    break;
                }
                expect_payload!(
                    next.payload.expect("decoding checks that"),
                    VoiceStateUpdate
                );
            }
            // After the leave, no event of the channel arrives.
            ann.expect_idle().await;
        }
    };
    tokio::join!(noise, joining);
}

async fn leave_and_close_are_announced_once(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    ann.join("general").await;
    for _ in 0..5 {
        let mut bob = Client::new(&server, "Bob", Codec::Json).await;
        bob.join("general").await;
        ann.joined_event("general").await;
        bob.send(request::leave("general")).await;
        expect_payload!(bob.event().await, VoiceLeaveEvent);
        bob.close().await;
        ann.leave_event("general", VoiceLeaveReason::Left).await;
        ann.expect_idle().await;
    }
}
