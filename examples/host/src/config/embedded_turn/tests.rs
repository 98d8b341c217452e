use std::time::{Duration, SystemTime};

use united_voice_core::UserId;

use super::*;
use crate::{ConfigError, Relay, TEMPLATE};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Relay::Embedded)
}

fn urls(text: &str, relay: &str) -> Vec<String> {
    let relay = relay.parse().unwrap();
    let secrets = Secrets::default().completed().unwrap();
    let ice = parse(text).unwrap().embedded_ice(&secrets, relay).unwrap();
    let servers = ice.ice_servers(&UserId::new("ada").unwrap(), SystemTime::now());
    servers.into_iter().flat_map(|server| server.urls).collect()
}

#[test]
fn clients_are_told_of_it_and_of_no_other() {
    for text in [
        "",
        TEMPLATE,
        "[turn]\nenabled = true",
        "[turn]\nport = 0\ntls_port = 5349",
    ] {
        assert_eq!(
            urls(text, "127.0.0.1:40000"),
            [
                "stun:127.0.0.1:40000",
                "turn:127.0.0.1:40000?transport=udp",
                "turn:127.0.0.1:40000?transport=tcp",
            ],
            "{text}"
        );
    }
}

#[test]
fn the_host_is_as_configured() {
    for (host, relay, expected) in [
        ("", "[::1]:1", "[::1]:1"),
        ("192.0.2.7", "0.0.0.0:1", "192.0.2.7:1"),
        ("2001:DB8::7", "[::]:1", "[2001:db8::7]:1"),
        ("[2001:db8::7]", "[::]:1", "[2001:db8::7]:1"),
        ("voice.example", "192.0.2.7:1", "voice.example:1"),
    ] {
        let expected = [
            format!("stun:{expected}"),
            format!("turn:{expected}?transport=udp"),
            format!("turn:{expected}?transport=tcp"),
        ];
        let text = format!("[turn]\nhost = \"{host}\"");
        assert_eq!(urls(&text, relay), expected, "{host}");
    }
}

#[test]
fn stun_servers_of_ones_own_stay() {
    let own = "[ice]\nstun_urls = [\"stun:stun.example\"]";
    assert_eq!(urls(own, "127.0.0.1:1")[0], "stun:stun.example");
    let none = "[ice]\nstun_urls = []";
    assert!(urls(none, "127.0.0.1:1")[0].starts_with("turn:"));
    let outside = urls("", "127.0.0.1:1");
    assert!(!outside.contains(&IceConfig::DEFAULT_STUN_URL.to_owned()));
}

#[test]
fn it_accepts_what_clients_are_given() {
    let dir = tempfile::tempdir().unwrap();
    let generated = Secrets::load_or_create(&dir.path().join("secrets.toml")).unwrap();
    for text in ["", "[turn]\nshared_secret = \"mine\""] {
        let config = parse(text).unwrap();
        let (_, secret) = config.embedded_turn(&generated, "127.0.0.1".parse().unwrap());
        let relay = "127.0.0.1:1".parse().unwrap();
        let ice = config.embedded_ice(&generated, relay).unwrap();
        let now = SystemTime::now();
        let servers = ice.ice_servers(&UserId::new("ada").unwrap(), now);
        let told = servers.last().unwrap();
        let expected = secret.mint("ada", Duration::from_secs(24 * 60 * 60), now);
        assert_eq!(
            (&told.username, &told.credential),
            (&expected.username, &expected.credential)
        );
    }
}

#[test]
fn it_runs_beside_the_server() {
    let secrets = Secrets::default();
    let start = |text: &str, server: &str| {
        let config = parse(text).unwrap();
        config.embedded_turn(&secrets, server.parse().unwrap()).0
    };
    let config = start("", "127.0.0.1");
    assert_eq!(config.listen, "127.0.0.1:3478".parse().unwrap());
    assert_eq!(config.relay_ip, None);
    let config = start("[turn]\nhost = \"[2001:db8::7]\"\nport = 0", "::");
    assert_eq!(config.listen, "[::]:0".parse().unwrap());
    assert_eq!(config.relay_ip, Some("2001:db8::7".parse().unwrap()));
    assert_eq!(
        start("[turn]\nhost = \"voice.example\"", "::").relay_ip,
        None
    );
}

#[test]
fn mistakes_are_refused() {
    for (text, expected) in [
        (
            "[turn]\nhost = \"two words\"",
            "[turn] host = \"two words\": must be a host name or an IP address, in quotes, and this one \
             has a host that is neither a name nor an IP address",
        ),
        (
            "[turn]\nhost = \"[192.0.2.7\"",
            "[turn] host = \"[192.0.2.7\": must be a host name or an IP address, in quotes, and this one \
             has no IPv6 address in its brackets",
        ),
        (
            "[turn]\nport = 65536",
            "[turn] port = 65536: must be 0 to 65535",
        ),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert_eq!(error, expected, "{text:?}");
    }
}
