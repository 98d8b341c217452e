//! Joining, leaving, moving and taking over: each test states exactly what each participant sees,
//! and in which order.
//!
//! This file tests two invariants. A user has at most one seat, the seat belongs to a session, and
//! a late action of an older connection never removes a newer seat. A move is one step: the
//! response comes first, nobody sees the user in two channels, and a refused join changes nothing.

use super::{
    channel,
    client::{Client, registry, roster},
};
use crate::{
    JoinError, NotInChannel, SessionId, SinkError, VoiceRoomRegistry,
    proto::{
        voice::{VoiceErrorCode, VoiceParticipant},
        ws::envelope::Payload,
    },
};

const NOTHING: [&str; 0] = [];

#[test]
fn a_joiner_gets_the_others_in_joining_order_and_they_get_the_joiner() {
    let registry = registry();
    let [bob, alice, carol] = ["bob", "alice", "carol"].map(|name| Client::new(&registry, name));
    for client in [&bob, &alice, &carol] {
        client.join("a").expect("joined");
    }
    assert_eq!(
        bob.lines(),
        ["#join response a []", "joined a alice", "joined a carol"]
    );
    assert_eq!(alice.lines(), ["#join response a [bob]", "joined a carol"]);
    assert_eq!(carol.lines(), ["#join response a [bob alice]"]);
    assert_eq!(roster(&registry, "a"), ["bob", "alice", "carol"]);
    assert_eq!(registry.participant_count(&channel("a")), 3);
}

#[test]
fn a_participant_is_described_in_full_everywhere() {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let alice = Client::new(&registry, "alice");
    let session = alice.join("a").expect("joined");
    let expected = VoiceParticipant {
        user_id: "alice".into(),
        display_name: "ALICE".into(),
        pubkey: "key".into(),
        muted: false,
        deafened: false,
        session_id: session.to_string(),
    };
    let Some(Payload::VoiceParticipantJoinedEvent(event)) = &bob.take()[0].payload else {
        panic!("a joined event");
    };
    assert_eq!(event.participant.as_ref(), Some(&expected));
    assert_eq!(registry.participants(&channel("a"))[1], expected);
    alice.connection.leave_channel("a", "").expect("left");
    let Some(Payload::VoiceLeaveEvent(event)) = &bob.take()[0].payload else {
        panic!("a leave event");
    };
    assert_eq!(event.display_name, "ALICE");
    assert_eq!(event.session_id, expected.session_id);
}

#[test]
fn a_leave_is_answered_under_its_request_id() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    alice.take();
    alice.connection.leave_channel("a", "7").expect("left");
    assert_eq!(alice.lines(), ["#7 left a alice LEFT"]);
    assert_eq!(bob.lines(), ["left a alice LEFT"]);
    assert_eq!(alice.connection.leave_channel("a", "8"), Err(NotInChannel));
    assert_eq!(
        alice.connection.leave_channel("nowhere", "9"),
        Err(NotInChannel)
    );
    assert_eq!(alice.lines(), NOTHING);
    assert_eq!(alice.connection.seat(), None);
    assert_eq!(roster(&registry, "a"), ["bob"]);
}

#[test]
fn leaving_a_channel_as_a_non_member_changes_nothing() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "b");
    assert_eq!(alice.connection.leave_channel("b", "1"), Err(NotInChannel));
    assert_eq!(alice.connection.leave_channel("A", "1"), Err(NotInChannel));
    assert_eq!(alice.lines(), NOTHING);
    assert_eq!(bob.lines(), NOTHING);
    assert_eq!(roster(&registry, "a"), ["alice"]);
}

#[test]
fn a_rejoin_is_silent_and_keeps_session_state_and_order() {
    let registry = registry();
    let alice = Client::new(&registry, "alice");
    let session = alice.join("a").expect("joined");
    let bob = Client::joined(&registry, "bob", "a");
    alice
        .connection
        .update_state("a", true, false, "")
        .expect("told");
    alice.take();
    bob.take();
    assert_eq!(alice.join("a"), Ok(session));
    assert_eq!(alice.lines(), ["#join response a [bob]"]);
    assert_eq!(bob.lines(), NOTHING);
    let participants = registry.participants(&channel("a"));
    assert_eq!(
        participants[0].user_id, "alice",
        "the place in the order is kept"
    );
    assert!(participants[0].muted, "the state is kept");
    assert_eq!(alice.connection.seat(), Some((channel("a"), session)));
}

#[test]
fn a_move_gives_the_mover_the_response_and_each_room_one_event() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let ann = Client::joined(&registry, "ann", "a");
    let ben = Client::joined(&registry, "ben", "b");
    alice
        .connection
        .update_state("a", true, true, "")
        .expect("told");
    alice.take();
    ann.take();
    alice.join("b").expect("moved");
    assert_eq!(alice.lines(), ["#join response b [ben]"]);
    assert_eq!(ann.lines(), ["left a alice MOVED"]);
    assert_eq!(ben.lines(), ["joined b alice"], "a mover starts unmuted");
    assert_eq!(roster(&registry, "a"), ["ann"]);
    assert_eq!(roster(&registry, "b"), ["ben", "alice"]);
}

#[test]
fn a_takeover_in_the_same_channel_is_announced_as_replaced() {
    let registry = registry();
    let old = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    old.connection
        .update_state("a", true, false, "")
        .expect("told");
    old.take();
    bob.take();
    let new = Client::new(&registry, "alice");
    new.join("a").expect("taken over");
    assert_eq!(new.lines(), ["#join response a [bob]"]);
    assert_eq!(old.lines(), ["error SESSION_REPLACED a"]);
    assert_eq!(bob.lines(), ["left a alice REPLACED", "joined a alice"]);
    assert_eq!(roster(&registry, "a"), ["bob", "alice"]);
    assert_eq!(
        old.sink.close_reason(),
        None,
        "the old connection stays open"
    );
    assert_eq!(old.connection.seat(), None);
}

#[test]
fn a_takeover_from_another_channel_is_announced_as_moved() {
    let registry = registry();
    let old = Client::joined(&registry, "alice", "a");
    let ann = Client::joined(&registry, "ann", "a");
    let ben = Client::joined(&registry, "ben", "b");
    old.take();
    let new = Client::new(&registry, "alice");
    new.join("b").expect("taken over");
    assert_eq!(new.lines(), ["#join response b [ben]"]);
    assert_eq!(old.lines(), ["error SESSION_REPLACED a"]);
    assert_eq!(ann.lines(), ["left a alice MOVED"]);
    assert_eq!(ben.lines(), ["joined b alice"]);
}

#[test]
fn the_error_about_a_lost_seat_names_its_channel_and_has_no_request_id() {
    let registry = registry();
    let old = Client::joined(&registry, "alice", "a");
    Client::joined(&registry, "alice", "b");
    let told = old.take();
    let Some(Payload::VoiceError(error)) = &told[0].payload else {
        panic!("an error");
    };
    assert_eq!(error.code(), VoiceErrorCode::SessionReplaced);
    assert_eq!(error.channel_id, "a");
    assert_eq!(told[0].request_id, "");
}

#[test]
fn late_actions_of_an_old_connection_change_nothing() {
    let registry = registry();
    let old = Client::joined(&registry, "alice", "a");
    let new = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    new.take();
    old.take();
    assert_eq!(old.connection.leave_channel("a", "1"), Err(NotInChannel));
    assert_eq!(
        old.connection.update_state("a", true, true, "2"),
        Err(NotInChannel)
    );
    assert_eq!(old.connection.speaking("a", true, "3"), Err(NotInChannel));
    assert!(old.send("a", "bob", "x").is_err());
    drop(old);
    assert_eq!(bob.lines(), NOTHING);
    assert_eq!(new.lines(), NOTHING);
    assert_eq!(roster(&registry, "a"), ["alice", "bob"]);
    drop(new);
    assert_eq!(bob.lines(), ["left a alice DISCONNECTED"]);
}

#[test]
fn an_old_connection_may_take_the_seat_back() {
    let registry = registry();
    let old = Client::joined(&registry, "alice", "a");
    let new = Client::joined(&registry, "alice", "a");
    old.take();
    old.join("a").expect("taken back");
    assert_eq!(old.lines(), ["#join response a []"]);
    assert_eq!(new.lines(), ["error SESSION_REPLACED a"]);
    drop(new);
    assert_eq!(roster(&registry, "a"), ["alice"]);
}

#[test]
fn a_disconnect_is_announced_once() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    drop(alice);
    assert_eq!(bob.lines(), ["left a alice DISCONNECTED"]);
    assert_eq!(roster(&registry, "a"), ["bob"]);
    drop(bob);
    assert_eq!(registry.room_count(), 0);
    assert_eq!(registry.stats().users, 0);
    assert_eq!(registry.connections(), 0);
}

#[test]
fn a_refused_move_changes_nothing() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let ann = Client::joined(&registry, "ann", "a");
    let ben = Client::joined(&registry, "ben", "b");
    let seat = alice.connection.seat();
    alice
        .connection
        .update_state("a", true, false, "")
        .expect("told");
    alice.take();
    ann.take();
    assert_eq!(alice.join_limited("b", 1), Err(JoinError::ChannelFull));
    for client in [&alice, &ann, &ben] {
        assert_eq!(client.lines(), NOTHING, "{}", client.name);
    }
    assert_eq!(alice.connection.seat(), seat);
    assert!(registry.participants(&channel("a"))[0].muted);
    // A refused takeover changes nothing either.
    let other = Client::new(&registry, "alice");
    assert_eq!(other.join_limited("b", 1), Err(JoinError::ChannelFull));
    assert_eq!(alice.lines(), NOTHING);
    assert_eq!(alice.connection.seat(), seat);
}

#[test]
fn a_response_that_cannot_be_delivered_refuses_the_join() {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let alice = Client::joined(&registry, "alice", "b");
    crate::SignalSink::close(&*alice.sink, crate::CloseReason::GoingAway);
    let refused = alice.join("a");
    assert_eq!(refused, Err(JoinError::Undeliverable(SinkError::Closed)));
    assert_eq!(bob.lines(), NOTHING);
    assert_eq!(roster(&registry, "b"), ["alice"]);
}

#[test]
fn session_ids_are_new_for_each_stay_and_do_not_contain_the_user() {
    let registry = registry();
    let alice = Client::new(&registry, "alice");
    let first = alice.join("a").expect("joined");
    let moved = alice.join("b").expect("moved");
    let back = alice.join("a").expect("moved");
    alice.connection.leave_channel("a", "").expect("left");
    let again = alice.join("a").expect("joined");
    let other = Client::new(&registry, "alice")
        .join("a")
        .expect("taken over");
    let mut all = [first, moved, back, again, other].to_vec();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5, "each session id is new");
    assert_eq!(other.to_string().parse::<SessionId>(), Ok(other));
    // Another registry has other session ids. Otherwise a restart could reuse an old id.
    let elsewhere = Client::new(&super::client::registry(), "alice").join("a");
    assert!(!all.contains(&elsewhere.expect("joined")));
}

#[test]
fn a_restarted_server_has_other_session_ids() {
    let sessions = |registry: &VoiceRoomRegistry| -> Vec<SessionId> {
        let client = Client::new(registry, "alice");
        let join = |number: u32| {
            let name = if number.is_multiple_of(2) { "a" } else { "b" };
            client.join(name).expect("joined")
        };
        (0..100).map(join).collect()
    };
    let before = sessions(&registry());
    let after = sessions(&registry());
    assert!(before.iter().all(|session| !after.contains(session)));
}

#[test]
fn the_response_names_the_joiners_session() {
    let registry = registry();
    let alice = Client::new(&registry, "alice");
    let session = alice.join("a").expect("joined");
    let Some(Payload::VoiceJoinResponse(response)) = &alice.take()[0].payload else {
        panic!("a response");
    };
    assert_eq!(response.session_id, session.to_string());
    assert_eq!(alice.connection.seat(), Some((channel("a"), session)));
}

#[test]
fn state_goes_to_all_and_the_senders_copy_carries_its_request_id() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    alice.take();
    alice
        .connection
        .update_state("a", true, false, "7")
        .expect("told");
    alice
        .connection
        .update_state("a", true, true, "")
        .expect("told");
    assert_eq!(alice.lines(), ["#7 state a alice(m)", "state a alice(md)"]);
    assert_eq!(bob.lines(), ["state a alice(m)", "state a alice(md)"]);
    let carol = Client::new(&registry, "carol");
    carol.join("a").expect("joined");
    assert_eq!(carol.lines(), ["#join response a [alice(md) bob]"]);
    assert_eq!(
        alice.connection.update_state("b", false, false, "8"),
        Err(NotInChannel)
    );
    assert_eq!(carol.lines(), NOTHING);
}

#[test]
fn speaking_goes_to_the_others_and_to_the_sender_on_request() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    alice.take();
    alice.connection.speaking("a", true, "").expect("told");
    alice.connection.speaking("a", false, "7").expect("told");
    assert_eq!(alice.lines(), ["#7 speaking a alice off"]);
    assert_eq!(bob.lines(), ["speaking a alice on", "speaking a alice off"]);
    assert_eq!(bob.connection.speaking("b", true, ""), Err(NotInChannel));
}
