//! Joins and the directory: refusals, and joins whose directory is slow, fails or does not answer
//! in time.

mod support;

use std::{sync::atomic::Ordering, time::UNIX_EPOCH};

use futures::FutureExt;
use support::{
    asker::Asker,
    channel,
    log::Log,
    payloads::{join, state},
    server::{server_with, turn_server},
};
use tracing::Level;
use united_voice_core::{proto::voice::VoiceJoinRequest, signaling};

#[test]
fn a_refusal_of_the_directory_is_reported_and_changes_nothing() {
    let server = turn_server();
    let alice = Asker::joined(&server, "alice", "a");
    let _carol = Asker::joined(&server, "carol", "tiny");
    let refusals = [
        ("text", "NOT_A_VOICE_CHANNEL"),
        ("unknown", "CHANNEL_NOT_FOUND"),
        ("banned", "FORBIDDEN"),
        ("broken", "UNAVAILABLE"),
        ("tiny", "CHANNEL_FULL"),
    ];
    for (name, code) in refusals {
        assert_eq!(alice.ask(join(name)), [format!("#7 error {code} {name}")]);
        assert_eq!(
            alice.connection.seat().expect("still there").0,
            channel("a")
        );
    }
    assert_eq!(server.registry().room_count(), 2);
}

#[test]
fn a_profile_that_is_too_large_is_refused_as_a_fault_of_the_server_and_logged_once() {
    let log = Log::from(Level::ERROR);
    let server = server_with(|limits| limits.max_profile_bytes = 300);
    let alice = Asker::joined(&server, "alice", "a");
    let refused = ["#7 error INTERNAL profile 301"];
    for _ in 0..3 {
        assert_eq!(alice.ask(join("profile 301")), refused);
    }
    let seat = |asker: &Asker| asker.connection.seat().expect("seated").0;
    assert_eq!(seat(&alice), channel("a"), "nothing has changed");
    alice.ask(join("profile 300"));
    assert_eq!(seat(&alice), channel("profile 300"));
    let counted = server.stats().join_requests;
    assert_eq!(counted.of("internal"), 3);
    let logged = log.text();
    assert_eq!(logged.lines().count(), 1, "{logged}");
    assert!(
        logged.contains("bytes=301 max_profile_bytes=300"),
        "{logged}"
    );
}

#[test]
fn eight_kib_of_profile_are_allowed_by_default() {
    let alice = Asker::new(&turn_server(), "alice");
    let refused = ["#7 error INTERNAL profile 8193"];
    assert_eq!(alice.ask(join("profile 8193")), refused);
    alice.ask(join("profile 8192"));
    assert!(alice.connection.seat().is_some());
}

#[test]
fn a_client_is_not_told_why_the_directory_failed() {
    let server = turn_server();
    let alice = Asker::new(&server, "alice");
    let request = VoiceJoinRequest {
        channel_id: "broken".into(),
    };
    let handled =
        signaling::handle_voice_join(&server, &alice.connection, "7", request, UNIX_EPOCH);
    let error = handled
        .now_or_never()
        .expect("at once")
        .expect_err("refused");
    let source = std::error::Error::source(&error).expect("kept for the host");
    assert!(source.to_string().contains("disk failure"));
    signaling::reply_error(&alice.connection, "7", &error);
    assert!(!format!("{:?}", alice.sink.take()).contains("disk"));
}

#[test]
fn a_dropped_join_changes_nothing() {
    let server = turn_server();
    let alice = Asker::joined(&server, "alice", "a");
    let bob = Asker::joined(&server, "bob", "a");
    alice.lines();
    let dispatched = alice.begin(join("slow"));
    assert_eq!(server.registry().room_count(), 1);
    drop(dispatched);
    server.directory().gate.add_permits(1);
    assert_eq!(alice.lines(), [""; 0]);
    assert_eq!(bob.lines(), [""; 0]);
    assert_eq!(
        alice.connection.seat().expect("still there").0,
        channel("a")
    );
}

#[test]
fn a_slow_directory_delays_nobody_else() {
    let server = turn_server();
    let alice = Asker::joined(&server, "alice", "a");
    let bob = Asker::joined(&server, "bob", "a");
    alice.lines();
    let dispatched = alice.begin(join("slow"));
    assert_eq!(bob.ask(state("a")), ["#7 state a bob"]);
    assert_eq!(
        alice.lines(),
        ["state a bob"],
        "it is still a member and gets every event"
    );
    server.directory().gate.add_permits(1);
    dispatched.now_or_never().expect("through");
    assert_eq!(alice.lines(), ["#7 response slow []"]);
    assert_eq!(bob.lines(), ["left a alice MOVED"]);
}

#[test]
fn a_join_asks_again_if_the_policy_changed_meanwhile() {
    let server = turn_server();
    let alice = Asker::new(&server, "alice");
    let mut dispatched = alice.begin(join("slow"));
    server.registry().policy_changed(&channel("slow"));
    server.directory().gate.add_permits(1);
    assert!(dispatched.as_mut().now_or_never().is_none(), "asks again");
    server.directory().gate.add_permits(1);
    dispatched.now_or_never().expect("through");
    assert_eq!(server.directory().asked.load(Ordering::SeqCst), 2);
    assert_eq!(alice.lines(), ["#7 response slow []"]);
}

#[test]
fn a_join_is_answered_even_if_the_policy_keeps_changing() {
    let server = turn_server();
    let alice = Asker::new(&server, "alice");
    let mut dispatched = alice.begin(join("slow"));
    let mut rounds = 0;
    while dispatched.as_mut().now_or_never().is_none() {
        server.registry().policy_changed(&channel("slow"));
        server.directory().gate.add_permits(1);
        rounds += 1;
        assert!(rounds < 100, "it asks without end");
    }
    assert_eq!(alice.lines(), ["#7 error UNAVAILABLE slow"]);
    assert_eq!(server.registry().room_count(), 0);
}

#[test]
fn a_host_joins_for_a_client_in_one_step() {
    let server = turn_server();
    let _bob = Asker::joined(&server, "bob", "a");
    let alice = Asker::new(&server, "alice");
    let joins = |name: &str, request_id: &str| {
        let channel = channel(name);
        let joined = server.join_channel(&alice.connection, &channel, request_id, UNIX_EPOCH);
        joined
            .now_or_never()
            .expect("the directory answers at once")
    };
    let session = joins("a", "h1").expect("admitted");
    assert_eq!(alice.lines(), ["#h1 response a [bob]"]);
    assert_eq!(alice.connection.seat(), Some((channel("a"), session)));
    assert_eq!(joins("a", "h2").expect("a rejoin"), session);
    alice.lines();
    let refused = joins("banned", "h3").expect_err("banned");
    assert_eq!(refused.channel(), Some("banned"));
    assert_eq!(alice.lines(), [""; 0], "the caller answers a refusal");
}

/// The panic ends the task of that connection, as far as the host lets it. No lock is left behind
/// that would panic or block for others.
#[test]
fn a_directory_that_panics_ends_one_connection_and_no_other() {
    let server = turn_server();
    let alice = Asker::joined(&server, "alice", "a");
    let bob = Asker::joined(&server, "bob", "a");
    alice.lines();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        bob.ask(join("panic"));
    }));
    assert!(panicked.is_err());
    assert_eq!(alice.lines(), ["left a bob DISCONNECTED"]);
    assert_eq!(alice.ask(state("a")), ["#7 state a alice"]);
    let carol = Asker::joined(&server, "carol", "a");
    assert_eq!(alice.lines(), ["joined a carol"]);
    drop(carol);
    assert_eq!(server.registry().participant_count(&channel("a")), 1);
}
