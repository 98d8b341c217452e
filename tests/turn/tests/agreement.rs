//! The files of `deploy/` agree about ports, paths and secrets.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use united_voice_scenarios::{Server, ServerKind, eventually};
use united_voice_turn_tests::Program;

use crate::deployed::{HOST, SECRET, path, read, settings, switch};

fn compose() -> Value {
    serde_saphyr::from_str(&read("compose.yaml")).expect("compose.yaml is YAML")
}

pub(crate) fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().expect("a list");
    list.iter()
        .map(|item| item.as_str().expect("a text"))
        .collect()
}

pub(crate) fn united() -> toml::Table {
    read("united.toml").parse().expect("united.toml is TOML")
}

/// The value of `ENV NAME=...` in the Dockerfile.
pub(crate) fn image_variable(name: &str) -> String {
    let file = read("Dockerfile");
    let assignment = format!("{name}=");
    let mut words = file.split_whitespace();
    let value = words.find_map(|word| word.strip_prefix(&assignment));
    value
        .unwrap_or_else(|| panic!("the Dockerfile sets no {name}"))
        .to_owned()
}

/// The command line of the systemd unit.
fn exec_start() -> Vec<String> {
    let unit = read("united-voice.service");
    let mut lines = unit.lines();
    let line = lines.find_map(|line| line.strip_prefix("ExecStart="));
    line.expect("the unit starts something")
        .split(' ')
        .map(str::to_owned)
        .collect()
}

#[test]
fn ports_agree() {
    let (conf, united) = (read("turnserver.conf"), united());
    let port = |key| settings(&conf, key).next().expect("a port").to_owned();
    assert_eq!(united["turn"]["port"].to_string(), port("listening-port"));
    let tls_port = port("tls-listening-port");
    assert_eq!(united["turn"]["tls_port"].to_string(), tls_port);
    let shared = read("nginx-443.conf");
    assert!(shared.contains(&format!("127.0.0.1:{tls_port};")));
    let behind_proxy = "127.0.0.1:8080";
    assert!(read("nginx.conf").contains(&format!("proxy_pass http://{behind_proxy};")));
    assert!(read("Caddyfile").contains(&format!("reverse_proxy {behind_proxy} {{\n")));
    assert!(
        exec_start()
            .join(" ")
            .contains(&format!("--bind {behind_proxy} "))
    );
    assert_eq!(image_variable("UNITED_BIND"), "0.0.0.0:8080");
    let compose = compose();
    let server = &compose["services"]["server"];
    assert_eq!(texts(&server["ports"]), ["127.0.0.1:8080:8080"]);
    assert!(read("Dockerfile").contains("http://127.0.0.1:8080/healthz"));
}

#[test]
fn server_and_relay_are_given_the_same_secret() {
    let compose = compose();
    let of = |service: &str| compose["services"][service]["environment"].clone();
    let (server, coturn) = (of("server"), of("coturn"));
    for name in ["TURN_HOST", "TURN_SECRET"] {
        assert_eq!(server[name], coturn[name], "{name}");
        let value = server[name].as_str().expect("a text");
        assert!(
            value.starts_with(&format!("${{{name}:?")),
            "{name} must be demanded: {value}"
        );
        assert!(read("settings.env.example").contains(&format!("\n{name}=")));
    }
    let from = "EnvironmentFile=/etc/united-voice/settings.env";
    assert!(read("united-voice.service").contains(from) && read("coturn.conf").contains(from));
}

#[test]
fn no_secret_is_in_a_file() {
    assert!(read("settings.env.example").contains("\nTURN_SECRET=\n"));
    let conf = read("turnserver.conf");
    assert_eq!(settings(&conf, "static-auth-secret").count(), 0);
    assert!(
        !united()["turn"]
            .as_table()
            .expect("a table")
            .contains_key("shared_secret")
    );
}

#[test]
fn paths_agree() {
    let (conf, compose) = (read("turnserver.conf"), compose());
    let volumes = |service: &str| compose["services"][service]["volumes"].clone();
    for key in ["cert", "pkey"] {
        let file = settings(&conf, key).next().expect("a path");
        assert!(file.starts_with("/etc/united-voice/tls/"), "{file}");
        assert!(read("nginx.conf").contains(&format!(" {file};")));
    }
    let mounts = volumes("coturn");
    assert_eq!(
        texts(&mounts),
        ["secrets:/var/lib/turn", "./tls:/etc/united-voice/tls:ro"]
    );
    assert!(read("start-coturn").contains(":-/var/lib/turn/turndb}"));
    assert!(read("start-coturn").contains(":-/etc/united-voice/turnserver.conf}"));
    assert!(read("start-server").contains(":-/etc/united-voice/united.toml}"));
    assert!(read("Dockerfile").contains("COPY deploy/turnserver.conf /etc/united-voice/\n"));
    assert!(read("Dockerfile").contains("COPY deploy/united.toml /etc/united-voice/\n"));
    let data = format!("data:{}", image_variable("UNITED_DATA_DIR"));
    assert_eq!(texts(&volumes("server")), [data]);
    let runtime = &compose["services"]["server"]["tmpfs"];
    // podman refuses other options of a tmpfs than its mode and size.
    let expected = format!("{}:mode=1777", image_variable("RUNTIME_DIRECTORY"));
    assert_eq!(texts(runtime), [expected]);
    let script = read("share-certificate");
    assert!(script.contains(":-/etc/united-voice/tls}"));
    for (unit, name) in [
        ("caddy-certificate@.path", "%i/%i.crt"),
        ("caddy-certificate@.service", "%i"),
    ] {
        let folder = "/var/lib/caddy/.local/share/caddy/certificates/acme-v02.api.letsencrypt.org-directory/";
        assert!(read(unit).contains(&format!("={folder}{name}\n")), "{unit}");
    }
}

#[test]
fn the_proxy_is_more_patient_than_the_server() {
    let (limits, nginx) = (&united()["limits"], read("nginx.conf"));
    let secs = |key: &str| limits[key].as_integer().expect("seconds");
    let silence = secs("ping_interval_secs") + secs("ping_timeout_secs");
    for key in ["proxy_read_timeout", "proxy_send_timeout"] {
        let mut lines = nginx.lines();
        let value = lines.find_map(|line| line.trim().strip_prefix(key)?.trim().strip_suffix("s;"));
        let timeout: i64 = value
            .expect("a time-out in seconds")
            .parse()
            .expect("a number");
        assert!(timeout > silence, "{key} {timeout} s against {silence} s");
    }
}

#[test]
fn the_relay_is_hardened() {
    let conf = read("turnserver.conf");
    for key in [
        "no-cli",
        "no-tcp-relay",
        "no-multicast-peers",
        "use-auth-secret",
        "no-tlsv1",
        "no-tlsv1_1",
    ] {
        assert!(switch(&conf, key), "{key}");
    }
    assert!(!switch(&conf, "allow-loopback-peers"));
}

#[tokio::test]
async fn the_unit_starts_a_server_without_passwordless_sign_in() {
    // Starting a server builds its executable.
    drop(Server::start(ServerKind::Axum).await);
    let home = TempDir::new().expect("a temporary directory can be made");
    let line = exec_start();
    assert_eq!(
        line[..2],
        ["/usr/local/bin/start-server", "/usr/local/bin/axum-server"]
    );
    let changed = line[2..].iter().map(|argument| match argument.as_str() {
        "127.0.0.1:8080" => "127.0.0.1:0".to_owned(),
        "/var/lib/united-voice" => home.path().join("data").display().to_string(),
        other => other.to_owned(),
    });
    let mut command = Command::new(path("start-server"));
    command.arg(built("axum-server")).args(changed);
    starts(command, home.path()).await;
}

#[tokio::test]
async fn the_image_starts_a_server_without_passwordless_sign_in() {
    drop(Server::start(ServerKind::Axum).await);
    let home = TempDir::new().expect("a temporary directory can be made");
    assert!(read("Dockerfile").contains("ENTRYPOINT [\"start-server\", \"axum-server\"]"));
    let mut command = Command::new(path("start-server"));
    command
        .arg(built("axum-server"))
        .env("UNITED_NO_DEV_LOGIN", image_variable("UNITED_NO_DEV_LOGIN"))
        .env(
            "UNITED_BIND",
            image_variable("UNITED_BIND").replace("8080", "0"),
        )
        .env("UNITED_DATA_DIR", home.path().join("data"));
    starts(command, home.path()).await;
}

async fn starts(mut command: Command, home: &Path) {
    command
        .env("RUNTIME_DIRECTORY", home)
        .env("UNITED_TEMPLATE", path("united.toml"))
        .env("TURN_HOST", HOST)
        .env("TURN_SECRET", SECRET);
    let mut server = Program::start("start-server", command, home);
    let port = listening_port(&mut server).await;
    assert!(http(port, "GET /healthz").await.starts_with("HTTP/1.1 200"));
    assert!(
        http(port, "POST /api/dev/login")
            .await
            .starts_with("HTTP/1.1 404")
    );
    // The command that the README names.
    let token = Command::new(built("axum-server"))
        .arg("--data-dir")
        .arg(home.join("data"))
        .arg("--config")
        .arg(home.join("united.toml"))
        .args(["token", "--user", "ann"])
        .output()
        .expect("it starts");
    let token = String::from_utf8(token.stdout).expect("a token is ASCII");
    let channels = format!("GET /api/channels?access_token={}", token.trim());
    assert!(http(port, &channels).await.starts_with("HTTP/1.1 200"));
    let config = fs::metadata(home.join("united.toml")).expect("start-server wrote it");
    assert_eq!(config.permissions().mode() & 0o777, 0o600);
    assert!(!server.log().contains(SECRET));
}

/// Waits until a server says where it listens.
pub(crate) async fn listening_port(server: &mut Program) -> u16 {
    eventually("the server to listen", async || {
        assert!(!server.has_ended(), "it ended instead:\n{}", server.log());
        let log = server.log();
        let (_, rest) = log.split_once("listening on http://")?;
        let (address, _) = rest.split_once('\n')?;
        address.rsplit_once(':')?.1.parse::<u16>().ok()
    })
    .await
}

/// An executable in the target directory of the running test.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows its path");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("a test lies in {profile}/deps");
    folder.join(name)
}

pub(crate) async fn http(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("it listens");
    let request = format!(
        "{request} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers");
    answer
}
