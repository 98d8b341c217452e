//! TURN credentials and ICE servers: coturn accepts them, and no secret or content appears in logs
//! or `Debug` output.
//!
//! The invariant: no payload, token, secret or address of a user is logged.

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::{
    log::Log,
    payloads::{join, relayed},
    peer::Peer,
    user,
};
use tracing::Level;
use united_voice_core::{
    IceConfig, SharedSecret, TurnConfig, TurnConfigError, generate_turn_credentials,
};

fn at(unix: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(unix)
}

/// Computed with `printf %s "$username" | openssl dgst -sha1 -hmac "$secret" -binary | base64`.
#[test]
fn credentials_equal_those_of_openssl() {
    let long = "a much longer secret that is over the block size of SHA-1, which is sixty-four bytes, so it is \
                hashed first";
    // secret, user, ttl, now, username, credential
    let vectors = [
        (
            "north",
            "alice",
            3_600,
            1_700_000_000,
            "1700003600:alice",
            "wjwSXO2ch1B6VaLTLMy2Avn5O9o=",
        ),
        (
            long,
            "bob the builder",
            0,
            1_800_000_000,
            "1800000000:bob%20the%20builder",
            "+DyzpIQAK8nZGexnBGgfRaM/OhE=",
        ),
        (
            "s",
            "@a:host.example",
            3_600,
            0,
            "3600:@a:host.example",
            "WazHLjuWokPIi2JXLZ8cznQZo8s=",
        ),
    ];
    for (secret, user, ttl, now, username, credential) in vectors {
        let minted = SharedSecret::new(secret).mint(user, Duration::from_secs(ttl), at(now));
        assert_eq!(minted.username, username);
        assert_eq!(minted.credential, credential);
        assert_eq!(minted.credential.len(), 28, "base64 of 20 bytes, padded");
    }
}

#[test]
fn the_expiry_is_in_whole_seconds() {
    let secret = SharedSecret::new("s");
    let expiry = |ttl, now| secret.mint("u", ttl, now).username;
    let now = at(100) + Duration::from_millis(999);
    assert_eq!(expiry(Duration::from_secs(10), now), "110:u");
    assert_eq!(
        expiry(Duration::from_secs(10), UNIX_EPOCH - Duration::from_secs(5)),
        "10:u"
    );
    assert_eq!(expiry(Duration::MAX, now), format!("{}:u", u64::MAX));
}

#[test]
fn the_default_clock_is_the_system_clock() {
    let seconds = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs()
    };
    let before = seconds();
    let minted = generate_turn_credentials("alice", "north", 3_600);
    let (expiry, name) = minted.username.split_once(':').expect("a colon");
    let expiry: u64 = expiry.parse().expect("a number");
    assert!((before + 3_600..=seconds() + 3_600).contains(&expiry));
    assert_eq!(name, "alice");
    let again = SharedSecret::new("north").mint("alice", Duration::ZERO, at(expiry));
    assert_eq!(again, minted);
}

#[test]
fn user_ids_are_encoded_for_coturn() {
    let plain = "AZaz09._~@:-";
    let table = [
        (plain, plain),
        ("a b\tc", "a%20b%09c"),
        ("\"'\\\r\n", "%22%27%5C%0D%0A"),
        ("union select", "union%20select"),
        ("50%", "50%25"),
        ("a%20b", "a%2520b"),
        ("\u{e9}\u{1f3a7}", "%C3%A9%F0%9F%8E%A7"),
        ("a/b?c=d&e+f#g", "a%2Fb%3Fc%3Dd%26e%2Bf%23g"),
    ];
    let secret = SharedSecret::new("s");
    for (user, expected) in table {
        let username = secret.mint(user, Duration::ZERO, at(1)).username;
        assert_eq!(username, format!("1:{expected}"));
    }
    // coturn truncates at 512 bytes. The longest id of characters that are all escaped stays below
    // that.
    let longest = secret.mint(
        &"\"".repeat(128),
        Duration::from_secs(1),
        at(u64::from(u32::MAX)),
    );
    assert!(longest.username.len() < 509);
}

#[test]
fn a_ttl_has_bounds() {
    let ttl = |seconds| TurnConfig::new("turn.example", 3478, "s", seconds).err();
    assert_eq!(ttl(0), Some(TurnConfigError::Ttl));
    assert_eq!(ttl(1), None);
    assert_eq!(ttl(TurnConfig::MAX_CREDENTIAL_TTL_SECS), None);
    assert_eq!(TurnConfig::MAX_CREDENTIAL_TTL_SECS, 2_592_000);
    assert_eq!(
        ttl(TurnConfig::MAX_CREDENTIAL_TTL_SECS + 1),
        Some(TurnConfigError::Ttl)
    );
    assert_eq!(ttl(u64::MAX), Some(TurnConfigError::Ttl));
}

#[test]
fn hosts_are_valid_in_urls_or_refused() {
    let accepted = [
        ("turn.example", "turn.example"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("::1", "[::1]"),
        ("::ffff:192.0.2.1", "[::ffff:192.0.2.1]"),
    ];
    for (host, expected) in accepted {
        let turn = TurnConfig::new(host, 3478, "s", 60).expect("accepted");
        let turn = turn.with_tls_port(5349).expect("accepted");
        let servers = IceConfig::default()
            .with_turn(turn)
            .ice_servers(&user("alice"), at(0));
        let expected = [
            format!("turn:{expected}:3478?transport=udp"),
            format!("turn:{expected}:3478?transport=tcp"),
            format!("turns:{expected}:5349?transport=tcp"),
        ];
        assert_eq!(servers[1].urls, expected);
    }
    let long = "x".repeat(254);
    let refused = [
        "",
        " ",
        "turn.example ",
        "turn:turn.example",
        "turn.example:3478",
        "turn.example/x",
        "a?b",
        "a@b",
        "[turn.example]",
        "[::1",
        "::1]",
        "2001:db8::1%eth0",
        "h\u{f6}st",
        "a\nb",
        &long,
    ];
    for host in refused {
        let error = TurnConfig::new(host, 3478, "s", 60).err();
        match error {
            Some(TurnConfigError::Host { host: named, .. }) => assert_eq!(named, host),
            other => panic!("{host:?}: {other:?}"),
        }
    }
}

#[test]
fn ports_and_secrets_are_required() {
    let new = |port, secret: &str| TurnConfig::new("turn.example", port, secret, 60);
    assert_eq!(new(0, "s").err(), Some(TurnConfigError::Port));
    assert_eq!(new(3478, "").err(), Some(TurnConfigError::EmptySecret));
    let turn = new(3478, "s").expect("valid");
    assert_eq!(turn.credential_ttl(), Duration::from_secs(60));
    assert_eq!(turn.with_tls_port(0).err(), Some(TurnConfigError::Port));
}

#[test]
fn the_list_begins_with_stun() {
    let alice = user("alice");
    let plain = IceConfig::default().ice_servers(&alice, at(0));
    assert_eq!(plain.len(), 1);
    assert_eq!(plain[0].urls, ["stun:stun.l.google.com:19302"]);
    assert_eq!(plain[0].urls, [IceConfig::DEFAULT_STUN_URL]);
    assert_eq!((&*plain[0].username, &*plain[0].credential), ("", ""));
    let turn = TurnConfig::new("turn.example", 3478, "north", 3_600).expect("valid");
    let both = IceConfig::default()
        .with_turn(turn.clone())
        .ice_servers(&alice, at(1_700_000_000));
    assert_eq!(both.len(), 2);
    assert_eq!(both[0], plain[0]);
    assert_eq!(both[1].urls.len(), 2, "no turns: without a TLS port");
    assert_eq!(both[1].username, "1700003600:alice");
    assert_eq!(both[1].credential, "wjwSXO2ch1B6VaLTLMy2Avn5O9o=");
    let own = IceConfig::default()
        .with_stun_urls(vec!["stun:a".into(), "stun:b".into()])
        .expect("valid");
    assert_eq!(own.ice_servers(&alice, at(0))[0].urls, ["stun:a", "stun:b"]);
    let none = IceConfig::default()
        .with_stun_urls(Vec::new())
        .expect("valid")
        .with_turn(turn);
    assert_eq!(none.ice_servers(&alice, at(0)).len(), 1);
}

#[test]
fn stun_urls_that_clients_refuse_are_refused() {
    for url in ["stun:127.0.0.1:3478?transport=udp", "stun:", "turn:a", "a"] {
        let urls = vec!["stun:a".to_owned(), url.to_owned()];
        let error = IceConfig::default().with_stun_urls(urls).expect_err(url);
        assert_eq!(error.url(), url);
    }
}

#[test]
fn credentials_are_due_for_renewal_at_three_quarters_of_their_life() {
    assert_eq!(IceConfig::default().refresh_after(), None);
    let turn = TurnConfig::new("turn.example", 3478, "s", 3_600).expect("valid");
    let after = IceConfig::default().with_turn(turn).refresh_after();
    assert_eq!(after, Some(Duration::from_secs(2_700)));
}

const SECRET: &str = "north-secret";

#[test]
fn debug_output_shows_no_secret() {
    let turn = TurnConfig::new("turn.example", 3478, SECRET, 60).expect("valid");
    let ice = IceConfig::default().with_turn(turn.clone());
    let builder =
        united_voice_core::VoiceServer::builder(united_voice_core::OpenDirectory).ice(ice.clone());
    let minted = SharedSecret::new(SECRET).mint("alice", Duration::ZERO, at(0));
    let servers = ice.ice_servers(&user("alice"), SystemTime::now());
    let credential = servers[1].credential.clone();
    let builder_shown = format!("{builder:?}");
    let server = builder.build().expect("built");
    let shown = [
        format!("{:?}", SharedSecret::new(SECRET)),
        format!("{:#?}", SharedSecret::from(SECRET.to_owned())),
        format!("{turn:?}"),
        format!("{ice:#?}"),
        format!("{minted:?}"),
        format!("{servers:?}"),
        format!("{server:#?}"),
        builder_shown,
    ];
    for text in shown {
        for secret in [SECRET, &minted.credential, &credential, "north"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(!text.contains("key: Hmac"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_whole_call_has_no_secret_and_no_content() {
    let log = Log::from(Level::TRACE);
    let turn = TurnConfig::new("turn.example", 3478, SECRET, 60).expect("valid");
    let server = support::server::with_ice(IceConfig::default().with_turn(turn));
    let mut alice = Peer::joined(&server, "alice", "a").await;
    let mut bob = Peer::joined(&server, "bob", "a").await;
    alice.told().await;
    for target in ["bob", "nobody"] {
        for payload in relayed("a", target, "CONTENT-192.0.2.7") {
            alice.ask("1", payload);
        }
    }
    alice.ask("2", join("nowhere"));
    alice.frame(united_voice_core::Frame::Text(
        "{\"voiceSdpOffer\":{\"sdp\":\"CONTENT\"".into(),
    ));
    alice.fail(united_voice_core::TransportError::Protocol);
    assert_eq!(bob.lines().await.len(), 4, "three messages and a move");
    while alice.told().await != "end" {}
    bob.wire.hang_up();
    bob.disconnect().await;
    let logged = log.text();
    for expected in ["request refused", "connection ends", "transport failed"] {
        assert!(
            logged.contains(expected),
            "the log is not complete: {logged}"
        );
    }
    for private in [
        SECRET,
        "CONTENT",
        "192.0.2.7",
        "alice",
        "bob",
        "turn.example",
    ] {
        assert!(!logged.contains(private), "{private} is in {logged}");
    }
}
