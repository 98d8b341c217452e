//! Flags, environment, subcommands, and the files of the data folder.

use std::{path::Path, process::Output};

use crate::process::{Server, command};

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
fn the_first_start_makes_all_files_and_says_two_lines() {
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

#[test]
fn mistakes_in_the_configuration_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("wrong.toml");
    for (text, expected) in [
        ("[turn]\nenabeld = true", "enabeld"),
        ("[turn]\ncredential_ttl_secs = 0", "ttl"),
        ("[limits]\nburst = 0", "burst"),
    ] {
        std::fs::write(&config, text).unwrap();
        let output = output(
            &dir.path().join("data"),
            &[
                "--bind",
                "127.0.0.1:0",
                "--config",
                config.to_str().unwrap(),
            ],
        );
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            errors.contains(expected) && errors.contains("wrong.toml"),
            "{errors}"
        );
        assert!(output.stdout.is_empty(), "it never listened");
    }
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
