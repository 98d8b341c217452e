use std::time::SystemTime;

use united_voice_core::{SharedSecret, UserId};

use super::{keys::Takes, *};

mod secrets;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Relay::External)
}

/// A configuration with this value for one key.
fn with(key: &Key, value: &str) -> String {
    format!("[{}]\n{} = {value}\n", key.section, key.name)
}

/// What is wrong with the value of a key, in one line.
fn mistake(key: &Key, value: &str) -> String {
    let error = parse(&with(key, value)).expect_err(value).to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn the_template_spells_out_the_defaults_and_every_range() {
    assert_eq!(parse(TEMPLATE).unwrap(), Config::default());
    for key in keys::ALL {
        let (_, rest) = TEMPLATE
            .split_once(&format!("[{}]\n", key.section))
            .unwrap();
        let section = rest.split("\n[").next().unwrap();
        let name = format!("{} = ", key.name);
        let is_key = |line: &&str| line.trim_start_matches("# ").starts_with(&name);
        assert_eq!(section.lines().filter(is_key).count(), 1, "{key}");
        if let Takes::Number(least, most) = key.takes {
            let range = format!("{least} to {most}");
            assert!(section.contains(&range), "{key}: {range}");
        }
    }
    let values: toml::Table = toml::from_str(TEMPLATE).unwrap();
    let keys = values
        .values()
        .map(|section| section.as_table().unwrap().len());
    assert_eq!(
        keys.sum::<usize>() + 1,
        keys::ALL.len(),
        "every key but tls_port, which has no default"
    );
    let with_tls = TEMPLATE.replace("# tls_port", "tls_port");
    assert_eq!(parse(&with_tls).unwrap().turn.tls_port, Some(5349));
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn a_value_of_the_wrong_type_is_shown_with_its_key_and_what_is_allowed() {
    let wrong = [
        "-5",
        "5.5",
        "\"5\"",
        "\"a b\"",
        "true",
        "1979-05-27",
        "[true]",
        "{ a = 1 }",
    ];
    for key in keys::ALL {
        let is_right = |value: &str| match key.takes {
            Takes::Switch => value == "true",
            Takes::Text | Takes::Secret => value.starts_with('"'),
            Takes::Number(..) | Takes::Host | Takes::StunUrls | Takes::Networks => false,
            Takes::Word(_) => value == "\"5\"",
            Takes::Url(_) => false,
        };
        for value in wrong.into_iter().filter(|value| !is_right(value)) {
            let error = mistake(key, value);
            let shown = match value {
                "{ a = 1 }" => "{…}",
                // A list of URLs shows the entry that is none.
                "[true]" if matches!(key.takes, Takes::StunUrls | Takes::Networks) => "true",
                "[true]" => "[…]",
                _ => value,
            };
            let expected = if key.takes.is_secret() {
                format!("{key}: {}", key.takes)
            } else {
                format!("{key} = {shown}: {}", key.takes)
            };
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn a_number_out_of_range_is_shown_with_its_key_and_its_range() {
    let mut numbers = 0;
    for key in keys::ALL {
        let Takes::Number(least, most) = key.takes else {
            continue;
        };
        numbers += 1;
        let below = i128::from(least) - 1;
        let above = i128::from(most) + 1;
        let huge = "99999999999999999999999999999999999999999";
        for value in [below, above, -1, i128::from(i64::MAX), i128::from(u64::MAX)] {
            let error = mistake(key, &value.to_string());
            assert_eq!(error, format!("{key} = {value}: must be {least} to {most}"));
        }
        for value in [huge, "0xffff_ffff_ffff", "-0", "1_000_000_000_000"] {
            let error = mistake(key, value);
            assert_eq!(error, format!("{key} = {value}: must be {least} to {most}"));
        }
        for value in [least, most] {
            parse(&with(key, &value.to_string())).unwrap();
        }
    }
    assert_eq!(numbers, 18);
}

#[test]
fn texts_and_lists_have_limits() {
    for key in [&keys::JWT_SECRET, &keys::SHARED_SECRET] {
        let longest = "x".repeat(keys::MAX_SECRET_BYTES);
        parse(&with(key, &format!("\"{longest}\""))).unwrap();
        let error = mistake(key, &format!("\"{longest}x\""));
        assert_eq!(error, format!("{key}: {}", key.takes));
    }
    for key in [&keys::AUDIENCE, &keys::ISSUER] {
        let longest = "x".repeat(keys::MAX_TEXT_BYTES);
        parse(&with(key, &format!("\"{longest}\""))).unwrap();
        let error = mistake(key, &format!("\"{longest}x\""));
        assert!(error.ends_with("must be a text in quotes of at most 512 bytes"));
    }
    let urls = |count| format!("[{}]", vec!["\"stun:example.org\""; count].join(", "));
    parse(&with(&keys::STUN_URLS, &urls(keys::MAX_STUN_URLS))).unwrap();
    let error = mistake(&keys::STUN_URLS, &urls(keys::MAX_STUN_URLS + 1));
    assert!(
        error.starts_with("[ice] stun_urls = […]: must be"),
        "{error}"
    );
    let error = mistake(&keys::HOST, &format!("\"{}\"", "h".repeat(254)));
    assert!(
        error.starts_with("[turn] host = \"hhh") && error.len() < 250,
        "{error}"
    );
}

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let key = &keys::TRUSTED_PROXIES;
    let trusts = |value: &str, address: &str| {
        let config = parse(&with(key, value)).unwrap();
        let proxies = &config.http_limits().trusted_proxies;
        proxies.contains(address.parse().unwrap())
    };
    assert!(trusts(r#"["192.0.2.1", "fd00::/8"]"#, "192.0.2.1"));
    assert!(trusts(r#"["192.0.2.1", "fd00::/8"]"#, "fd12::1"));
    assert!(!trusts(r#"["192.0.2.1", "fd00::/8"]"#, "127.0.0.1"));
    assert!(!trusts("[]", "127.0.0.1"), "an empty list trusts none");
    for entry in ["localhost", "10.0.0.0/33", "10.0.0", ""] {
        let error = mistake(key, &format!("[\"{entry}\"]"));
        let expected = format!("[server] trusted_proxies = \"{entry}\": must be a list of");
        assert!(error.starts_with(&expected), "{error}");
    }
    let list = |count| format!("[{}]", vec!["\"192.0.2.1\""; count].join(", "));
    parse(&with(key, &list(keys::MAX_NETWORKS))).unwrap();
    mistake(key, &list(keys::MAX_NETWORKS + 1));
}

/// The library's own tests have more of them.
#[test]
fn a_server_that_clients_would_refuse_is_shown_with_the_reason() {
    for (entry, reason) in [
        ("example.org", "does not begin with stun: or stuns:"),
        ("turn:example.org", "does not begin with stun: or stuns:"),
        ("stun:", "has no host"),
        (
            "stun:a?transport=udp",
            "has a query, which only turn: URLs have",
        ),
    ] {
        let error = mistake(&keys::STUN_URLS, &format!("[\"stun:good\", \"{entry}\"]"));
        let expected = format!(
            "[ice] stun_urls = \"{entry}\": must be a list of at most 100 URLs such as \
             \"stun:stun.example.org:3478\", and this one {reason}"
        );
        assert_eq!(error, expected);
    }
    for (host, reason) in [
        ("turn:relay.example", "has a scheme, which a host has not"),
        (
            "relay.example:3478",
            "has a port, which is given separately",
        ),
        ("[::1", "has no IPv6 address in its brackets"),
        (
            "two words",
            "has a host that is neither a name nor an IP address",
        ),
    ] {
        let error = mistake(&keys::HOST, &format!("\"{host}\""));
        let expected = format!(
            "[turn] host = \"{host}\": must be a host name or an IP address, in quotes, and this \
             one {reason}"
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn a_value_that_is_no_toml_is_shown_with_its_key() {
    for (key, value) in [
        (&keys::HOST, "relay.example.org"),
        (&keys::PORT, "abc"),
        (&keys::ENABLED, "yes"),
        (&keys::ENABLED, "True # a comment"),
        (&keys::CREDENTIAL_TTL_SECS, "30d"),
    ] {
        let word = value.split(' ').next().unwrap();
        let expected = format!("{key} = {word}: {}", key.takes);
        assert_eq!(mistake(key, value), expected);
    }
    for (text, expected) in [
        ("[turn", "line 1: "),
        ("[turn]\nhost = two words", "line 2: [turn] host: "),
        (
            "[turn]\nport = 1\nport = 2",
            "line 3: [turn] port: duplicate key",
        ),
        ("[turn]\nhost = \"a\nport = 1", "line 2: [turn] host: "),
        // A value that is not closed goes on to the end of the text.
        (
            "[turn]\nhost = '''a\n[limits]\nburst = 1\n",
            "line 2: [turn] host: ",
        ),
        (
            "[auth]\njwt_secret = \"\"\"\n",
            "[auth] jwt_secret: must be",
        ),
        (
            "[ice]\nstun_urls = [\"stun:a\",\n\"stun:b\"\n[turn]\nport = 1",
            "line 2: [ice] stun_urls: ",
        ),
        ("[turn]\nhost = { a =\n", "line 2: [turn] host: "),
        // This one is closed.
        (
            "[ice]\nstun_urls = [\"stun:a\", # first\n] # all\nstray\n",
            "line 4: ",
        ),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(
            error.starts_with(expected) && error.lines().count() == 1,
            "{error}"
        );
    }
}

#[test]
fn unknown_names_are_refused_with_those_that_there_are() {
    const SECTIONS: &str = "[server], [database], [cluster], [auth], [ice], [turn], [limits]";
    for key in keys::ALL {
        let text = format!("[{}]\n{}x = 1", key.section, key.name);
        let error = parse(&text).expect_err(&text).to_string();
        let expected = format!("{key}x: unknown key; known are ");
        assert!(
            error.starts_with(&expected) && error.contains(key.name),
            "{error}"
        );

        let text = format!("{} = 1", key.section);
        let error = parse(&text).expect_err(&text).to_string();
        let expected = format!("{0}: must be a section, written [{0}]", key.section);
        assert_eq!(error, expected);
    }
    for (text, expected) in [
        (
            "[trun]\nport = 1",
            format!("[trun]: unknown section; known are {SECTIONS}"),
        ),
        (
            "bind = \"hunter2\"",
            format!("bind: unknown key outside of the sections; known are {SECTIONS}"),
        ),
        (
            "[[turn]]\nport = 1",
            "turn: must be a section, written [turn]".to_owned(),
        ),
        (
            "[auth]\n\"a\\nb\" = \"hunter2\"",
            "[auth] a…: unknown key; known are jwt_secret, audience, issuer".to_owned(),
        ),
    ] {
        assert_eq!(parse(text).expect_err(text).to_string(), expected);
    }
}

#[test]
fn a_relay_that_is_enabled_needs_a_host() {
    let expected =
        "[turn] host: must be a host name or an IP address, in quotes, since enabled = true";
    for text in [
        "[turn]\nenabled = true",
        "[turn]\nenabled = true\nhost = \"\"",
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected);
        Config::parse(text, Relay::Embedded).unwrap();
    }
    parse("[turn]\nhost = \"\"").unwrap();
}

#[test]
fn a_file_is_named_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("united.toml");
    let load = || format!("{:#}", Config::load(&path, Relay::External).unwrap_err());
    assert!(load().starts_with(&format!("{}: cannot be read: ", path.display())));
    std::fs::write(&path, "[turn]\ncredential_ttl_secs = -5").unwrap();
    let expected = format!(
        "{}: [turn] credential_ttl_secs = -5: must be 1 to 2592000",
        path.display()
    );
    assert_eq!(load(), expected);
}

#[test]
fn an_enabled_relay_is_offered_with_the_generated_secret() {
    let generated = Secrets::default().completed().unwrap();
    let (user, now) = (UserId::new("ada").unwrap(), SystemTime::UNIX_EPOCH);
    let servers = |text| {
        parse(text)
            .unwrap()
            .ice(&generated)
            .unwrap()
            .ice_servers(&user, now)
    };
    assert_eq!(servers("").len(), 1);

    let relayed = servers(
        "[turn]\nenabled = true\nhost = \"relay.example\"\ntls_port = 443\ncredential_ttl_secs = 60",
    );
    let urls: Vec<_> = relayed.iter().flat_map(|server| &server.urls).collect();
    assert_eq!(
        urls,
        [
            IceConfig::DEFAULT_STUN_URL,
            "turn:relay.example:3478?transport=udp",
            "turn:relay.example:3478?transport=tcp",
            "turns:relay.example:443?transport=tcp",
        ]
    );
    let secret = SharedSecret::new(generated.turn_shared_secret().expose());
    let expected = secret.mint("ada", Duration::from_secs(60), now);
    let relay = relayed.last().unwrap();
    assert_eq!(
        (&relay.username, &relay.credential),
        (&expected.username, &expected.credential)
    );
}

#[test]
fn every_limit_reaches_the_library() {
    let text = "[limits]\nmessages_per_second = 1\nburst = 2\noutbound_queue = 3\noutbound_queue_bytes = 4\n\
        max_message_bytes = 5\nmax_sdp_bytes = 6\nmax_candidate_bytes = 7\nping_interval_secs = 8\nping_timeout_secs = 9";
    let mut expected = Limits::default();
    expected.messages_per_second = 1;
    expected.burst = 2;
    expected.outbound_queue = 3;
    expected.outbound_queue_bytes = 4;
    expected.max_message_bytes = 5;
    expected.max_sdp_bytes = 6;
    expected.max_candidate_bytes = 7;
    expected.ping_interval = Duration::from_secs(8);
    expected.ping_timeout = Duration::from_secs(9);
    assert_eq!(parse(text).unwrap().limits(), &expected);
}

#[test]
fn flags_win_over_the_file_and_what_they_leave_out_stays() {
    const FILE: &str = "[database]\nurl = \"postgres://h/file\"\n[cluster]\n\
                        url = \"redis://file\"\nnode_name = \"file\"\nlease_secs = 9\n";
    let with_flags = |line: &str| {
        let cli = crate::Cli::parse_from("server", line.split(' ').map(Into::into)).unwrap();
        parse(FILE).unwrap().with_options(&cli.options())
    };
    assert_eq!(with_flags("server"), parse(FILE).unwrap());
    let config = with_flags("server --cluster redis://flag --node-name flag");
    assert_eq!(config.database_url(), parse(FILE).unwrap().database_url());
    let expected = ClusterConfig {
        url: Some("redis://flag".parse().unwrap()),
        node_name: Some("flag".parse().unwrap()),
        lease_secs: 9,
        ..ClusterConfig::default()
    };
    assert_eq!(*config.cluster(), expected);
    let config = with_flags("server --database-url postgres://h/flag");
    let expected = "postgres://h/flag".parse().unwrap();
    assert_eq!(config.database_url(), Some(&expected));
}
