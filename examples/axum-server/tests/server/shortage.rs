//! What the server does while it lacks descriptors, disk space or its database.

use std::{
    fs::File,
    time::{Duration, Instant},
};

use futures::{SinkExt as _, StreamExt as _};
use nix::{
    fcntl::{FcntlArg, fcntl},
    libc::{F_WRLCK, SEEK_SET, flock},
};
use reqwest::{Method, StatusCode};
use rustix::process::{Resource, Signal};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::sleep};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message},
};

use crate::process::{PATIENCE, Server, Socket};

/// The status of a request with a JSON body.
async fn status(server: &Server, method: Method, path: &str, token: &str, body: Value) -> u16 {
    let request = reqwest::Client::new().request(method, server.url(path));
    let answer = request.bearer_auth(token).json(&body).send().await;
    answer.unwrap().status().as_u16()
}

/// The status of each way to write to the database.
async fn writes(server: &Server, token: &str) -> [u16; 3] {
    let channel = json!({ "name": "den", "kind": "voice" });
    [
        status(server, Method::POST, "/api/channels", token, channel).await,
        status(
            server,
            Method::PATCH,
            "/api/channels/general",
            token,
            json!({ "maxParticipants": 3 }),
        )
        .await,
        server.try_sign_in("Bob").await.status().as_u16(),
    ]
}

async fn channels(server: &Server, token: &str) -> Vec<Value> {
    let request = reqwest::Client::new().get(server.url("/api/channels"));
    let answer = request.bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

/// Ends the server and counts the lines of its log that contain a text.
fn lines_with(mut server: Server, text: &str) -> usize {
    server.signal(Signal::TERM);
    let (status, log) = server.ended();
    assert!(status.success(), "{status}: {log}");
    log.lines().filter(|line| line.contains(text)).count()
}

#[tokio::test]
async fn nothing_is_told_as_done_that_the_disk_did_not_take() {
    let server = Server::start_with_limits();
    let token = server.sign_in("Ada").await;
    let before = channels(&server, &token).await;
    server.limit(Resource::Fsize, Some(0));
    for _ in 0..3 {
        assert_eq!(writes(&server, &token).await, [503; 3]);
    }
    assert_eq!(channels(&server, &token).await, before);
    server.limit(Resource::Fsize, None);
    assert_eq!(writes(&server, &token).await, [201, 200, 200]);
    let after = channels(&server, &token).await;
    assert_eq!(
        (after.len(), &after[0]["maxParticipants"]),
        (before.len() + 1, &json!(3))
    );
    assert_eq!(lines_with(server, "the database failed a request"), 1);
}

#[tokio::test]
async fn a_database_that_is_gone_is_missed_until_it_is_back() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    let path = server.data_dir().join("united.db");
    let aside = server.data_dir().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    for _ in 0..10 {
        assert_eq!(writes(&server, &token).await, [503; 3]);
        assert_eq!(server.channels_status(&token).await, 503);
        let url = format!("ws://{}/ws?access_token={token}", server.address);
        match connect_async(url).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 503),
            other => panic!("{other:?}"),
        }
    }
    assert!(!path.exists(), "no empty database takes its place");
    std::fs::rename(&aside, &path).unwrap();
    for _ in 0..10 {
        assert_eq!(server.channels_status(&token).await, 200);
    }
    drop(server.connect(&token).await);
    assert_eq!(lines_with(server, "the database failed a request"), 1);
}

/// Keeps SQLite from reading, as a program does that recovers the write-ahead log: it holds all
/// locks in the shared memory until it is dropped.
fn lock_readers_out(server: &Server) -> File {
    let memory = server.data_dir().join("united.db-shm");
    let memory = File::options().read(true).write(true).open(memory).unwrap();
    let locks = flock {
        l_type: i16::try_from(F_WRLCK).unwrap(),
        l_whence: i16::try_from(SEEK_SET).unwrap(),
        l_start: 120,
        l_len: 8,
        l_pid: 0,
    };
    fcntl(&memory, FcntlArg::F_SETLK(&locks)).unwrap();
    memory
}

async fn upgrade_status(server: &Server, token: &str) -> u16 {
    let url = format!("ws://{}/ws?access_token={token}", server.address);
    match connect_async(url).await {
        Ok(_) => 101,
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

/// The text of the answer to a join.
async fn join(socket: &mut Socket) -> String {
    let join = r#"{"requestId":"1","voiceJoinRequest":{"channelId":"general"}}"#;
    socket.send(Message::text(join)).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    answer.to_text().unwrap().to_owned()
}

#[tokio::test]
async fn readers_that_are_locked_out_are_told_so_in_time() {
    let mut server = Server::start();
    let token = server.sign_in("Ada").await;
    let mut socket = server.connect(&token).await;
    assert_eq!(server.channels_status(&token).await, 200);
    let lock = lock_readers_out(&server);
    for _ in 0..2 {
        let begun = Instant::now();
        let url = server.url("/api/voice/general/participants");
        let participants = reqwest::Client::new().get(url).bearer_auth(&token).send();
        let answers = tokio::join!(
            writes(&server, &token),
            server.channels_status(&token),
            participants,
            upgrade_status(&server, &token),
            join(&mut socket),
        );
        assert_eq!((answers.0, answers.1, answers.3), ([503; 3], 503, 503));
        assert_eq!(answers.2.unwrap().status(), 503);
        assert!(answers.4.contains("UNAVAILABLE"), "{}", answers.4);
        // Three writes come one after the other. SQLite itself would give up after 10 s each.
        let limit = 3 * Duration::from_secs(5) + PATIENCE / 4;
        assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
    }
    drop(lock);
    let begun = Instant::now();
    while upgrade_status(&server, &token).await != 101 {
        assert!(begun.elapsed() < 2 * PATIENCE, "nobody is let in again");
    }
    assert!(join(&mut socket).await.contains("voiceJoinResponse"));
    assert_eq!(server.channels_status(&token).await, 200);
    server.signal(Signal::TERM);
    let (status, log) = server.ended();
    assert!(status.success(), "{status}: {log}");
    let loud = |line: &&str| line.contains("ERROR") || line.contains("WARN");
    // A slow machine may take more than a minute for this.
    let loud: Vec<_> = log.lines().filter(loud).collect();
    let said = |line: &&str| line.contains("the database failed a request");
    assert!(loud.len() <= 3 && loud.iter().all(said), "{loud:?}");
}

/// How many descriptors the server has left when it is short of them.
const LEFT: u64 = 20;

async fn is_healthy(server: &Server) -> bool {
    // A new connection each time.
    let answer = reqwest::Client::new().get(server.url("/healthz")).send();
    answer.await.is_ok_and(|answer| answer.status() == 200)
}

async fn becomes_healthy(server: &Server) {
    let begun = Instant::now();
    while !is_healthy(server).await {
        assert!(begun.elapsed() < 2 * PATIENCE, "it never accepts again");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the server has room for a WebSocket.
async fn becomes_reachable(server: &Server, token: &str) {
    let begun = Instant::now();
    let url = format!("ws://{}/ws?access_token={token}", server.address);
    while connect_async(&url).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "no WebSocket is taken again");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn without_room_for_websockets_plain_requests_are_answered() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    drop(server.connect(&token).await);
    server.limit(Resource::Nofile, Some(server.open_files() + LEFT));
    let url = format!("ws://{}/ws?access_token={token}", server.address);
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..45 {
        match connect_async(&url).await {
            Ok((socket, _)) => open.push(socket),
            Err(Error::Http(answer)) => {
                assert_eq!(answer.status(), 503);
                assert!(answer.headers().contains_key("retry-after"));
                refused += 1;
            }
            // Those refused before may not be closed yet.
            Err(_) => {}
        }
    }
    assert!(!open.is_empty() && refused > 10, "{} {refused}", open.len());
    for _ in 0..20 {
        becomes_healthy(&server).await;
    }
    drop(open);
    becomes_reachable(&server, &token).await;
    assert_eq!(lines_with(server, "new WebSockets are refused"), 1);
}

#[tokio::test]
async fn silent_connections_use_up_the_descriptors_only_for_a_while() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    server.limit(Resource::Nofile, Some(server.open_files() + LEFT));
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(&server.address).await.unwrap());
    }
    becomes_healthy(&server).await;
    becomes_reachable(&server, &token).await;
    drop(silent);
    let lines = lines_with(server, "");
    assert!(lines < 20, "{lines} lines are a flood");
}
