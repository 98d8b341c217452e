//! Real servers with what `deploy/cluster/compose.yaml` gives its nodes: the engine with its own
//! user, PostgreSQL, and the secrets by the environment.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use united_voice_postgres::Database;
use united_voice_scenarios::{Server, ServerKind, eventually};
use united_voice_turn_tests::Program;

use crate::{
    agreement::{built, http, image_variable, listening_port},
    cluster::{NODES, Redis, compose},
    deployed::{HOST, SECRET, path},
};

const PASSWORD: &str = "a0b1c2";

/// A node, started as its container starts it. Only addresses and folders differ.
struct Node {
    // Declared before `home`, so that the process has ended when the directory is removed.
    process: Program,
    port: u16,
    home: TempDir,
}

/// The environment of a container of `compose.yaml`.
fn environment(name: &str, redis: &Redis, database: &Database) -> Vec<(String, String)> {
    let compose = compose();
    let given = compose["services"][name]["environment"].as_object();
    let mut environment = Vec::new();
    for (name, value) in given.expect("variables") {
        let value = value.as_str().expect("a text");
        let value = match name.as_str() {
            "TURN_HOST" => HOST.to_owned(),
            "TURN_SECRET" | "UNITED_JWT_SECRET" => SECRET.to_owned(),
            "UNITED_DATABASE_URL" => database.url(),
            "UNITED_CLUSTER" => value
                .replace("${REDIS_PASSWORD:?in settings.env}", PASSWORD)
                .replace("redis:6379", &format!("127.0.0.1:{}", redis.port)),
            _ => value.to_owned(),
        };
        environment.push((name.clone(), value));
    }
    environment
}

impl Node {
    fn start(environment: &[(String, String)]) -> Self {
        let home = TempDir::new().expect("a temporary directory can be made");
        let mut command = Command::new(path("start-server"));
        command
            .arg(built("axum-server"))
            .envs(environment.iter().cloned())
            .env("UNITED_NO_DEV_LOGIN", image_variable("UNITED_NO_DEV_LOGIN"))
            .env("UNITED_BIND", "127.0.0.1:0")
            .env("UNITED_DATA_DIR", home.path().join("data"))
            .env("UNITED_TEMPLATE", path("united.toml"))
            .env("RUNTIME_DIRECTORY", home.path());
        let process = Program::start("start-server", command, home.path());
        Self {
            process,
            port: 0,
            home,
        }
    }

    /// The command that the README names.
    fn token(&self, environment: &[(String, String)]) -> String {
        let output = Command::new(built("axum-server"))
            .envs(environment.iter().cloned())
            .env("UNITED_DATA_DIR", self.home.path().join("data"))
            .arg("--config")
            .arg(self.home.path().join("united.toml"))
            .args(["token", "--user", "ann"])
            .output()
            .expect("it starts");
        let token = String::from_utf8(output.stdout).expect("a token is ASCII");
        token.trim().to_owned()
    }
}

/// Names of files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.expect("readable").path())
        .collect()
}

#[tokio::test]
async fn the_nodes_of_the_containers_are_one_server() {
    // Starting a server builds its executable.
    drop(Server::start(ServerKind::Axum).await);
    let redis = Redis::start(&[("REDIS_PASSWORD", PASSWORD)]).await;
    let database = Database::new();
    let environments = NODES.map(|name| environment(name, &redis, &database));
    let mut nodes = environments.each_ref().map(|given| Node::start(given));
    for (node, name) in nodes.iter_mut().zip(NODES) {
        // The first one finds an empty engine, and waits for a lease.
        node.port = listening_port(&mut node.process).await;
        let ready = http(node.port, "GET /readyz").await;
        assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
        let health = http(node.port, "GET /healthz").await;
        assert!(health.ends_with("\r\n\r\nok\n"), "{health}");
        let log = node.process.log();
        assert!(log.contains(name), "{log}");
        for secret in [PASSWORD, SECRET] {
            assert!(!log.contains(secret), "{log}");
        }
        // A container has no volume for it.
        assert_eq!(files(&node.home.path().join("data")), Vec::<PathBuf>::new());
    }
    let token = nodes[0].token(&environments[0]);
    for node in &nodes {
        let channels = format!("GET /api/channels?access_token={token}");
        let answer = http(node.port, &channels).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    // Without the engine no node is ready, and each lives.
    drop(redis);
    for node in &nodes {
        eventually("the node to be cut off", async || {
            let ready = http(node.port, "GET /readyz").await;
            ready.starts_with("HTTP/1.1 503").then_some(())
        })
        .await;
        let health = http(node.port, "GET /healthz").await;
        assert!(health.starts_with("HTTP/1.1 200"), "{health}");
        assert!(health.ends_with("\r\n\r\ncut-off\n"), "{health}");
    }
}
