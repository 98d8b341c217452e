//! Clients that read too slowly: dropped events, evictions, and no effect on other clients.

use std::{sync::Arc, time::UNIX_EPOCH};

use super::client::{Client, registry, roster};
use crate::{
    CloseReason, JoinError, NotInChannel, OpenDirectory, RelayFailure, RequestError, Signal,
    SignalSink, SinkError, Urgency, VoiceServer,
    proto::{
        voice::{VoiceError, VoiceErrorCode},
        ws::envelope::Payload,
    },
    rooms::fanout::Fanout,
    test_util::{RecordingSink, numbered_signal},
};

const NOTHING: [&str; 0] = [];
const EVICTED: Option<CloseReason> = Some(CloseReason::SlowConsumer);

/// A client that has joined and has not read the response. The response fills its sink.
fn stalled(registry: &crate::VoiceRoomRegistry, name: &str) -> Client {
    let client = Client::slow(registry, name, 1);
    client.join("a").expect("joined");
    client
}

#[test]
fn an_event_for_a_full_sink_evicts() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    let slow = stalled(&registry, "slow");
    alice.take();
    bob.take();
    alice
        .connection
        .update_state("a", true, false, "7")
        .expect("told");
    assert_eq!(slow.sink.close_reason(), EVICTED);
    assert_eq!(slow.lines(), ["#join response a [alice bob]"]);
    assert_eq!(
        alice.lines(),
        ["#7 state a alice(m)", "left a slow EVICTED"]
    );
    assert_eq!(bob.lines(), ["state a alice(m)", "left a slow EVICTED"]);
    assert_eq!(roster(&registry, "a"), ["alice", "bob"]);
    assert_eq!(registry.stats().evictions, 1);
}

#[test]
fn an_eviction_is_announced_once() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let slow = stalled(&registry, "slow");
    alice.take();
    for _ in 0..3 {
        alice
            .connection
            .update_state("a", true, false, "")
            .expect("told");
        assert!(alice.send("a", "slow", "x").is_err());
    }
    drop(slow);
    let told = alice.lines();
    let evictions = told.iter().filter(|line| line.starts_with("left a slow"));
    assert_eq!(evictions.collect::<Vec<_>>(), ["left a slow EVICTED"]);
    assert_eq!(registry.stats().evictions, 1);
}

#[test]
fn an_evicted_connection_can_do_nothing_and_a_new_one_can() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let slow = stalled(&registry, "slow");
    alice
        .connection
        .update_state("a", true, false, "")
        .expect("told");
    slow.take();
    assert_eq!(slow.join("a"), Err(JoinError::ConnectionClosed));
    assert_eq!(slow.join("b"), Err(JoinError::ConnectionClosed));
    assert_eq!(slow.connection.leave_channel("a", "1"), Err(NotInChannel));
    let reply = slow
        .connection
        .reply("2", Payload::VoiceError(VoiceError::default()));
    assert_eq!(reply, Err(SinkError::Closed));
    assert_eq!(slow.lines(), NOTHING);
    let again = Client::new(&registry, "slow");
    again.join("a").expect("joined");
    drop(slow);
    assert_eq!(roster(&registry, "a"), ["alice", "slow"]);
}

#[test]
fn all_connections_of_a_user_that_share_a_full_sink_are_evicted() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let idle = Client::slow(&registry, "slow", 1);
    let seated = idle.twin();
    let other = Client::new(&registry, "slow");
    seated.join("a").expect("joined");
    alice
        .connection
        .update_state("a", true, false, "")
        .expect("told");
    assert_eq!(roster(&registry, "a"), ["alice"]);
    assert_eq!(idle.join("a"), Err(JoinError::ConnectionClosed));
    assert_eq!(registry.stats().evictions, 2);
    other.join("a").expect("this connection has its own sink");
}

#[test]
fn speaking_is_dropped_and_evicts_nobody() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let slow = stalled(&registry, "slow");
    for _ in 0..10 {
        alice.connection.speaking("a", true, "").expect("told");
    }
    assert_eq!(slow.sink.close_reason(), None);
    assert_eq!(slow.lines(), ["#join response a [alice]"]);
    alice.connection.speaking("a", false, "").expect("told");
    assert_eq!(
        slow.lines(),
        ["speaking a alice off"],
        "events arrive again once there is room"
    );
    assert_eq!(registry.stats().evictions, 0);
}

#[test]
fn replies_may_exceed_the_limit_and_evict_nobody() {
    let registry = registry();
    let slow = stalled(&registry, "slow");
    for number in 0..10 {
        slow.connection
            .update_state("a", true, false, &number.to_string())
            .expect("told");
        slow.connection
            .speaking("a", true, &number.to_string())
            .expect("told");
        slow.join("a").expect("rejoined");
    }
    slow.connection.leave_channel("a", "leave").expect("left");
    assert_eq!(slow.sink.close_reason(), None);
    assert_eq!(slow.lines().len(), 32);
}

#[test]
fn a_relay_to_a_full_sink_evicts_the_target_and_notifies_the_sender() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let slow = stalled(&registry, "slow");
    alice.take();
    let refused = alice.send("a", "slow", "x").expect_err("undeliverable");
    assert_eq!(refused.reason, RelayFailure::TargetNotInChannel);
    assert_eq!(slow.sink.close_reason(), EVICTED);
    assert_eq!(alice.lines(), ["left a slow EVICTED"]);
}

#[test]
fn a_relay_to_a_busy_sink_is_refused_and_costs_the_target_nothing() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let busy = Client::slow(&registry, "busy", 2);
    busy.join("a").expect("joined");
    busy.sink.set_busy(true);
    alice.take();
    alice.send("a", "busy", "0").expect("it fits");
    for number in 1..5 {
        let refused = alice.send("a", "busy", &number.to_string());
        let refused = RequestError::from(refused.expect_err("full"));
        assert_eq!(refused.code(), VoiceErrorCode::RateLimited);
        assert_eq!(refused.channel(), Some("a"));
    }
    assert_eq!(
        busy.lines(),
        ["#join response a [alice]", "candidate alice 0"]
    );
    alice.send("a", "busy", "5").expect("there is room again");
    assert_eq!(busy.lines(), ["candidate alice 5"]);
    assert_eq!(alice.lines(), NOTHING);
    assert_eq!(registry.stats().evictions, 0);
}

#[test]
fn a_busy_sink_has_room_for_events_until_it_holds_twice_as_many() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let busy = Client::slow(&registry, "busy", 2);
    busy.join("a").expect("joined");
    busy.sink.set_busy(true);
    alice.take();
    for evicted in [false, false, false, true] {
        let told = alice.connection.update_state("a", true, false, "");
        told.expect("told");
        assert_eq!(busy.sink.close_reason().is_some(), evicted);
    }
    assert_eq!(busy.lines().len(), 4, "the response and three events");
    assert_eq!(busy.sink.close_reason(), EVICTED);
    assert_eq!(roster(&registry, "a"), ["alice"]);
}

/// `Busy` is an answer to relays only. A host's sink that gives it to an event would leave a hole in
/// the stream.
#[test]
fn an_event_that_is_refused_as_busy_evicts_all_the_same() {
    struct AlwaysBusy;
    impl SignalSink for AlwaysBusy {
        fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
            match signal.urgency() {
                Urgency::Reply => Ok(()),
                _ => Err(SinkError::Busy),
            }
        }
    }
    let mut fanout = Fanout::default();
    let sink: Arc<dyn SignalSink> = Arc::new(AlwaysBusy);
    for (urgency, evicts) in [
        (Urgency::Droppable, false),
        (Urgency::Relay, false),
        (Urgency::Event, true),
    ] {
        let signal = numbered_signal(0, urgency);
        fanout.deliver_only(&super::user("bob"), &sink, signal);
        assert_eq!(fanout.pop_too_slow().is_some(), evicts, "{urgency:?}");
    }
}

#[test]
fn evictions_cascade_until_every_full_sink_is_evicted() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    // Once all five have joined, the first two sinks are full, and each further sink has room for
    // one more event than the sink before. So the leave event of each client makes the next sink
    // overflow.
    let slow: Vec<Client> = [5, 4, 4, 4, 4]
        .into_iter()
        .enumerate()
        .map(|(number, capacity)| {
            let client = Client::slow(&registry, &format!("slow-{number}"), capacity);
            client.join("a").expect("joined");
            client
        })
        .collect();
    alice.take();
    assert!(
        slow.iter()
            .all(|client| client.sink.close_reason().is_none())
    );
    assert!(alice.send("a", "slow-0", "x").is_err());
    assert!(
        slow.iter()
            .all(|client| client.sink.close_reason() == EVICTED)
    );
    let expected: Vec<String> = (0..5)
        .map(|number| format!("left a slow-{number} EVICTED"))
        .collect();
    assert_eq!(alice.lines(), expected);
    assert_eq!(
        slow[4].lines()[1..],
        expected[..3],
        "all events that fit arrived"
    );
    assert_eq!(roster(&registry, "a"), ["alice"]);
}

#[test]
fn a_whole_room_of_stalled_clients_is_evicted_at_once() {
    let registry = registry();
    let clients: Vec<Client> = (0..20)
        .map(|number| {
            let client = Client::slow(&registry, &format!("slow-{number}"), 20 - number);
            client.join("a").expect("joined");
            client
        })
        .collect();
    assert!(
        clients
            .iter()
            .all(|client| client.sink.close_reason().is_none())
    );
    clients[0]
        .connection
        .update_state("a", true, false, "")
        .expect("told");
    assert!(
        clients
            .iter()
            .all(|client| client.sink.close_reason() == EVICTED)
    );
    assert_eq!(registry.room_count(), 0);
    assert_eq!(registry.stats().evictions, 20);
}

#[test]
fn a_join_that_evicts_members_is_complete_for_the_others() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let slow = stalled(&registry, "slow");
    alice.take();
    let bob = Client::new(&registry, "bob");
    bob.join("a").expect("joined");
    assert_eq!(
        bob.lines(),
        ["#join response a [alice slow]", "left a slow EVICTED"]
    );
    assert_eq!(alice.lines(), ["joined a bob", "left a slow EVICTED"]);
    assert_eq!(slow.sink.close_reason(), EVICTED);
}

#[test]
fn leaves_disconnects_kicks_and_channel_closes_evict_too() {
    let leave = |bob: Client| bob.connection.leave_channel("a", "").expect("left");
    let disconnect = |bob: Client| drop(bob);
    let registry = registry();
    let kicked = registry.clone();
    let kick = move |bob: Client| {
        assert!(kicked.kick(bob.connection.user()));
    };
    let closed = registry.clone();
    let close = move |_: Client| {
        closed.close_channel(&super::channel("a"));
    };
    let ways: [Box<dyn Fn(Client)>; 4] = [
        Box::new(leave),
        Box::new(disconnect),
        Box::new(kick),
        Box::new(close),
    ];
    for way in ways {
        let bob = Client::joined(&registry, "bob", "a");
        let slow = stalled(&registry, "slow");
        way(bob);
        assert_eq!(slow.sink.close_reason(), EVICTED);
        assert_eq!(registry.room_count(), 0);
    }
}

#[test]
fn an_old_connection_with_a_full_sink_is_closed_by_a_takeover_and_the_new_seat_stays() {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let old = stalled(&registry, "alice");
    bob.take();
    let new = Client::new(&registry, "alice");
    new.join("a").expect("taken over");
    assert_eq!(old.sink.close_reason(), EVICTED);
    assert_eq!(bob.lines(), ["left a alice REPLACED", "joined a alice"]);
    assert_eq!(new.lines(), ["#join response a [bob]"]);
    drop(old);
    assert_eq!(roster(&registry, "a"), ["bob", "alice"]);
}

#[test]
fn credentials_that_do_not_fit_evict() {
    let server = VoiceServer::builder(OpenDirectory).build().expect("built");
    let slow = Client::slow(server.registry(), "slow", 1);
    assert!(
        !server.push_ice_servers(&slow.connection, UNIX_EPOCH),
        "a connection without a seat gets no credentials"
    );
    assert_eq!(slow.lines(), NOTHING);
    slow.join("a").expect("joined");
    server.push_ice_servers(&slow.connection, UNIX_EPOCH);
    assert_eq!(slow.sink.close_reason(), EVICTED);
    assert_eq!(server.registry().room_count(), 0);
}

#[test]
fn a_sink_that_is_closed_loses_events_and_is_not_evicted() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    crate::SignalSink::close(&*bob.sink, CloseReason::GoingAway);
    alice
        .connection
        .update_state("a", true, false, "")
        .expect("told");
    assert_eq!(
        roster(&registry, "a"),
        ["alice", "bob"],
        "a closed connection is removed by its own disconnect"
    );
    assert_eq!(registry.stats().evictions, 0);
    assert_eq!(bob.sink.close_reason(), Some(CloseReason::GoingAway));
    assert!(RecordingSink::default().close_reason().is_none());
}
