use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::parse_from("server", line.split(' ').map(Into::into))
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn without_arguments_it_serves_this_machine() {
    let cli = parse("server").unwrap();
    let expected = Options {
        bind: vec!["127.0.0.1:8080".parse().unwrap()],
        data_dir: "united-data".into(),
        data_dir_is_named: false,
        config: None,
        database_url: None,
        cluster: None,
        node_name: None,
        secrets: Secrets::default(),
        dev_login: DevLoginChoice::Unsaid,
        relay: Relay::External,
    };
    assert_eq!((cli.options(), cli.command), (expected, None));
}

#[test]
fn flags_stand_before_and_after_a_subcommand() {
    for line in [
        "server --bind [::1]:0 --data-dir d --config c --no-dev-login --embedded-turn --database-url postgres://u:p@h/d --cluster redis://h --node-name n token --user u --name N",
        "server token --bind [::1]:0 --embedded-turn --user u --data-dir d --name N --config c --database-url postgres://u:p@h/d --cluster redis://h --node-name n --no-dev-login",
    ] {
        let cli = parse(line).unwrap();
        let expected = Options {
            bind: vec!["[::1]:0".parse().unwrap()],
            data_dir: "d".into(),
            data_dir_is_named: true,
            config: Some("c".into()),
            database_url: Some("postgres://u:p@h/d".parse().unwrap()),
            cluster: Some("redis://h".parse().unwrap()),
            node_name: Some("n".parse().unwrap()),
            secrets: Secrets::default(),
            dev_login: DevLoginChoice::Refuse,
            relay: Relay::Embedded,
        };
        assert_eq!(cli.options(), expected, "{line}");
        let user = UserId::new("u").unwrap();
        assert_eq!(
            cli.command,
            Some(Command::Token {
                user,
                name: Some("N".to_owned())
            }),
            "{line}"
        );
    }
}

#[test]
fn of_two_flags_about_sign_in_the_safer_one_wins() {
    let choice = |line| parse(line).unwrap().options().dev_login;
    assert_eq!(choice("server --dev-login"), DevLoginChoice::Allow);
    assert_eq!(
        choice("server --dev-login --no-dev-login"),
        DevLoginChoice::Refuse
    );
    assert_eq!(
        choice("server --no-dev-login --dev-login"),
        DevLoginChoice::Refuse
    );
    assert_eq!(
        choice("server print-config --dev-login"),
        DevLoginChoice::Allow
    );
}

#[test]
fn an_address_may_be_a_name() {
    let bind = parse("server --bind localhost:8081")
        .unwrap()
        .options()
        .bind;
    let expected: Vec<_> = "localhost:8081".to_socket_addrs().unwrap().collect();
    assert!(
        expected.iter().all(|address| bind.contains(address)),
        "{bind:?}"
    );
    assert!(
        bind.iter()
            .all(|bind| bind.ip().is_loopback() && bind.port() == 8081)
    );
}

#[test]
fn a_wrong_value_is_named_once_with_its_flag() {
    const ADDRESS: &str = "must be an IP address or a name, and a port, such as 127.0.0.1:8080";
    for (line, expected) in [
        (
            "server --bind nowhere",
            format!("--bind nowhere: {ADDRESS}"),
        ),
        (
            "server --bind=1.2.3.4:65536",
            format!("--bind 1.2.3.4:65536: {ADDRESS}"),
        ),
        ("server --bind ", format!("--bind: {ADDRESS}")),
        ("server --config ", "--config: must not be empty".to_owned()),
        (
            "server --node-name a:b",
            "--node-name a:b: must be 1 to 32 characters out of A-Z a-z 0-9 . _ -".to_owned(),
        ),
        (
            "server token --user ",
            "--user: an id must not be empty".to_owned(),
        ),
        (
            "server token --user u --name a\nb",
            "--name a…: a name has no control characters, and this one has U+000A".to_owned(),
        ),
        (
            "server token --user u --name=\u{200b}",
            "--name \u{200b}: a name has at least one visible character".to_owned(),
        ),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.to_string(), format!("error: {expected}\n"), "{line}");
        assert_eq!(error.exit_code(), 2);
    }
    let error = parse("server --bind no..name:1").unwrap_err().to_string();
    assert!(
        error.starts_with("error: --bind no..name:1: must be an IP address"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_wrong_url_is_not_shown() {
    for (line, expected) in [
        (
            "server --database-url mysql://u:hunter2@h/d",
            "error: --database-url: must be a URL such as postgres://user:password@",
        ),
        (
            "server --database-url=hunter2",
            "error: --database-url: must be a URL such as postgres://user:password@",
        ),
        (
            "server --database-url postgres://u@h/d?pw=hunter2",
            "error: --database-url: must be a URL such as postgres://user:password@",
        ),
        (
            "server --cluster redis://u:hunter2@h/d",
            "error: --cluster: must be a URL such as redis://user:password@",
        ),
    ] {
        let error = parse(line).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{shown}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
        assert_eq!(error.exit_code(), 2);
    }
    let line = "server --database-url postgres://u:hunter2@h/d --cluster redis://u:hunter2@h";
    let cli = parse(line).unwrap();
    assert!(!format!("{cli:?} {:?}", cli.options()).contains("hunter2"));
}

#[test]
fn mistakes_are_refused() {
    for line in ["server token", "server --colour", "server --bind"] {
        assert!(parse(line).is_err(), "{line}");
    }
    let long = format!("server token --user {}", "u".repeat(129));
    assert!(parse(&long).is_err());
}

#[test]
fn switches_in_the_environment() {
    assert_eq!(
        ["1", "TRUE", "yes", "0", "off"].map(|text| boolish(text).unwrap()),
        [true, true, true, false, false]
    );
    assert!(boolish("disabled").is_err());
}
