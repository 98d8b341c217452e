//! `ConnectionMachine` over time: pings and silence, the renewal of credentials, and waiting for
//! the next step.

mod support;

use std::{
    cell::Cell,
    future::pending,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::FutureExt;
use support::{
    hosted::{EPOCH, Hosted, start},
    payloads::{ice, join, leave, state},
    server::{Server, server, server_with, turn_server},
    user,
};
use united_voice_core::{
    ConnectionMachine, Frame, IceConfig, Step, TurnConfig,
    proto::{voice::IceServer, ws::envelope::Payload},
    test_util::RecordingSink,
};

const NOTHING: [&str; 0] = [];

#[test]
fn a_silent_client_is_pinged_and_then_removed() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    let mut bob = Hosted::joined(&server, "bob", "a");
    alice.steps();
    assert_eq!(alice.due_in(), 15);
    alice.wait_secs(14);
    assert_eq!(alice.steps(), NOTHING);
    alice.wait_secs(1);
    assert_eq!(alice.steps(), ["ping"]);
    assert_eq!(alice.due_in(), 10);
    alice.wait_secs(9);
    assert_eq!(alice.steps(), NOTHING);
    alice.wait_secs(1);
    assert_eq!(
        alice.steps(),
        ["end TimedOut"],
        "a silent client gets no close frame"
    );
    assert_eq!(bob.steps(), ["left a alice DISCONNECTED"]);
}

type Sign = fn(&mut Hosted);

#[test]
fn every_sign_of_life_restarts_the_ping_interval() {
    let signs: [(&str, Sign); 6] = [
        ("pong", |alice| alice.receive(Frame::Pong(Bytes::new()))),
        ("ping", |alice| alice.receive(Frame::Ping(Bytes::new()))),
        ("message", |alice| alice.ask("", state("a"))),
        ("host's", |alice| {
            alice.machine.receive_other("", 9, alice.now);
        }),
        ("heard", |alice| alice.machine.heard(alice.now)),
        ("wrote", |alice| alice.machine.wrote(alice.now)),
    ];
    for (name, sign) in signs {
        let server = server();
        let mut alice = Hosted::joined(&server, "alice", "a");
        alice.wait_secs(15);
        assert_eq!(alice.steps(), ["ping"], "{name}");
        alice.wait_secs(9);
        sign(&mut alice);
        alice.steps();
        assert_eq!(alice.due_in(), 15, "{name}");
        alice.wait_secs(15);
        assert_eq!(alice.steps(), ["ping"], "{name}");
    }
}

/// If the ping's time-out is longer than the interval, a pong makes the next deadline an earlier
/// one.
#[test]
fn a_client_that_answers_is_pinged_again_after_one_interval() {
    let server = server_with(|limits| {
        limits.ping_interval = Duration::from_secs(1);
        limits.ping_timeout = Duration::from_secs(5);
    });
    let mut alice = Hosted::joined(&server, "alice", "a");
    for round in 0..5 {
        alice.wait_secs(1);
        assert_eq!(alice.steps(), ["ping"], "round {round}");
        alice.receive(Frame::Pong(Bytes::new()));
        assert_eq!(alice.steps(), NOTHING, "round {round}");
        assert_eq!(alice.due_in(), 1, "round {round}");
    }
}

#[test]
fn a_ping_waits_for_a_full_socket() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    alice.writable = false;
    alice.wait_secs(15);
    assert_eq!(alice.steps(), NOTHING);
    alice.writable = true;
    assert_eq!(alice.steps(), ["ping"]);
    alice.writable = false;
    alice.wait_secs(10);
    assert_eq!(alice.steps(), ["end TimedOut"]);
}

#[test]
fn a_client_whose_messages_wait_for_its_join_is_not_taken_for_dead() {
    let server = server_with(|limits| limits.directory_timeout = Duration::from_secs(100));
    let mut alice = Hosted::joined(&server, "alice", "a");
    alice.ask("1", join("slow"));
    alice.steps();
    alice.ask("2", state("slow"));
    for _ in 0..9 {
        alice.wait_secs(10);
        let steps = alice.steps();
        assert!(steps.iter().all(|step| step == "ping"), "{steps:?}");
    }
    server.directory().gate.add_permits(1);
    let expected = ["#1 response slow []", "#2 state slow alice"];
    assert_eq!(alice.steps(), expected);
}

/// The seconds until the TURN credentials in a signal expire.
fn lifetime(alice: &Hosted, step: Step) -> u64 {
    let Step::Signal(signal) = step else {
        panic!("{step:?}");
    };
    let servers: &[IceServer] = match signal.payload() {
        Payload::VoiceJoinResponse(response) => &response.ice_servers,
        Payload::VoiceIceServersResponse(response) => &response.ice_servers,
        other => panic!("{other:?}"),
    };
    let turn = servers.last().expect("a TURN server");
    let expiry = turn.username.split(':').next().expect("an expiry");
    expiry.parse::<u64>().expect("a number") - alice.unix_time()
}

#[test]
fn credentials_are_renewed_at_three_quarters_of_their_life() {
    let server = turn_server();
    let mut alice = Hosted::new(&server, "alice");
    alice.ask("1", join("slow"));
    assert_eq!(alice.steps(), NOTHING);
    alice.wait_secs(8);
    server.directory().gate.add_permits(1);
    let response = alice.step().expect("the response");
    assert_eq!(
        lifetime(&alice, response),
        60,
        "from the join, not from the request"
    );
    for _ in 0..3 {
        for _ in 0..4 {
            alice.wait_secs(11);
            alice.machine.heard(alice.now);
            assert_eq!(alice.steps(), NOTHING);
        }
        alice.wait_secs(1);
        let renewal = alice.step().expect("a renewal");
        assert_eq!(lifetime(&alice, renewal), 60);
    }
    assert_eq!(alice.unix_time(), EPOCH + 8 + 3 * 45);
    alice.wait_secs(10);
    alice.ask("2", ice("slow"));
    let answer = alice.step().expect("an answer");
    assert_eq!(lifetime(&alice, answer), 60);
    alice.wait_secs(14);
    alice.machine.heard(alice.now);
    alice.wait_secs(14);
    alice.machine.heard(alice.now);
    alice.wait_secs(14);
    alice.machine.heard(alice.now);
    assert_eq!(alice.steps(), NOTHING, "the request restarted the timer");
    alice.wait_secs(3);
    assert_eq!(alice.steps(), ["ice slow 2"]);
    alice.ask("3", leave("slow"));
    assert_eq!(alice.steps(), ["#3 left slow alice LEFT"]);
    alice.wait_secs(46);
    alice.machine.heard(alice.now);
    assert_eq!(alice.steps(), NOTHING, "a client that has left gets none");
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A server with TURN credentials that live for an hour, and pings that are a day apart.
fn quiet_turn_server() -> Server {
    let turn = TurnConfig::new("turn.example", 3478, "secret", 3600).expect("valid");
    let ice = IceConfig::default().with_turn(turn);
    support::server::build(ice, |limits| limits.ping_interval = DAY)
}

#[test]
fn a_wall_clock_that_jumps_brings_fresh_credentials_within_a_minute() {
    type Jump = fn(SystemTime) -> SystemTime;
    let jumps: [(&str, Jump); 5] = [
        ("an hour ahead", |wall| wall + Duration::from_secs(3600)),
        ("an hour back", |wall| wall - Duration::from_secs(3600)),
        ("a little ahead", |wall| wall + Duration::from_secs(6)),
        ("a little back", |wall| wall - Duration::from_secs(6)),
        ("to 1970", |_| SystemTime::UNIX_EPOCH),
    ];
    for (name, jump) in jumps {
        for quiet_minutes in [0, 1, 30] {
            let server = quiet_turn_server();
            let mut alice = Hosted::new(&server, "alice");
            alice.ask("1", join("a"));
            alice.step().expect("the response");
            for _ in 0..quiet_minutes * 60 {
                alice.wait_secs(1);
                assert_eq!(alice.steps(), NOTHING, "{name}");
            }
            alice.now.wall = jump(alice.now.wall);
            let mut waited = 0;
            while alice.due_in() > 0 {
                let due_in = alice.due_in();
                waited += due_in;
                alice.wait_secs(due_in);
            }
            assert!(waited < 60, "{name}: {waited} s");
            let renewal = alice.step().expect("fresh credentials");
            assert_eq!(lifetime(&alice, renewal), 3600, "{name}");
            // The new ones live as long as planned.
            for _ in 0..44 * 60 {
                alice.wait_secs(1);
                assert_eq!(alice.steps(), NOTHING, "{name}");
            }
            alice.wait_secs(60);
            assert_eq!(alice.steps(), ["ice a 2"], "{name}");
        }
    }
}

#[test]
fn small_steps_of_the_clock_and_late_looks_are_no_jumps() {
    let server = quiet_turn_server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    for seconds in [1, 29, 31, 200, 1000] {
        alice.wait_secs(seconds);
        alice.now.wall += Duration::from_secs(1);
        assert_eq!(alice.steps(), NOTHING, "after {seconds} s");
    }
}

#[test]
fn the_clocks_are_compared_only_for_those_with_credentials_and_twice_a_minute() {
    let server = quiet_turn_server();
    let mut alice = Hosted::new(&server, "alice");
    assert_eq!(alice.due_in(), DAY.as_secs());
    alice.ask("1", join("a"));
    alice.steps();
    for _ in 0..10 {
        assert_eq!(alice.due_in(), 30);
        alice.wait_secs(30);
        assert_eq!(alice.steps(), NOTHING);
    }
    // A client that has left gets none, and is looked at no more.
    alice.ask("2", leave("a"));
    alice.steps();
    alice.now.wall += Duration::from_secs(3600);
    alice.wait_secs(30);
    assert_eq!(alice.steps(), NOTHING);
    assert!(alice.due_in() > 3600);
    let server = server_with(|limits| limits.ping_interval = DAY);
    let alice = Hosted::joined(&server, "alice", "a");
    assert_eq!(alice.due_in(), DAY.as_secs(), "there is no TURN server");
}

#[test]
fn a_dropped_step_loses_nothing() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    let now = alice.now;
    let never = |_| pending::<()>();
    alice.ask("1", join("slow"));
    assert!(
        alice
            .machine
            .step(true, || now, never)
            .now_or_never()
            .is_none()
    );
    server.directory().gate.add_permits(1);
    // The socket is not writable. The join goes on, and its response stays in the queue.
    assert!(
        alice
            .machine
            .step(false, || now, never)
            .now_or_never()
            .is_none()
    );
    assert_eq!(
        server
            .registry()
            .participant_count(&support::channel("slow")),
        1
    );
    let step = alice.machine.step(true, || now, never).now_or_never();
    assert!(matches!(step, Some(Step::Signal(_))), "{step:?}");
    assert_eq!(alice.steps(), NOTHING);
}

/// A loop does not read while a message is held. If the signals go to a sink of the host's own, no
/// signal tells the loop that it may read again.
#[test]
fn a_step_says_when_a_host_with_its_own_sink_may_read_again() {
    let server = server();
    let sink = Arc::new(RecordingSink::default());
    let now = start();
    let mut machine = ConnectionMachine::open_with_sink(&server, &user("alice"), sink, now);
    machine.receive_payload("1".into(), join("slow"), 9, now);
    machine.receive_payload("2".into(), state("slow"), 9, now);
    assert!(!machine.wants_input());
    {
        let mut step = pin!(machine.step(true, || now, |_| pending::<()>()));
        assert!(step.as_mut().now_or_never().is_none());
        server.directory().gate.add_permits(1);
        let step = step.now_or_never();
        assert!(matches!(step, Some(Step::Read)), "{step:?}");
    }
    assert!(machine.wants_input());
    let step = machine.step(true, || now, |_| pending::<()>());
    assert!(step.now_or_never().is_none(), "it says so once");
}

/// When a join ends, the next deadline may be earlier than the join's deadline was.
#[test]
fn a_step_sleeps_until_the_current_deadline() {
    let server = server();
    let alice = Hosted::joined(&server, "alice", "a");
    let mut machine = alice.machine;
    let now = Cell::new(alice.now);
    let sleeps = Cell::new(0);
    // A timer that fires too early once.
    let sleep = |at| {
        let early = Duration::from_millis(u64::from(sleeps.get() == 0));
        sleeps.set(sleeps.get() + 1);
        now.set(united_voice_core::Now {
            monotonic: at - early,
            ..now.get()
        });
        async {}
    };
    let step = machine.step(true, || now.get(), sleep).now_or_never();
    assert!(matches!(step, Some(Step::Ping)), "{step:?}");
    assert_eq!(sleeps.get(), 2);
    let step = machine.step(true, || now.get(), sleep).now_or_never();
    assert!(matches!(step, Some(Step::End(_))), "{step:?}");
}

#[test]
fn a_client_stalls_if_nothing_is_written_for_a_second() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    alice.writable = false;
    assert_eq!(alice.steps(), NOTHING);
    assert_eq!(alice.due_in(), 1);
    alice.wait(Duration::from_millis(999));
    assert_eq!(alice.steps(), NOTHING);
    assert!(!alice.machine.has_stalled());
    alice.machine.wrote(alice.now);
    for _ in 0..2 {
        alice.wait(Duration::from_millis(999));
        alice.machine.wrote(alice.now);
        assert_eq!(alice.steps(), NOTHING);
        assert!(!alice.machine.has_stalled());
    }
    // Late, as on a machine with too much to do: the socket is asked once more before it counts.
    alice.wait_secs(10);
    assert!(!alice.machine.has_stalled());
    assert_eq!(alice.steps(), NOTHING);
    assert!(alice.machine.has_stalled());
    assert!(
        alice.due_in() > 1,
        "the deadline of a stalled socket is past"
    );
    alice.machine.wrote(alice.now);
    assert!(!alice.machine.has_stalled());
    alice.wait_secs(2);
    assert_eq!(alice.steps(), NOTHING);
    assert!(alice.machine.has_stalled());
    alice.writable = true;
    assert_eq!(alice.steps(), NOTHING);
    assert!(!alice.machine.has_stalled());
}
