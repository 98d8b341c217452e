//! The files of `deploy/cluster/` agree with each other, and the engine starts with them.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, Permissions},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;
use united_voice_scenarios::eventually;
use united_voice_turn_tests::{Program, free_port, needs};

use crate::{
    agreement::{image_variable, texts, united},
    deployed::{path, read},
};

pub(crate) const NODES: [&str; 3] = ["node1", "node2", "node3"];

pub(crate) fn compose() -> Value {
    serde_saphyr::from_str(&read("cluster/compose.yaml")).expect("compose.yaml is YAML")
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let services = compose["services"].as_object().expect("services");
    services.iter()
}

/// The texts `${NAME…}` in a file, as the part between the braces.
fn variables(text: &str) -> Vec<&str> {
    let parts = text.split("${").skip(1);
    parts
        .map(|part| part.split_once('}').expect("a closing brace").0)
        .collect()
}

#[test]
fn the_nodes_differ_in_their_names_and_ports_alone() {
    let compose = compose();
    let mut same = BTreeSet::new();
    for (place, name) in NODES.into_iter().enumerate() {
        let mut node = compose["services"][name].clone();
        let fields = node.as_object_mut().expect("a service");
        let ports = fields.remove("ports").expect("a port for Prometheus");
        assert_eq!(texts(&ports), [format!("127.0.0.1:808{}:8080", place + 1)]);
        let environment = fields["environment"].as_object_mut().expect("variables");
        assert_eq!(environment.remove("UNITED_NODE_NAME"), Some(name.into()));
        // The entry of the image starts the server with these.
        for given in ["TURN_HOST", "TURN_SECRET", "UNITED_JWT_SECRET"] {
            assert!(environment.contains_key(given), "{given}");
        }
        same.insert(node.to_string());
    }
    assert_eq!(same.len(), 1, "{same:?}");
    assert_eq!(image_variable("UNITED_BIND"), "0.0.0.0:8080");
    let single: Value = serde_saphyr::from_str(&read("compose.yaml")).expect("YAML");
    for key in ["read_only", "tmpfs", "ulimits", "cap_drop", "security_opt"] {
        let (node, server) = (&compose["services"]["node1"], &single["services"]["server"]);
        assert_eq!(node[key], server[key], "{key}");
    }
}

#[test]
fn urls_name_the_services_and_the_users_that_they_have() {
    let compose = compose();
    let environment = |service: &str| compose["services"][service]["environment"].clone();
    let node = environment("node1");
    assert_eq!(
        node["UNITED_CLUSTER"],
        "redis://united:${REDIS_PASSWORD:?in settings.env}@redis:6379"
    );
    assert!(read("cluster/redis.conf").contains("\nuser united on "));
    let postgres = environment("postgres");
    let (user, database) = (&postgres["POSTGRES_USER"], &postgres["POSTGRES_DB"]);
    let (user, database) = (user.as_str(), database.as_str());
    assert_eq!(
        node["UNITED_DATABASE_URL"],
        format!(
            "postgres://{}:${{POSTGRES_PASSWORD:?in settings.env}}@postgres:5432/{}",
            user.expect("a user"),
            database.expect("a database")
        )
    );
    for (service, name) in [
        ("redis", "REDIS_PASSWORD"),
        ("postgres", "POSTGRES_PASSWORD"),
    ] {
        let value = format!("${{{name}:?in settings.env}}");
        assert_eq!(environment(service)[name], value);
    }
}

#[test]
fn each_secret_is_demanded_and_none_is_in_a_file() {
    let compose = read("cluster/compose.yaml");
    let example = read("cluster/settings.env.example");
    let mut used = BTreeSet::new();
    for variable in variables(&compose) {
        let name = variable.split(':').next().expect("a name");
        used.insert(name);
        let optional = name == "REDIS_OLD_PASSWORD";
        let expected = if optional { ":-" } else { ":?in settings.env" };
        assert_eq!(variable, format!("{name}{expected}"));
    }
    let lines = example.lines().filter(|line| !line.starts_with('#'));
    let settings: Vec<_> = lines
        .map(|line| line.split_once('=').expect("NAME=value"))
        .collect();
    assert_eq!(
        settings
            .iter()
            .map(|(name, _)| *name)
            .collect::<BTreeSet<_>>(),
        used
    );
    for (name, value) in settings {
        assert_eq!(
            value.is_empty(),
            !["SITE", "TURN_HOST"].contains(&name),
            "{name}"
        );
    }
    for ignored in ["../.gitignore", "Dockerfile.dockerignore"] {
        assert!(
            read(ignored).contains("deploy/cluster/settings.env\n"),
            "{ignored}"
        );
    }
}

#[test]
fn images_are_pinned() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let image = service["image"].as_str().expect("an image");
        if service.get("build").is_some() {
            continue;
        }
        let (_, tag) = image.split_once(':').expect("a tag");
        let version = tag.split('-').next().expect("a version");
        let parts: Vec<_> = version.split('.').collect();
        assert!(
            parts.len() >= 2 && parts.iter().all(|part| part.parse::<u32>().is_ok()),
            "{name}: {image}"
        );
    }
}

#[test]
fn the_proxy_leads_to_every_node_that_is_ready() {
    let compose = compose();
    let proxy = read("cluster/Caddyfile");
    let upstreams = NODES.map(|node| format!("{node}:8080")).join(" ");
    assert!(
        proxy.contains(&format!("\n\treverse_proxy {upstreams} {{\n")),
        "{proxy}"
    );
    for line in [
        "respond /metrics 404",
        "health_uri /readyz",
        "keepalive 60s",
    ] {
        assert!(proxy.contains(&format!("\t{line}\n")), "{line}");
    }
    let service = &compose["services"]["proxy"];
    let given = service["environment"].as_object().expect("variables");
    let names: BTreeSet<_> = given.keys().map(String::as_str).collect();
    let asked = proxy.split("{$").skip(1);
    let asked = asked.map(|part| part.split_once('}').expect("a closing brace").0);
    assert_eq!(asked.collect::<BTreeSet<_>>(), names);
    // It is trusted to name its clients.
    let subnet = &compose["networks"]["default"]["ipam"]["config"][0]["subnet"];
    let united = united();
    let trusted = united["server"]["trusted_proxies"]
        .as_array()
        .expect("a list");
    assert!(
        trusted
            .iter()
            .any(|network| network.as_str() == subnet.as_str()),
        "{subnet}"
    );
}

/// redis-server, started as `compose.yaml` starts it. Only the port and the folder differ.
pub(crate) struct Redis {
    // Declared before `home`, so that the process has ended when the directory is removed.
    process: Program,
    home: TempDir,
    pub(crate) port: u16,
}

impl Redis {
    pub(crate) async fn start(passwords: &[(&str, &str)]) -> Self {
        needs("redis-server", "redis-server");
        let home = TempDir::new().expect("a temporary directory can be made");
        let port = free_port(IpAddr::from([127, 0, 0, 1]));
        let mut command = Command::new(path("cluster/start-redis"));
        command
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .env("REDIS_CONFIG", path("cluster/redis.conf"))
            .envs(passwords.iter().copied());
        let process = Program::start("start-redis", command, home.path());
        let mut redis = Self {
            process,
            home,
            port,
        };
        let password = passwords[0].1;
        eventually("redis-server to be healthy", async || {
            assert!(!redis.process.has_ended(), "{}", redis.process.log());
            redis.is_healthy(password).then_some(())
        })
        .await;
        redis
    }

    /// The health check of `compose.yaml`.
    fn is_healthy(&self, password: &str) -> bool {
        let compose = compose();
        let check = texts(&compose["services"]["redis"]["healthcheck"]["test"])[1]
            .replace("$$", "$")
            .replace("redis-cli ", &format!("redis-cli -p {} ", self.port));
        let mut shell = Command::new("sh");
        shell.args(["-c", &check]).env("REDIS_PASSWORD", password);
        shell.output().expect("sh starts").status.success()
    }

    /// What the engine tells a node with a password.
    fn asked(&self, password: &str, words: &[&str]) -> String {
        let mut client = Command::new("redis-cli");
        client
            .args([
                "-p",
                &self.port.to_string(),
                "--user",
                "united",
                "--no-auth-warning",
            ])
            .args(words)
            .env("REDISCLI_AUTH", password);
        let Output { stdout, stderr, .. } = client.output().expect("redis-cli starts");
        String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
    }
}

#[tokio::test]
async fn the_engine_keeps_its_data_and_throws_out_nothing() {
    let redis = Redis::start(&[("REDIS_PASSWORD", "new")]).await;
    for (part, expected) in [
        ("memory", "maxmemory_policy:noeviction\r\n"),
        ("memory", "maxmemory:536870912\r\n"),
        ("persistence", "aof_enabled:1\r\n"),
    ] {
        let info = redis.asked("new", &["info", part]);
        assert!(info.contains(expected), "{info}");
    }
    assert!(redis.asked("new", &["role"]).starts_with("master\n"));
    assert!(redis.home.path().join("appendonlydir").is_dir());
    let refused = redis.asked("new", &["config", "get", "*"]);
    assert!(refused.starts_with("NOPERM"), "{refused}");
}

#[tokio::test]
async fn the_engine_takes_the_old_password_as_long_as_it_is_named() {
    let both = [("REDIS_PASSWORD", "new"), ("REDIS_OLD_PASSWORD", "old")];
    for (passwords, old) in [(&both[..], true), (&both[..1], false)] {
        let redis = Redis::start(passwords).await;
        assert!(redis.is_healthy("new"));
        assert_eq!(redis.is_healthy("old"), old);
        assert!(!redis.is_healthy("other"));
        let nobody = Command::new("redis-cli")
            .args(["-p", &redis.port.to_string(), "ping"])
            .output();
        let answer = String::from_utf8(nobody.expect("it starts").stdout).expect("ASCII");
        assert!(answer.starts_with("NOAUTH"), "{answer}");
    }
}

/// redis-server hides its arguments and its environment, but only after it has started. So a
/// program in its place says what it is given.
#[test]
fn the_engine_is_given_no_password() {
    let home = TempDir::new().expect("a temporary directory can be made");
    let stand_in = home.path().join("redis-server");
    fs::write(&stand_in, "#!/bin/sh\necho \"$@\"\nenv\ncat\n").expect("writable");
    fs::set_permissions(&stand_in, Permissions::from_mode(0o755)).expect("our own file");
    let folders = env::var("PATH").expect("there are programs");
    let passwords = [
        ("REDIS_PASSWORD", "correct horse"),
        ("REDIS_OLD_PASSWORD", "battery staple"),
    ];
    let output = Command::new(path("cluster/start-redis"))
        .env("PATH", format!("{}:{folders}", home.path().display()))
        .env("REDIS_CONFIG", path("cluster/redis.conf"))
        .envs(passwords)
        .output()
        .expect("it starts");
    let given = String::from_utf8(output.stdout).expect("text");
    assert!(given.contains("user united on #"), "{given}");
    for (_, password) in passwords {
        assert!(!given.contains(password), "{given}");
    }
}

#[test]
fn the_containers_find_their_files() {
    let compose = compose();
    let volumes = |service: &str| compose["services"][service]["volumes"].clone();
    let redis = volumes("redis");
    let mounts = texts(&redis);
    for mount in mounts.iter().filter(|mount| mount.starts_with("./")) {
        let (file, _) = mount.split_once(':').expect("two paths");
        assert!(path("cluster").join(file).is_file(), "{file}");
    }
    let entry = &compose["services"]["redis"]["entrypoint"];
    assert!(mounts.contains(&format!("./start-redis:{}:ro", texts(entry)[0]).as_str()));
    let script = read("cluster/start-redis");
    let (_, rest) = script.split_once("${REDIS_CONFIG:-").expect("a path");
    let (config, _) = rest.split_once('}').expect("a closing brace");
    assert!(mounts.contains(&format!("./redis.conf:{config}:ro").as_str()));
    assert!(mounts.contains(&"engine:/data"));
    let proxy = volumes("proxy");
    assert_eq!(
        texts(&proxy),
        ["./Caddyfile:/etc/caddy/Caddyfile:ro", "certificates:/data"]
    );
    let named = compose["volumes"].as_object().expect("volumes");
    let named: Vec<_> = named.keys().collect();
    assert_eq!(named, ["certificates", "database", "engine"]);
}
