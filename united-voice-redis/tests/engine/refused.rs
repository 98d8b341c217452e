//! Which process does not become a node, and how it says why.

use std::{error::Error, time::Duration};

use redis::InfoDict;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use united_voice_redis::{NodeConfig, NodeTask, RedisNode};
use united_voice_redis_server::{Engine, free_port, fresh_prefix};

use crate::{
    log::Log,
    town::{tell, until},
};

/// Longer than any test that does not wait for its end.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(url: String) -> NodeConfig {
    let mut config = NodeConfig::new(url);
    config.prefix = fresh_prefix();
    config.secret = b"hush-jwt".to_vec();
    config.rotated_secret = b"hush-turn".to_vec();
    config
}

async fn connect(config: &NodeConfig) -> (RedisNode, NodeTask) {
    let connected = RedisNode::connect(config.clone(), PATIENCE).await;
    connected.expect("connected")
}

/// What a server prints before it exits: the error and its sources in one line.
async fn refused(config: &NodeConfig, patience: Duration) -> String {
    let connected = RedisNode::connect(config.clone(), patience).await;
    let error = connected.expect_err("it must not become a node");
    let mut line = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        line += &format!(": {cause}");
        source = cause.source();
    }
    assert!(!line.contains("hush") && !line.contains('\n'), "{line}");
    line
}

#[tokio::test]
async fn nobody_answers_within_the_patience() {
    let log = Log::new();
    let url = format!("redis://127.0.0.1:{}/", free_port());
    let line = refused(&config(url), Duration::from_secs(1)).await;
    let expected = "error: the engine cannot be reached: Connection refused";
    assert!(line.starts_with(expected), "{line}");
    let warnings = log.lines("this node tries again");
    let [warning] = &warnings[..] else {
        panic!("one warning, not one for each attempt: {warnings:?}");
    };
    assert!(warning.contains("Connection refused"), "{warning}");
}

#[tokio::test]
async fn an_engine_that_hangs_does_not_answer_within_the_patience() {
    // The system accepts the connection, and nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("redis://{}/", listener.local_addr().expect("bound"));
    let line = refused(&config(url), Duration::from_secs(1)).await;
    assert_eq!(line, "error: the engine does not answer");
}

#[tokio::test]
async fn the_password_is_wrong_or_missing() {
    let engine = Engine::start();
    tell(&engine, &["CONFIG", "SET", "requirepass", "right"]);
    for password in ["", ":hush-wrong@"] {
        let url = engine.url().replace("//", &format!("//{password}"));
        // Nobody waits for a better answer.
        let line = refused(&config(url), PATIENCE).await;
        let expected = "error: the engine refuses the user or the password of the URL: ";
        assert!(line.starts_with(expected), "{line}");
    }
}

#[tokio::test]
async fn the_user_may_not_do_what_a_node_does() {
    let engine = Engine::start();
    let rights = "ACL SETUSER ann on >hush ~* +@all -evalsha -script";
    let words: Vec<_> = rights.split(' ').collect();
    tell(&engine, &words);
    let url = engine.url().replace("//", "//ann:hush@");
    let line = refused(&config(url), PATIENCE).await;
    // Its password is right.
    let expected = "error: the engine does not allow the user of the URL what a node needs: ";
    assert!(
        line.starts_with(expected) && line.contains("script|load"),
        "{line}"
    );
}

#[tokio::test]
async fn the_engine_is_a_replica() {
    let engine = Engine::start();
    tell(&engine, &["REPLICAOF", "127.0.0.1", "1"]);
    // It may become the primary within the patience.
    let line = refused(&config(engine.url()), Duration::from_secs(1)).await;
    assert_eq!(
        line,
        "error: the engine is a replica; a node needs the primary"
    );
    tell(&engine, &["REPLICAOF", "NO", "ONE"]);
    let (_node, _task) = connect(&config(engine.url())).await;
}

/// Makes the engine refuse all writes, unless it needs no replica. It has none.
fn need(engine: &Engine, replicas: &str) {
    tell(
        engine,
        &["CONFIG", "SET", "min-replicas-to-write", replicas],
    );
}

#[tokio::test]
async fn the_engine_answers_and_takes_no_registration_within_the_patience() {
    let engine = Engine::start();
    need(&engine, "1");
    let line = refused(&config(engine.url()), Duration::from_secs(1)).await;
    let expected = "error: the engine did not register the node: ";
    assert!(line.starts_with(expected), "{line}");
    let writes_refused = || {
        let question = redis::cmd("INFO").arg("errorstats").to_owned();
        let stats: InfoDict = question.query(&mut engine.connection()).expect("an answer");
        stats.get::<String>("errorstat_NOREPLICAS")
    };
    let before = writes_refused();
    assert!(before.is_some(), "it has tried");
    let config = config(engine.url());
    let connecting = tokio::spawn(async move { connect(&config).await });
    until("it has tried", || writes_refused() != before).await;
    need(&engine, "0");
    let (_node, _task) = connecting.await.expect("connected");
}

#[tokio::test]
async fn the_user_may_not_run_a_script() {
    let engine = Engine::start();
    let rights = "ACL SETUSER ann on >hush ~* +@all -evalsha";
    let words: Vec<_> = rights.split(' ').collect();
    tell(&engine, &words);
    let url = engine.url().replace("//", "//ann:hush@");
    // Nobody waits for a better answer.
    let line = refused(&config(url), PATIENCE).await;
    assert!(line.contains("'evalsha'"), "{line}");
}

#[tokio::test]
async fn the_engine_would_throw_out_any_key() {
    let engine = Engine::start();
    tell(
        &engine,
        &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
    );
    let line = refused(&config(engine.url()), PATIENCE).await;
    let expected = "error: the engine has the maxmemory-policy allkeys-lru; it must be noeviction";
    assert_eq!(line, expected);
}

#[tokio::test]
async fn an_engine_that_throws_out_keys_with_an_end_is_an_error_in_the_log() {
    let log = Log::new();
    let engine = Engine::start();
    tell(
        &engine,
        &["CONFIG", "SET", "maxmemory-policy", "volatile-lru"],
    );
    // It makes two connections at least.
    let (_node, _task) = connect(&config(engine.url())).await;
    let lines = log.lines("maxmemory-policy");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ERROR") && lines[0].contains("volatile-lru"));
}

/// An engine that says that it is this old.
async fn old_engine(version: &'static str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("redis://{}/", listener.local_addr().expect("bound"));
    let info = format!("redis_version:{version}\r\nrun_id:abc\r\n");
    let info = format!("${}\r\n{info}\r\n", info.len());
    let answer = move |command: &str| match command {
        "INFO" => info.clone(),
        "ROLE" => "*1\r\n$6\r\nmaster\r\n".into(),
        _ => "+OK\r\n".into(),
    };
    let serving = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("accepted");
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = client.read(&mut bytes).await {
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            // The name of a command follows the number of its words.
            let lines: Vec<_> = text.split("\r\n").collect();
            let names = lines.windows(3).filter(|lines| lines[0].starts_with('*'));
            let answers: String = names.map(|lines| answer(lines[2])).collect();
            client.write_all(answers.as_bytes()).await.expect("sent");
        }
    });
    (url, serving)
}

#[tokio::test]
async fn the_engine_is_too_old() {
    let (url, _serving) = old_engine("6.2.14").await;
    let line = refused(&config(url), PATIENCE).await;
    assert_eq!(line, "error: the engine has version 6.2.14, older than 7.0");
}

#[tokio::test]
async fn the_cluster_has_another_secret_or_another_format() {
    let engine = Engine::shared();
    let config = config(engine.url());
    let _node = connect(&config).await;
    let mut other = config.clone();
    other.secret = b"hush-other".to_vec();
    let line = refused(&other, PATIENCE).await;
    assert_eq!(
        line,
        "error: the nodes of this engine and prefix have another secret"
    );
    let print = format!("{{{}}}:print", config.prefix);
    tell(engine, &["SET", &print, "\u{2}of a later version"]);
    let line = refused(&config, PATIENCE).await;
    let expected = "error: nodes of an incompatible version use this engine and prefix";
    assert_eq!(line, expected);
}

#[tokio::test]
async fn what_the_configuration_has_wrong_is_named() {
    let mut url = config("http://ann:hush@localhost".into());
    url.name = "n".into();
    let line = refused(&url, PATIENCE).await;
    let form = "redis://[user:password@]host[:port][/db] or rediss://";
    assert_eq!(line, format!("error: not a URL of the form {form}"));
    let mut lease = config("redis://localhost".into());
    lease.lease = Duration::from_secs(2);
    let line = refused(&lease, PATIENCE).await;
    assert_eq!(line, "error: a lease of 2s; it must be 3 s to 60 s");
    let mut name = config("redis://localhost".into());
    name.name = "n".repeat(33);
    let line = refused(&name, PATIENCE).await;
    assert_eq!(line, "error: a name of 33 bytes; it may have 32");
    let mut prefix = config("redis://localhost".into());
    prefix.prefix = "{a}".into();
    let line = refused(&prefix, PATIENCE).await;
    assert!(
        line.starts_with("error: the prefix \"{a}\" may have only"),
        "{line}"
    );
}

#[tokio::test]
async fn a_secret_may_be_replaced_node_by_node_and_a_node_that_differs_says_so_once() {
    let log = Log::new();
    let warnings = || log.lines("another rotated secret").len();
    let config = config(Engine::shared().url());
    let mut rotated = config.clone();
    rotated.rotated_secret = b"hush-new".to_vec();
    let first = connect(&config).await;
    let second = connect(&config).await;
    assert_eq!(warnings(), 0, "all have the same");
    // The first node is replaced by one with the new secret, and then the second one.
    let first_anew = connect(&rotated).await;
    assert_eq!(warnings(), 1);
    assert!(log.lines("hush").is_empty());
    for (node, _) in [first, second] {
        united_voice_core::cluster::Cluster::close(&node).await;
    }
    let second_anew = connect(&rotated).await;
    assert_eq!(warnings(), 1, "all have the same again");
    drop((first_anew, second_anew));
}
