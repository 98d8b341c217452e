//! Flags, environment, subcommands, and the files of the data folder.

use std::{
    net::{TcpListener, ToSocketAddrs as _, UdpSocket},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::process::{PATIENCE, Server, command};

fn output(data_dir: &Path, arguments: &[&str]) -> Output {
    command(data_dir).args(arguments).output().unwrap()
}

fn token(data_dir: &Path, arguments: &[&str]) -> String {
    let output = output(data_dir, arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let token = text.strip_suffix('\n').unwrap();
    assert_eq!(
        token.split('.').count(),
        3,
        "nothing but the token: {text:?}"
    );
    token.to_owned()
}

#[test]
fn print_config_prints_the_template_and_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let output = output(&data, &["print-config"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.trim_end(), united_voice_host::TEMPLATE.trim_end());
    assert!(!data.exists());
}

#[test]
fn the_first_start_makes_all_files_and_prints_two_lines() {
    let mut server = Server::start();
    assert_eq!(
        server.line().unwrap(),
        format!("open http://{}/ in two tabs and talk", server.address)
    );
    let data = server.data_dir();
    assert_eq!(
        std::fs::read_to_string(data.join("united.toml")).unwrap(),
        united_voice_host::TEMPLATE
    );
    assert!(data.join("united.db").exists());
    #[cfg(unix)]
    for name in ["united.toml", "secrets.toml"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(data.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    server.signal(rustix::process::Signal::INT);
    assert!(server.ended().0.success());
    assert_eq!(server.line(), None, "nothing else is said");
}

#[tokio::test]
async fn tokens_work_before_and_while_the_server_runs() {
    let dir = tempfile::tempdir().unwrap();
    let early = token(
        &dir.path().join("data"),
        &["token", "--user", "ada", "--name", "Ada"],
    );
    let server = Server::start_in(dir, |_| {});
    assert_eq!(server.channels_status(&early).await, 200);
    let late = token(&server.data_dir(), &["token", "--user", "o'brien \"x\""]);
    assert_eq!(server.channels_status(&late).await, 200);
    assert_eq!(server.channels_status("a.b.c").await, 401);
}

#[tokio::test]
async fn secrets_outlive_a_restart_until_one_is_configured() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    let server = Server::start_in(server.stop(), |_| {});
    assert_eq!(server.channels_status(&token).await, 200);

    let dir = server.stop();
    let config = dir.path().join("other.toml");
    std::fs::write(
        &config,
        "[auth]\njwt_secret = \"0123456789abcdef0123456789abcdef\"\n",
    )
    .unwrap();
    let server = Server::start_in(dir, |command| {
        command.arg("--config").arg(config);
    });
    assert_eq!(server.channels_status(&token).await, 401);
    let token = server.sign_in("Ada").await;
    assert_eq!(server.channels_status(&token).await, 200);
}

/// The one line on standard error of a server that does not start.
fn refusal(mut command: Command, code: i32) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(output.stdout.is_empty(), "it never listened");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors.trim_end().to_owned()
}

#[test]
fn a_mistake_in_the_configuration_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("wrong.toml");
    for (text, expected) in [
        (
            "[turn]\ncredential_ttl_secs = -5",
            "[turn] credential_ttl_secs = -5: must be 1 to 2592000",
        ),
        (
            "[limits]\nburst = 0",
            "[limits] burst = 0: must be 1 to 1000000000",
        ),
        (
            "[auth]\njwt_secrte = \"x\"",
            "[auth] jwt_secrte: unknown key; known are jwt_secret, audience, issuer",
        ),
    ] {
        std::fs::write(&config, text).unwrap();
        let mut command = command(&dir.path().join("data"));
        command
            .args(["--bind", "127.0.0.1:0", "--config"])
            .arg(&config);
        let expected = format!("error: {}: {expected}", config.display());
        assert_eq!(refusal(command, 1), expected);
    }
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let dir = tempfile::tempdir().unwrap();
    let address = "must be an IP address or a name, and a port, such as 127.0.0.1:8080";
    let switch = "must be 1, true, yes, on, 0, false, no or off";
    for (variable, value, expected) in [
        (
            "UNITED_BIND",
            "nowhere",
            format!("UNITED_BIND=nowhere: {address}"),
        ),
        (
            "UNITED_DEV_LOGIN",
            "maybe",
            format!("UNITED_DEV_LOGIN=maybe: {switch}"),
        ),
        (
            "UNITED_NO_DEV_LOGIN",
            "maybe",
            format!("UNITED_NO_DEV_LOGIN=maybe: {switch}"),
        ),
        (
            "UNITED_EMBEDDED_TURN",
            "maybe",
            format!("UNITED_EMBEDDED_TURN=maybe: {switch}"),
        ),
    ] {
        let mut command = Command::new(crate::PROGRAM);
        command.current_dir(&dir).env_clear().env(variable, value);
        assert_eq!(refusal(command, 2), format!("error: {expected}"));
    }
    let mut command = command(dir.path());
    command
        .env("UNITED_BIND", "elsewhere")
        .args(["--bind", "nowhere"]);
    let expected = format!("error: --bind nowhere: {address}");
    assert_eq!(refusal(command, 2), expected, "the flag is what counts");
}

/// Compose sets variables without a value so.
#[test]
fn a_variable_that_is_empty_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [
        "UNITED_BIND",
        "UNITED_DATA_DIR",
        "UNITED_CONFIG",
        "UNITED_DEV_LOGIN",
        "UNITED_NO_DEV_LOGIN",
        "UNITED_EMBEDDED_TURN",
        "UNITED_DATABASE_URL",
        "UNITED_JWT_SECRET",
        "UNITED_TURN_SHARED_SECRET",
        "RUST_LOG",
    ];
    let run = |arguments: &[&str]| {
        let mut command = Command::new(crate::PROGRAM);
        command.current_dir(&dir).env_clear();
        command.envs(variables.map(|variable| (variable, "")));
        command.args(arguments).output().unwrap()
    };
    let printed = run(&["print-config"]);
    assert!(printed.status.success(), "{printed:?}");
    let made = run(&["token", "--user", "ada", "--data-dir", "named"]);
    assert!(made.status.success(), "{made:?}");
    assert!(dir.path().join("named/united.toml").exists());
    let log = String::from_utf8(made.stderr).unwrap();
    assert!(log.contains("the data folder named is new"), "{log}");
    // The default is no named folder.
    assert_eq!(run(&["token", "--user", "ada"]).status.code(), Some(1));
}

#[tokio::test]
async fn a_name_stands_for_all_its_addresses() {
    let server = Server::start_with(|command| {
        command.args(["--bind", "localhost:0"]);
    });
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    let addresses = format!("localhost:{port}").to_socket_addrs().unwrap();
    let here = addresses.filter(|address| TcpListener::bind((address.ip(), 0)).is_ok());
    let here: Vec<_> = here.collect();
    assert!(!here.is_empty());
    let mut said = vec![format!("listening on http://{}", server.address)];
    while let Some(line) = server.line()
        && line.starts_with("listening on ")
    {
        said.push(line);
    }
    for address in here {
        let answer = reqwest::get(format!("http://{address}/healthz")).await;
        assert_eq!(answer.unwrap().status(), 200, "{address}");
        assert!(said.contains(&format!("listening on http://{address}")));
    }
    assert_eq!(server.try_sign_in("Ada").await.status(), 200, "loopback");
}

/// Arguments, environment, and the status of signing in.
type Case = (
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
    u16,
);

#[tokio::test]
async fn signing_in_by_name_depends_on_address_flag_and_environment() {
    let cases: [Case; 7] = [
        (&[], &[], 200),
        (&["--no-dev-login"], &[], 404),
        (&[], &[("UNITED_NO_DEV_LOGIN", "1")], 404),
        (&["--dev-login"], &[("UNITED_NO_DEV_LOGIN", "1")], 200),
        (&["--bind", "0.0.0.0:0"], &[], 404),
        (&["--bind", "0.0.0.0:0", "--dev-login"], &[], 200),
        (
            &["--bind", "0.0.0.0:0"],
            &[("UNITED_DEV_LOGIN", "true")],
            200,
        ),
    ];
    for (arguments, environment, expected) in cases {
        let mut server = Server::start_with(|command| {
            command.args(arguments).envs(environment.iter().copied());
        });
        server.address = server.address.replace("0.0.0.0", "127.0.0.1");
        assert_eq!(
            server.try_sign_in("Ada").await.status(),
            expected,
            "{arguments:?} {environment:?}"
        );
    }
}

#[test]
fn an_address_in_use_is_an_error() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let output = output(dir.path(), &["--bind", &server.address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains(&server.address)
    );
}

/// A configuration with these lines in `[turn]`.
fn turn_config(dir: &Path, turn: &str) -> PathBuf {
    let path = dir.join("turn.toml");
    std::fs::write(&path, format!("[turn]\n{turn}\n")).unwrap();
    path
}

/// The URLs of all ICE servers in the response to a join.
async fn ice_urls(server: &Server) -> Vec<String> {
    let token = server.sign_in("Ada").await;
    let mut socket = server.connect(&token).await;
    let join = r#"{"requestId":"1","voiceJoinRequest":{"channelId":"general"}}"#;
    socket.send(Message::text(join)).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let servers = answer["voiceJoinResponse"]["iceServers"].as_array();
    servers
        .unwrap()
        .iter()
        .flat_map(|server| server["urls"].as_array().unwrap())
        .map(|url| url.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_embedded_relay_is_offered_and_answers_until_the_server_ends() {
    let dir = tempfile::tempdir().unwrap();
    let config = turn_config(dir.path(), "port = 0");
    for (flag, variable) in [(Some("--embedded-turn"), "0"), (None, "1")] {
        let server = Server::start_with(|command| {
            command.arg("--config").arg(&config).args(flag);
            command.env("UNITED_EMBEDDED_TURN", variable);
        });
        let urls = ice_urls(&server).await;
        let relay = urls[0].strip_prefix("stun:").unwrap();
        assert_eq!(
            urls[1..],
            [
                format!("turn:{relay}?transport=udp"),
                format!("turn:{relay}?transport=tcp"),
            ]
        );

        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut binding = [0; 20];
        binding[1] = 1;
        binding[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        socket.send_to(&binding, relay).unwrap();
        let mut answer = [0; 64];
        socket.recv(&mut answer).unwrap();
        assert_eq!(answer[..2], [1, 1], "a STUN success");

        server.stop();
        UdpSocket::bind(relay).unwrap();
    }
}

#[tokio::test]
async fn without_the_flag_no_relay_runs() {
    let server = Server::start();
    assert_eq!(
        ice_urls(&server).await,
        ["stun:stun.l.google.com:19302"],
        "the default of the template"
    );
}

#[test]
fn an_embedded_relay_that_cannot_start_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (bind, turn, expected) in [
        (
            "127.0.0.1:0",
            format!("port = {port}"),
            format!("127.0.0.1:{port} by "),
        ),
        (
            "0.0.0.0:0",
            "host = \"voice.example\"".into(),
            "[turn] host".into(),
        ),
        (
            "127.0.0.1:0",
            "host = \"192.0.2.7\"".into(),
            "192.0.2.7".into(),
        ),
        (
            "127.0.0.1:0",
            "host = \"two words\"".into(),
            "turn.toml".into(),
        ),
    ] {
        let config = turn_config(dir.path(), &turn);
        let config = config.to_str().unwrap();
        let arguments = ["--embedded-turn", "--bind", bind, "--config", config];
        let output = output(&dir.path().join("data"), &arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{turn}");
        assert!(errors.contains(&expected), "{errors}");
        assert!(output.stdout.is_empty(), "it never listened");
    }
}
