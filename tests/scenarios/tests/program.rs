//! Flags, files and subcommands of the example servers: section 4.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use united_voice_scenarios::{Client, Codec, Server, ServerKind, User};

scenarios! {
    each codec:;
    once:
        first_boot_writes_template_and_secrets,
        template_is_a_valid_configuration,
        server_runs_without_arguments,
        config_file_can_be_chosen,
        unknown_keys_are_refused_by_name,
        credential_lifetime_is_checked,
        token_subcommand_creates_a_user,
        flags_work_before_and_after_a_subcommand,
        stdout_has_the_address,
}

async fn template(kind: ServerKind) -> String {
    let output = Server::builder(kind)
        .flag("print-config")
        .run_to_end()
        .await;
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("the template is text")
}

async fn first_boot_writes_template_and_secrets(kind: ServerKind) {
    let server = Server::start(kind).await;
    let file = |name: &str| server.data_dir().join(name);
    let written = fs::read_to_string(file("united.toml")).expect("the template is written");
    assert_eq!(written, template(kind).await);
    let mode = fs::metadata(file("secrets.toml"))
        .expect("secrets are generated")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(file("united.db").exists());

    let secrets = fs::read_to_string(file("secrets.toml")).expect("the secrets are text");
    let data_dir = server.data_dir().to_owned();
    let server = server.restart().await;
    assert_eq!(
        fs::read_to_string(data_dir.join("secrets.toml")).expect("the secrets are kept"),
        secrets
    );
    drop(server);
}

async fn template_is_a_valid_configuration(kind: ServerKind) {
    let template = template(kind).await;
    for section in ["[turn]", "[ice]", "[limits]", "[auth]"] {
        assert!(
            template
                .lines()
                .any(|line| line.trim_start_matches(['#', ' ']) == section),
            "{section}"
        );
    }
    for key in [
        "enabled",
        "host",
        "port",
        "shared_secret",
        "credential_ttl_secs",
    ] {
        assert!(template.contains(&format!("{key} = ")), "{key}");
    }
    assert!(
        template.lines().any(|line| line.starts_with('#')),
        "the template has comments"
    );
    let server = Server::with_config(kind, &template).await;
    server.user("Ann").await;
}

async fn server_runs_without_arguments(kind: ServerKind) {
    let builder = Server::builder(kind).environment("UNITED_BIND", "127.0.0.1:0");
    let home = builder.data_dir().to_owned();
    let server = builder.start_bare().await;
    for file in ["united.toml", "united.db", "secrets.toml"] {
        assert!(home.join("united-data").join(file).exists(), "{file}");
    }
    Client::new(&server, "Ann", Codec::Json)
        .await
        .join("general")
        .await;
}

async fn config_file_can_be_chosen(kind: ServerKind) {
    let elsewhere = Server::builder(kind);
    let file = elsewhere.data_dir().join("another.toml");
    fs::write(&file, "[ice]\nstun_urls = [\"stun:flag.example\"]\n")
        .expect("the directory is writable");
    let path = file.to_str().expect("a temporary path is UTF-8");
    for builder in [
        Server::builder(kind).flag("--config").flag(path),
        Server::builder(kind).environment("UNITED_CONFIG", path),
    ] {
        let server = builder.start().await;
        let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
        assert_eq!(
            ann.join("general").await.ice_servers[0].urls,
            ["stun:flag.example"]
        );
    }
}

/// Starts a server with this configuration, which must fail. Returns its error output.
async fn refusal(kind: ServerKind, config: &str) -> String {
    let builder = Server::builder(kind)
        .config(config)
        .environment("UNITED_BIND", "127.0.0.1:0");
    let data_dir = path_of(builder.data_dir());
    let output = builder.flag("--data-dir").flag(data_dir).run_to_end().await;
    assert!(!output.status.success(), "{config} is accepted");
    String::from_utf8(output.stderr).expect("errors are text")
}

fn path_of(path: &Path) -> String {
    path.to_str().expect("a temporary path is UTF-8").to_owned()
}

async fn unknown_keys_are_refused_by_name(kind: ServerKind) {
    for (config, key) in [
        ("[limits]\nmesages_per_second = 3\n", "mesages_per_second"),
        ("[turn]\nsecret = \"x\"\n", "secret"),
        ("[trun]\nenabled = true\n", "trun"),
        ("listen = \"127.0.0.1:80\"\n", "listen"),
        ("[auth]\njwt_secrte = \"x\"\n", "jwt_secrte"),
        ("[ice]\nstun = []\n", "stun"),
    ] {
        let said = refusal(kind, config).await;
        assert!(said.contains(key), "{config} gave {said}");
    }
}

async fn credential_lifetime_is_checked(kind: ServerKind) {
    let config = |ttl: u64| {
        format!(
            "[turn]\nenabled = true\nhost = \"turn.example\"\nport = 3478\nshared_secret = \"secret-of-the-tests\"\n\
             credential_ttl_secs = {ttl}\n"
        )
    };
    const THIRTY_DAYS: u64 = 30 * 24 * 3600;
    for ttl in [0, THIRTY_DAYS + 1] {
        let said = refusal(kind, &config(ttl)).await;
        assert!(
            !said.contains("secret-of-the-tests"),
            "a secret is in the error: {said}"
        );
    }
    for ttl in [1, THIRTY_DAYS] {
        Server::with_config(kind, &config(ttl)).await;
    }
}

async fn token_subcommand_creates_a_user(kind: ServerKind) {
    let server = Server::start(kind).await;
    let output = Server::builder(kind)
        .environment("UNITED_DATA_DIR", &path_of(server.data_dir()))
        .flag("token")
        .flag("--user")
        .flag("ann@example.org")
        .flag("--name")
        .flag("Ann Example")
        .run_to_end()
        .await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8(output.stdout).expect("a JWT is text");
    let token = printed
        .strip_suffix('\n')
        .expect("a newline after the token");
    assert!(
        !token.contains(char::is_whitespace),
        "only the token: {printed:?}"
    );

    let id = "ann@example.org".to_owned();
    let user = User {
        id,
        name: "Ann Example".to_owned(),
        pubkey: String::new(),
        token: token.to_owned(),
    };
    let mut ann = Client::connect(&server, &user, Codec::Protobuf).await;
    ann.join("general").await;
    assert_eq!(
        server.participants(&user, "general").await,
        [ann.as_participant()]
    );
}

async fn flags_work_before_and_after_a_subcommand(kind: ServerKind) {
    let server = Server::start(kind).await;
    let data_dir = path_of(server.data_dir());
    let before = ["--data-dir", &data_dir, "token", "--user", "before"];
    let after = ["token", "--user", "after", "--data-dir", &data_dir];
    for arguments in [before, after] {
        let mut builder = Server::builder(kind);
        for argument in arguments {
            builder = builder.flag(argument);
        }
        let output = builder.run_to_end().await;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let token = String::from_utf8(output.stdout)
            .expect("a JWT is text")
            .trim_end()
            .to_owned();
        let user = User {
            id: String::new(),
            name: String::new(),
            pubkey: String::new(),
            token,
        };
        assert_eq!(server.get("/api/channels", Some(&user)).await.0, 200);
    }
}

async fn stdout_has_the_address(kind: ServerKind) {
    let server = Server::start(kind).await;
    let address = server.address();
    assert_ne!(address.port(), 0);
    let log = server.log();
    assert!(
        log.lines()
            .any(|line| line == format!("listening on http://{address}")),
        "{log}"
    );
}
