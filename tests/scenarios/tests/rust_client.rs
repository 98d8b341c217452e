//! `united-voice-client` against the servers, checked through its public API.

use united_voice_client::{
    ConnectError, Disconnect, ErrorCode, Event, ExitReason, JoinError, LeaveReason, Participant,
    Peer, RequestError, Roster, SendError,
};
use united_voice_scenarios::{Client, Codec, Server, ServerKind, soon};

use crate::bot::{Bot, builder};

scenarios! {
    each codec:
        a_call_between_two,
        state_and_speaking,
        errors_have_their_code,
        taken_over_by_another_connection,
        clients_rejoin_after_a_restart;
    once:
        moves_are_one_step,
        tokens_are_checked,
        closing_the_client_leaves_the_channel,
}

async fn a_call_between_two(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Bot::new(&server, "Ann", codec).await;
    let mut bob = Bot::new(&server, "Bob", codec).await;
    let ann_seat = ann.join("general").await;
    let bob_seat = bob.join("general").await;
    assert_eq!(ann.joined().await, bob_seat);
    assert_eq!(bob.roster.participants(), std::slice::from_ref(&ann_seat));

    let sdp = "v=0\r\na=\u{1f600} \"as it is\"\r\n";
    bob.client
        .offer(&bob.roster.participants()[0], sdp)
        .await
        .expect("sent");
    let Event::Offer(offer) = ann.next().await else {
        panic!("expected an offer")
    };
    assert_eq!(
        (offer.from.clone(), offer.sdp.as_str()),
        (Peer::from(&bob_seat), sdp)
    );

    ann.client
        .answer(&offer.from, "answer")
        .await
        .expect("sent");
    ann.client.candidate(&offer.from, "{}").await.expect("sent");
    let Event::Answer(answer) = bob.next().await else {
        panic!("expected an answer")
    };
    assert_eq!(
        (answer.from, answer.sdp.as_str()),
        (Peer::from(&ann_seat), "answer")
    );
    let Event::Candidate(candidate) = bob.next().await else {
        panic!("expected a candidate")
    };
    assert_eq!(candidate.candidate_json, "{}");

    soon("leaving", bob.client.leave()).await.expect("left");
    assert!(matches!(
        bob.next().await,
        Event::Exited {
            reason: ExitReason::Left,
            ..
        }
    ));
    assert_eq!(ann.left().await, (Peer::from(&bob_seat), LeaveReason::Left));
    assert_eq!(ann.roster, Roster::new());
}

async fn state_and_speaking(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Bot::new(&server, "Ann", codec).await;
    let mut bob = Bot::new(&server, "Bob", codec).await;
    ann.join("general").await;
    bob.join("general").await;
    ann.joined().await;

    soon("muting", ann.client.set_state(true, false))
        .await
        .expect("told");
    assert!(matches!(
        bob.next().await,
        Event::State {
            muted: true,
            deafened: false,
            ..
        }
    ));
    ann.client.speaking(true).await.expect("sent");
    assert!(
        matches!(bob.next().await, Event::Speaking { user_id, speaking: true } if user_id == ann.user.id)
    );
    let servers = soon("ICE servers", ann.client.ice_servers())
        .await
        .expect("given");
    assert!(servers[0].urls[0].starts_with("stun:"), "{servers:?}");

    // The client sends its state again in the next channel.
    bob.join("lounge").await;
    ann.left().await;
    ann.join("lounge").await;
    bob.joined().await;
    assert!(matches!(bob.next().await, Event::State { muted: true, .. }));
    assert_eq!(
        bob.roster.participants(),
        server.participants(&bob.user, "lounge").await[1..].to_vec()
    );
}

async fn errors_have_their_code(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Bot::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let full = server.channel(&ann.user, "full", Some(1)).await;
    bob.join(&full).await;
    for (channel, code) in [
        ("nowhere", ErrorCode::ChannelNotFound),
        ("chat", ErrorCode::NotAVoiceChannel),
        (full.as_str(), ErrorCode::ChannelFull),
        ("", ErrorCode::Malformed),
    ] {
        let error = soon("joining", ann.client.join(channel))
            .await
            .expect_err("refused");
        assert_eq!(error.code(), Some(code), "{channel}: {error}");
    }
    assert_eq!(
        ann.client.offer("x", "").await,
        Err(SendError::NotInChannel)
    );
    assert_eq!(ann.client.leave().await, Err(RequestError::NotInChannel));

    ann.join("general").await;
    let gone = Peer {
        user_id: bob.user.id.clone(),
        session_id: "gone".into(),
    };
    bob.join("general").await;
    ann.joined().await;
    for (target, sdp, code) in [
        (
            Peer::user("nobody"),
            "sdp".to_owned(),
            ErrorCode::TargetNotInChannel,
        ),
        (gone, "sdp".to_owned(), ErrorCode::StaleSession),
        (
            Peer::user(&bob.user.id),
            "x".repeat((64 << 10) + 1),
            ErrorCode::TooLarge,
        ),
    ] {
        let id = ann.client.offer(target, sdp).await.expect("sent");
        let Event::Refused { relay, refusal } = ann.next().await else {
            panic!("expected {code:?}")
        };
        assert_eq!((relay, refusal.code), (Some(id), code), "{refusal}");
    }
}

async fn taken_over_by_another_connection(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut bob = Bot::new(&server, "Bob", codec).await;
    let mut old = Bot::new(&server, "Ann", codec).await;
    let mut new = Bot::connect(&server, &old.user, codec).await;
    bob.join("general").await;
    let old_seat = old.join("general").await;
    bob.joined().await;
    let new_seat = new.join("general").await;

    let event = old.next().await;
    assert!(
        matches!(
            event,
            Event::Exited {
                reason: ExitReason::Replaced,
                ..
            }
        ),
        "{event:?}"
    );
    assert_eq!(
        bob.left().await,
        (Peer::from(&old_seat), LeaveReason::Replaced)
    );
    assert_eq!(bob.joined().await, new_seat);
    assert_eq!(bob.roster.participants(), [new_seat]);

    // The old connection stays open without a seat, and may take the seat back.
    assert_eq!(
        old.client.offer(bob.user.id.as_str(), "").await,
        Err(SendError::NotInChannel)
    );
    old.join("general").await;
    assert!(matches!(
        new.next().await,
        Event::Exited {
            reason: ExitReason::Replaced,
            ..
        }
    ));
}

async fn clients_rejoin_after_a_restart(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Bot::new(&server, "Ann", codec).await;
    let mut bob = Bot::new(&server, "Bob", codec).await;
    let before = ann.join("general").await;
    bob.join("general").await;
    ann.joined().await;
    soon("muting", bob.client.set_state(true, true))
        .await
        .expect("told");

    let server = server.restart().await;
    for bot in [&mut ann, &mut bob] {
        // Events before the disconnect do not matter here.
        let cause = loop {
            if let Event::Disconnected(cause) = bot.next().await {
                break cause;
            }
        };
        assert_eq!(cause, Disconnect::Shutdown);
        loop {
            match bot.next().await {
                Event::Reconnecting { .. } | Event::Reconnected => {}
                Event::Entered { snapshot, rejoined } => {
                    assert!(rejoined && snapshot.channel_id == "general");
                    assert_ne!(snapshot.session_id, before.session_id);
                    break;
                }
                event => panic!("{event:?}"),
            }
        }
    }
    // The first to rejoin hears of the other, and the second finds the first in its snapshot. Each
    // client has sent its state again.
    soon("the rosters", async {
        loop {
            let seated = server.participants(&ann.user, "general").await;
            let others = |me: &Bot| -> Vec<Participant> {
                let others = seated.iter().filter(|other| other.user_id != me.user.id);
                others.cloned().collect()
            };
            let told = ann
                .roster
                .get(&bob.user.id)
                .is_some_and(|bob| bob.muted && bob.deafened);
            if told
                && ann.roster.participants() == others(&ann)
                && bob.roster.participants() == others(&bob)
            {
                break;
            }
            tokio::select! {
                event = ann.events.next() => { ann.roster.apply(&event.expect("the events continue")); }
                event = bob.events.next() => { bob.roster.apply(&event.expect("the events continue")); }
            }
        }
    })
    .await;
}

async fn moves_are_one_step(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Bot::new(&server, "Ann", Codec::Protobuf).await;
    let mut bob = Bot::new(&server, "Bob", Codec::Json).await;
    let seat = ann.join("general").await;
    bob.join("general").await;
    ann.joined().await;
    let moved = ann.join("lounge").await;
    assert_eq!(bob.left().await, (Peer::from(&seat), LeaveReason::Moved));
    assert_ne!(moved.session_id, seat.session_id);
    assert_eq!(ann.roster, Roster::new());
    let refused = soon("joining", ann.client.join("chat")).await;
    assert!(matches!(refused, Err(JoinError::Refused(_))));
    assert_eq!(server.roster(&ann.user, "lounge").await, [ann.user.id]);
}

async fn tokens_are_checked(kind: ServerKind) {
    let server = Server::start(kind).await;
    for client in [
        builder(server.address(), Codec::Json),
        builder(server.address(), Codec::Json).token("not.a.token"),
    ] {
        let refused = soon("connecting", client.connect()).await;
        assert!(
            matches!(refused, Err(ConnectError::Unauthorized)),
            "{refused:?}"
        );
    }
}

async fn closing_the_client_leaves_the_channel(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut bob = Bot::new(&server, "Bob", Codec::Protobuf).await;
    bob.join("general").await;
    for dropped in [false, true] {
        let mut ann = Bot::new(&server, "Ann", Codec::Protobuf).await;
        let seat = ann.join("general").await;
        bob.joined().await;
        if dropped {
            drop(ann.client);
        } else {
            soon("closing", ann.client.close()).await;
        }
        assert_eq!(
            bob.left().await,
            (Peer::from(&seat), LeaveReason::Disconnected)
        );
        assert!(soon("the end", ann.events.next()).await.is_none());
    }
}
