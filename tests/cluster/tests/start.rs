//! What keeps a server from becoming a node, and what it waits for.

use std::{
    net::SocketAddr,
    process::Output,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use united_voice_cluster_tests::{Cluster, LEASE, settles};
use united_voice_redis_server::{Engine, free_port};
use united_voice_scenarios::{Server, ServerBuilder, ServerKind};

use crate::{AFTER_THAW, AT_ONCE, AXUM, heard_nothing, sessions};

/// How long a server may look for its engine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a server that must not start, and returns the line that says why.
async fn refused(builder: ServerBuilder) -> String {
    let data_dir = builder.data_dir().to_str().expect("UTF-8").to_owned();
    let builder = builder
        .flag("--bind=127.0.0.1:0")
        .flag("--data-dir")
        .flag(data_dir);
    let Output {
        status,
        stdout,
        stderr,
    } = builder.run_to_end().await;
    let stderr = String::from_utf8(stderr).expect("UTF-8");
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stdout.is_empty(), "it says nothing else");
    let lines: Vec<_> = stderr
        .lines()
        .filter(|line| line.starts_with("error:"))
        .collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    lines[0].to_owned()
}

fn on(engine: &str) -> ServerBuilder {
    Server::builder(ServerKind::Axum).environment("UNITED_CLUSTER", engine)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_engine_a_server_gives_up_and_says_why() {
    let begun = Instant::now();
    let why = refused(on(&format!("redis://127.0.0.1:{}/", free_port()))).await;
    assert!(
        begun.elapsed() >= PATIENCE / 2,
        "it may come up a little later"
    );
    assert!(why.contains("engine"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_ends_the_start_and_is_not_shown() {
    let engine = Engine::start();
    let user = redis::cmd("ACL")
        .arg(&["SETUSER", "united", "on", ">right", "~*", "+@all"])
        .exec(&mut engine.connection());
    user.expect("a user");
    let url = |password| format!("redis://united:{password}@{}/", engine.address());
    let server = on(&url("right")).start().await;
    drop(server);
    let why = refused(on(&url("not-the-right-one"))).await;
    assert!(!why.contains("not-the-right-one"), "{why}");
    assert!(why.to_lowercase().contains("password"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_secret_for_tokens_ends_the_start() {
    let engine = Engine::start();
    let with = |secret| on(&engine.url()).environment("UNITED_JWT_SECRET", secret);
    let _server = with("a secret of 32 bytes for the tests").start().await;
    let why = refused(with("another one of 32 bytes for tests")).await;
    assert!(why.contains("secret"), "{why}");
    // So are both secrets that servers make for themselves.
    let why = refused(on(&engine.url())).await;
    assert!(why.contains("secret"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_too_old_ends_the_start() {
    let engine = Engine::start();
    let old = aged(engine.address()).await;
    let why = refused(on(&format!("redis://{old}/"))).await;
    assert!(why.contains("6.2.14"), "{why}");
}

/// A way to an engine on which it says that it is older.
async fn aged(engine: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(engine).await.expect("it listens");
                let (mut to_server, mut to_client) = (vec![0; 65536], vec![0; 65536]);
                loop {
                    let passed = tokio::select! {
                        read = client.read(&mut to_server) => match read {
                            Ok(length @ 1..) => server.write_all(&to_server[..length]).await,
                            _ => return,
                        },
                        read = server.read(&mut to_client) => match read {
                            Ok(length @ 1..) => {
                                let answer = older(&to_client[..length]);
                                client.write_all(&answer).await
                            }
                            _ => return,
                        },
                    };
                    if passed.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// The version in `INFO`, in other digits of the same number.
fn older(answer: &[u8]) -> Vec<u8> {
    const KEY: &[u8] = b"redis_version:";
    let mut answer = answer.to_vec();
    let at = answer.windows(KEY.len()).position(|window| window == KEY);
    if let Some(at) = at.map(|at| at + KEY.len()) {
        let length = answer[at..].iter().position(|byte| *byte == b'\r');
        let length = length.expect("a line has an end");
        answer[at..at + length].fill(b' ');
        answer[at..at + 6].copy_from_slice(b"6.2.14");
    }
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_on_an_empty_engine_waits_for_those_that_may_have_seats() {
    let engine = Engine::start();
    let begun = Instant::now();
    let config = format!("[cluster]\nlease_secs = {}\n", LEASE.as_secs());
    let first = on(&engine.url()).config(&config);
    let second = first.clone();
    let _first = first.start().await;
    assert!(
        begun.elapsed() >= LEASE,
        "it listened after {:?}",
        begun.elapsed()
    );
    // The next one has nothing to wait for.
    let begun = Instant::now();
    let server = second.start().await;
    assert!(
        begun.elapsed() < LEASE,
        "it listened after {:?}",
        begun.elapsed()
    );
    let (status, ready) = server.get_text("/readyz").await;
    assert_eq!((status, ready.trim()), (200, "ready"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_while_seats_are_put_back_waits_for_them() {
    let mut cluster = Cluster::start(AXUM).await;
    let mut callers = cluster.town("general").await;
    let dan = callers.pop().expect("four came");
    dan.stay_out();
    cluster.nodes[2].end().await;
    settles("his leave", AT_ONCE, async || {
        let left = callers[0].view().told;
        (!left.is_empty())
            .then_some(())
            .ok_or_else(|| "nothing".to_owned())
    })
    .await;
    let before = sessions(&callers);
    for caller in &callers {
        let _ = caller.told();
    }
    cluster.flush_engine();
    cluster.nodes[2].start_again().await;
    // It says `listening on` when it is over.
    assert_eq!(cluster.seats_in("general").len(), callers.len());
    let (health, _, ready) = cluster.nodes[2].health().await;
    assert_eq!((&*health, &*ready), ("ok", "ready"));
    cluster.agree(&callers, AFTER_THAW).await;
    assert_eq!(sessions(&callers), before);
    heard_nothing(&callers);
}
