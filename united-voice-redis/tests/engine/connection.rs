//! Dialing, and what a connection notices.

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use united_voice_redis::{
    AddressError, Beaten, CallError, Calls, DialError, Dialer, Introduction, Nid, Purpose,
    Registration, ScriptError, Scripts,
};
use united_voice_redis_server::{Data, Engine, free_port};

use crate::{cluster::fresh_keys, town::tell};

const LEASE: u64 = 60_000_000;

fn dialer(engine: &Engine) -> Dialer {
    let scripts = Arc::new(Scripts::new(fresh_keys()));
    Dialer::new(&engine.url(), None, scripts).expect("a URL")
}

async fn register(calls: &Calls) -> Registration {
    let nid = Nid::new(1, 1);
    let who = Introduction {
        boot: b"boot",
        nid,
        name: "node",
        fingerprint: b"",
        rotated: b"",
        lease_us: LEASE,
        has_seats: false,
    };
    let boot = calls.register(&who).await.expect("registered").boot;
    Registration { boot, nid }
}

#[tokio::test]
async fn a_new_connection_has_the_scripts_and_knows_the_run() {
    let mut engine = Engine::start();
    let dialer = dialer(&engine);
    let of = register(&Calls::new(dialer.clone())).await;
    let first = dialer.dial(Purpose::Calls).await.expect("dialed");
    let mut second = dialer.dial(Purpose::Inbox).await.expect("dialed");
    assert_eq!(first.run_id, second.run_id);
    let beat = dialer.scripts().beat(&of, LEASE, 1, &[]);
    let answer = beat
        .query_async(&mut second.connection)
        .await
        .expect("an answer");
    Beaten::parse(answer).expect("beaten");

    engine.restart(Data::Kept);
    let failed = beat
        .query_async::<redis::Value>(&mut second.connection)
        .await;
    let failed = ScriptError::from(failed.expect_err("the engine was killed"));
    assert!(matches!(failed, ScriptError::Engine(_)), "{failed:?}");
    let mut third = dialer.dial(Purpose::Calls).await.expect("dialed");
    assert_ne!(first.run_id, third.run_id);
    let answer = beat
        .query_async(&mut third.connection)
        .await
        .expect("an answer");
    Beaten::parse(answer).expect("the scripts are loaded and the data is there");
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_given_up() {
    let engine = Engine::start();
    let dialer = dialer(&engine);
    let mut link = dialer.dial(Purpose::Calls).await.expect("dialed");
    tell(&engine, &["CLIENT", "PAUSE", "600000", "ALL"]);
    let late = redis::cmd("PING").exec_async(&mut link.connection).await;
    assert!(late.expect_err("paused").is_timeout());
    dialer.dial(Purpose::Calls).await.expect_err("paused");
    // Reading an inbox may wait longer than an answer. Whoever reads dials anew if ticks are
    // missing; dialing itself gives up.
    dialer.dial(Purpose::Inbox).await.expect_err("paused");
}

#[tokio::test]
async fn nobody_listens() {
    let engine = Engine::start();
    let dialer = dialer(&engine);
    drop(engine);
    let failed = dialer
        .dial(Purpose::Calls)
        .await
        .expect_err("the engine has ended");
    assert!(!failed.is_final(), "{failed:?}");
}

#[tokio::test]
async fn a_demoted_primary_is_left() {
    let engine = Engine::start();
    let dialer = dialer(&engine);
    let of = register(&Calls::new(dialer.clone())).await;
    let mut link = dialer.dial(Purpose::Calls).await.expect("dialed");
    // Nothing listens on this port; the engine is a replica all the same.
    tell(&engine, &["REPLICAOF", "127.0.0.1", "1"]);
    let beat = dialer.scripts().beat(&of, LEASE, 1, &[]);
    let failed = beat.query_async::<redis::Value>(&mut link.connection).await;
    let failed = ScriptError::from(failed.expect_err("it takes no writes"));
    assert!(matches!(failed, ScriptError::Engine(_)), "{failed:?}");
    let refused = dialer.dial(Purpose::Calls).await.expect_err("a replica");
    assert!(matches!(refused, DialError::NotPrimary), "{refused:?}");
    tell(&engine, &["REPLICAOF", "NO", "ONE"]);
    dialer.dial(Purpose::Calls).await.expect("a primary again");
}

#[tokio::test]
async fn an_engine_that_would_throw_out_seats_is_refused() {
    let engine = Engine::start();
    let dialer = dialer(&engine);
    tell(
        &engine,
        &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
    );
    let refused = dialer.dial(Purpose::Calls).await.expect_err("it evicts");
    assert!(matches!(&refused, DialError::Evicts(policy) if policy == "allkeys-lru"));
    assert!(refused.is_final());
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let engine = Engine::start();
    tell(&engine, &["CONFIG", "SET", "requirepass", "right-one"]);
    let scripts = Arc::new(Scripts::new(fresh_keys()));
    let dial = async |password: &str| {
        let url = engine.url().replace("//", &format!("//:{password}@"));
        let dialer = Dialer::new(&url, None, Arc::clone(&scripts)).expect("a URL");
        dialer.dial(Purpose::Calls).await
    };
    dial("right-one").await.expect("dialed");
    let refused = dial("wrong-one").await.expect_err("refused");
    assert!(matches!(refused, DialError::Denied(_)) && refused.is_final());
    assert!(!format!("{refused:?} {refused}").contains("wrong-one"));
}

#[tokio::test]
async fn tls_reaches_only_an_engine_that_is_signed_by_the_given_roots() {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).expect("a certificate");
    let port = free_port();
    let _engine = Engine::start_with(|dir| {
        let file = |name: &str, content: String| {
            let path = dir.join(name);
            std::fs::write(&path, content).expect("written");
            path.to_str().expect("plain").to_string()
        };
        let certificate = file("cert.pem", own.cert.pem());
        let key = file("key.pem", own.signing_key.serialize_pem());
        let words = ["--tls-auth-clients", "no", "--tls-port", &port.to_string()];
        let words = words.map(Into::into).into_iter();
        let files = [
            ("--tls-cert-file", &certificate),
            ("--tls-key-file", &key),
            ("--tls-ca-cert-file", &certificate),
        ];
        let files = files
            .into_iter()
            .flat_map(|(name, path)| [name.into(), path.clone()]);
        words.chain(files).collect()
    });
    let scripts = Arc::new(Scripts::new(fresh_keys()));
    let dial = async |roots: String| {
        let url = format!("rediss://127.0.0.1:{port}/");
        let dialer = Dialer::new(&url, Some(roots.into_bytes()), Arc::clone(&scripts));
        dialer.expect("a URL and roots").dial(Purpose::Calls).await
    };
    dial(own.cert.pem()).await.expect("dialed");
    let refused = dial(other.cert.pem())
        .await
        .expect_err("somebody else's certificate");
    assert!(matches!(refused, DialError::Engine(_)), "{refused:?}");
    let bad = Dialer::new("rediss://127.0.0.1/", Some(b"no PEM".into()), scripts);
    assert!(matches!(bad, Err(AddressError::NoCertificate)), "{bad:?}");
}

#[tokio::test]
async fn scripts_that_the_engine_forgot_are_an_error_of_their_own() {
    let engine = Engine::start();
    let dialer = dialer(&engine);
    let of = register(&Calls::new(dialer.clone())).await;
    let mut link = dialer.dial(Purpose::Calls).await.expect("dialed");
    tell(&engine, &["SCRIPT", "FLUSH"]);
    let mut pipeline = redis::pipe();
    for number in 1..=2 {
        pipeline.add_command(dialer.scripts().beat(&of, LEASE, number, &[]));
    }
    let answers = link.connection.send_packed_commands(&pipeline, 0, 2);
    let answers = tokio::time::timeout(Duration::from_secs(60), answers).await;
    for answer in answers.expect("in time").expect("answers") {
        assert!(matches!(Beaten::parse(answer), Err(ScriptError::NotLoaded)));
    }
}

#[tokio::test]
async fn calls_that_wait_for_a_connection_share_one_attempt() {
    // The system accepts each connection, and nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("redis://{}/", listener.local_addr().expect("bound"));
    let scripts = Arc::new(Scripts::new(fresh_keys()));
    let calls = Calls::new(Dialer::new(&url, None, scripts).expect("a URL"));
    let calls = Arc::new(calls);
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let calls = Arc::clone(&calls);
        asking.spawn(async move { calls.counts(&["hall"]).await });
    }
    for answer in asking.join_all().await {
        let failed = answer.expect_err("nobody answers");
        assert!(matches!(failed, CallError::Dial(_)), "{failed:?}");
    }
    let mut attempts = Vec::new();
    while let Ok(attempt) = timeout(Duration::from_millis(100), listener.accept()).await {
        attempts.push(attempt);
    }
    assert_eq!(attempts.len(), 1);
    // The failure is not kept: the next call tries again.
    drop(listener);
    let failed = calls.counts(&["hall"]).await.expect_err("nobody listens");
    assert!(
        matches!(failed, CallError::Dial(DialError::Engine(_))),
        "{failed:?}"
    );
}

#[tokio::test]
async fn calls_go_on_by_a_new_connection_after_each_failure() {
    let mut engine = Engine::start();
    let calls = Calls::new(dialer(&engine));
    let of = register(&calls).await;
    assert_eq!(
        calls
            .beat(&of, LEASE, 1, &[])
            .await
            .expect("beaten")
            .operation,
        0
    );
    assert!(calls.policy(&of).await.expect("an epoch") > 0);
    assert!(
        calls
            .roster("hall")
            .await
            .expect("a roster")
            .members
            .is_empty()
    );
    assert_eq!(
        calls.counts(&["hall", "yard"]).await.expect("counts"),
        [0, 0]
    );
    assert!(calls.counts(&[]).await.expect("counts").is_empty());

    // Scripts that are gone are loaded without a word.
    tell(&engine, &["SCRIPT", "FLUSH"]);
    calls.beat(&of, LEASE, 2, &[]).await.expect("beaten");
    // What is no failure of the connection leaves it as it is.
    let unknown = Registration {
        nid: Nid::new(9, 9),
        ..of.clone()
    };
    let refused = calls
        .beat(&unknown, LEASE, 1, &[])
        .await
        .expect_err("unknown");
    assert!(
        matches!(refused, CallError::Script(ScriptError::Fenced)),
        "{refused:?}"
    );

    engine.wait_until_written();
    engine.restart(Data::Kept);
    let cut = calls
        .counts(&["hall"])
        .await
        .expect_err("the engine was killed");
    assert!(
        matches!(cut, CallError::Script(ScriptError::Engine(_))),
        "{cut:?}"
    );
    calls.beat(&of, LEASE, 3, &[]).await.expect("beaten");
    tell(&engine, &["CLIENT", "PAUSE", "600000", "ALL"]);
    let late = calls.beat(&of, LEASE, 4, &[]).await.expect_err("paused");
    assert!(
        matches!(late, CallError::Script(ScriptError::Engine(_))),
        "{late:?}"
    );
    let late = calls.close(&of).await.expect_err("paused");
    assert!(matches!(late, CallError::Dial(_)), "{late:?}");
}
