//! TURN credentials: section 3. The HMAC is computed here, independently of the server's code.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use tokio::time::Instant;
use united_voice_scenarios::{
    Client, Codec, Server, ServerKind, expect_payload, request,
    voice::{IceServer, VoiceErrorCode, VoiceLeaveReason},
};

scenarios! {
    each codec:
        join_response_has_credentials,
        credentials_are_refreshed_without_a_request;
    once:
        without_turn_there_is_only_stun,
        stun_is_configurable,
        tls_port_adds_turns,
        ipv6_host_is_bracketed,
        hostile_ids_are_percent_encoded,
        request_returns_fresh_credentials,
        request_restarts_the_refresh_timer,
        no_refresh_after_leaving,
        generated_secret_is_kept,
}

const SECRET: &str = "a secret of the tests, längér than usual";

fn config(extra: &str, ttl: u64) -> String {
    format!(
        "[turn]\nenabled = true\nhost = \"turn.example\"\nport = 3478\nshared_secret = \"{SECRET}\"\n\
         credential_ttl_secs = {ttl}\n{extra}\n"
    )
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_secs()
}

fn credential(secret: &str, username: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(username.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// Checks the credentials of the ICE servers against the secret. Returns the expiry and the id in
/// the username.
fn checked<'a>(servers: &'a [IceServer], secret: &str) -> (u64, &'a str) {
    let with_credentials: Vec<_> = servers
        .iter()
        .filter(|server| !server.username.is_empty())
        .collect();
    assert!(!with_credentials.is_empty(), "TURN is among {servers:?}");
    for server in &with_credentials {
        assert_eq!(server.credential, credential(secret, &server.username));
        assert_eq!(server.username, with_credentials[0].username);
    }
    let (expiry, id) = with_credentials[0]
        .username
        .split_once(':')
        .expect("expiry:id");
    (expiry.parse().expect("the expiry is a number"), id)
}

fn urls(servers: &[IceServer]) -> Vec<&str> {
    servers
        .iter()
        .flat_map(|server| &server.urls)
        .map(String::as_str)
        .collect()
}

async fn join_response_has_credentials(kind: ServerKind, codec: Codec) {
    let server = Server::with_config(kind, &config("", 600)).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let before = unix_now();
    let servers = ann.join("general").await.ice_servers;
    let after = unix_now();

    assert_eq!(servers[0].urls, ["stun:stun.l.google.com:19302"]);
    assert_eq!(
        (servers[0].username.as_str(), servers[0].credential.as_str()),
        ("", "")
    );
    let turn = [
        "turn:turn.example:3478?transport=udp",
        "turn:turn.example:3478?transport=tcp",
    ];
    assert_eq!(urls(&servers)[1..], turn);
    let (expiry, id) = checked(&servers, SECRET);
    assert!(
        (before + 600..=after + 600).contains(&expiry),
        "{expiry} is 600 s from {before}"
    );
    assert_eq!(id, ann.user.id);
}

async fn without_turn_there_is_only_stun(kind: ServerKind) {
    let not_enabled = "[turn]\nenabled = false\nhost = \"turn.example\"\n";
    for config in ["", not_enabled] {
        let server = Server::with_config(kind, config).await;
        let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
        let servers = ann.join("general").await.ice_servers;
        assert_eq!(urls(&servers), ["stun:stun.l.google.com:19302"]);
        assert_eq!(ann.ice_servers("general").await.ice_servers, servers);
    }
}

async fn stun_is_configurable(kind: ServerKind) {
    let stun = "[ice]\nstun_urls = [\"stun:one.example:3478\", \"stun:two.example\"]\n";
    let server = Server::with_config(kind, &config(stun, 600)).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let servers = ann.join("general").await.ice_servers;
    assert_eq!(
        urls(&servers)[..2],
        ["stun:one.example:3478", "stun:two.example"]
    );
    assert_eq!(urls(&servers).len(), 4);
}

async fn tls_port_adds_turns(kind: ServerKind) {
    let server = Server::with_config(kind, &config("tls_port = 5349", 600)).await;
    let mut ann = Client::new(&server, "Ann", Codec::Json).await;
    let servers = ann.join("general").await.ice_servers;
    assert_eq!(
        urls(&servers)[3..],
        ["turns:turn.example:5349?transport=tcp"]
    );
    checked(&servers, SECRET);
}

async fn ipv6_host_is_bracketed(kind: ServerKind) {
    let config = config("tls_port = 5349", 600).replace("turn.example", "2001:db8::7");
    let server = Server::with_config(kind, &config).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let servers = ann.join("general").await.ice_servers;
    let expected = [
        "turn:[2001:db8::7]:3478?transport=udp",
        "turn:[2001:db8::7]:3478?transport=tcp",
        "turns:[2001:db8::7]:5349?transport=tcp",
    ];
    assert_eq!(urls(&servers)[1..], expected);
}

async fn hostile_ids_are_percent_encoded(kind: ServerKind) {
    let server = Server::with_config(kind, &config("", 600)).await;
    let plain = ["A-z.0_9~", "@ann:example.org", "user:with:colons"];
    let hostile = [
        "two words",
        "quote\"d",
        "it's",
        "back\\slash",
        "100%",
        "%41",
        "a/b",
        "né",
        "🎧",
        "union select",
        "a+b",
    ];
    for id in plain.into_iter().chain(hostile) {
        let mut client =
            Client::connect(&server, &server.user_with_id(id).await, Codec::Protobuf).await;
        let servers = client.join("general").await.ice_servers;
        let (_, in_username) = checked(&servers, SECRET);
        if plain.contains(&id) {
            assert_eq!(in_username, id);
        } else {
            assert_ne!(in_username, id);
            let harmless = |c: char| c.is_ascii_alphanumeric() || "._~@:-%".contains(c);
            assert!(in_username.chars().all(harmless), "{in_username:?}");
            let decoded = percent_encoding::percent_decode_str(in_username)
                .decode_utf8()
                .expect("UTF-8");
            assert_eq!(decoded, id);
        }
        client.close().await;
    }
}

async fn request_returns_fresh_credentials(kind: ServerKind) {
    let server = Server::with_config(kind, &config("", 600)).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    ann.refused_as(
        request::ice_servers("general"),
        VoiceErrorCode::NotInChannel,
        "general",
    )
    .await;
    let joined = ann.join("general").await;
    let asked = ann.ice_servers("general").await;
    assert_eq!(asked.channel_id, "general");
    assert_eq!(urls(&asked.ice_servers), urls(&joined.ice_servers));
    assert!(checked(&asked.ice_servers, SECRET).0 >= checked(&joined.ice_servers, SECRET).0);
    assert_eq!(checked(&asked.ice_servers, SECRET).1, ann.user.id);
}

/// Waits for credentials that the client did not ask for. Returns the time when they came and their
/// expiry.
async fn refresh(client: &mut Client) -> (Instant, u64) {
    let response = expect_payload!(client.event().await, VoiceIceServersResponse);
    assert_eq!(response.channel_id, "general");
    let (expiry, id) = checked(&response.ice_servers, SECRET);
    assert_eq!(id, client.user.id);
    (Instant::now(), expiry)
}

async fn credentials_are_refreshed_without_a_request(kind: ServerKind, codec: Codec) {
    let server = Server::with_config(kind, &config("", 4)).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let joined_at = Instant::now();
    let joined = ann.join("general").await;
    let first_expiry = checked(&joined.ice_servers, SECRET).0;
    let (first, second_expiry) = refresh(&mut ann).await;
    // Three quarters of four seconds, and never after the credentials expire.
    let waited = first - joined_at;
    assert!(
        (2.8..4.0).contains(&waited.as_secs_f64()),
        "refreshed after {waited:?}"
    );
    assert!(second_expiry > first_expiry);
    let (second, third_expiry) = refresh(&mut ann).await;
    let waited = second - first;
    assert!(
        (2.5..4.0).contains(&waited.as_secs_f64()),
        "refreshed again after {waited:?}"
    );
    assert!(third_expiry > second_expiry);
}

async fn request_restarts_the_refresh_timer(kind: ServerKind) {
    let server = Server::with_config(kind, &config("", 4)).await;
    let mut witness = Client::new(&server, "Witness", Codec::Protobuf).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    ann.join("general").await;
    assert_eq!(
        ann.incoming_within(Duration::from_millis(1500)).await,
        None,
        "it is too early for a refresh"
    );
    ann.ice_servers("general").await;
    let asked_at = Instant::now();
    witness.join("general").await;
    ann.joined_event("general").await;
    let (refreshed, _) = refresh(&mut ann).await;
    let waited = refreshed - asked_at;
    assert!(
        (2.8..4.0).contains(&waited.as_secs_f64()),
        "refreshed {waited:?} after asking"
    );
    refresh(&mut witness).await;
}

async fn no_refresh_after_leaving(kind: ServerKind) {
    let server = Server::with_config(kind, &config("", 4)).await;
    let mut witness = Client::new(&server, "Witness", Codec::Protobuf).await;
    let mut gone = Client::new(&server, "Gone", Codec::Protobuf).await;
    let mut moved = Client::new(&server, "Moved", Codec::Protobuf).await;
    gone.join("general").await;
    moved.join("general").await;
    gone.joined_event("general").await;
    gone.leave("general").await;
    moved.leave_event("general", VoiceLeaveReason::Left).await;
    moved.join("lounge").await;
    witness.join("general").await;
    // The witness joined last. When its credentials are refreshed, the time of the others has
    // passed.
    refresh(&mut witness).await;
    gone.expect_idle().await;
    let response = expect_payload!(moved.event().await, VoiceIceServersResponse);
    assert_eq!(
        response.channel_id, "lounge",
        "one refresh, for the present channel"
    );
    moved.expect_idle().await;
}

/// The contract names the file of the secrets but not its format, so any quoted text in it may be
/// the secret.
async fn generated_secret_is_kept(kind: ServerKind) {
    let config =
        "[turn]\nenabled = true\nhost = \"turn.example\"\nport = 3478\nshared_secret = \"\"\n";
    let mut server = Server::with_config(kind, config).await;
    let user = server.user("Ann").await;
    let mut used = Vec::new();
    for _ in 0..2 {
        let mut ann = Client::connect(&server, &user, Codec::Protobuf).await;
        let servers = ann.join("general").await.ice_servers;
        let turn = servers
            .iter()
            .find(|server| !server.username.is_empty())
            .expect("TURN is enabled");
        let file = std::fs::read_to_string(server.data_dir().join("secrets.toml"))
            .expect("the secrets are kept");
        let secret = file
            .split('"')
            .find(|text| credential(text, &turn.username) == turn.credential);
        used.push(
            secret
                .expect("the credential is made with a secret from the file")
                .to_owned(),
        );
        assert!(
            !server.log().contains(used.last().expect("just pushed")),
            "a secret is in the log"
        );
        server = server.restart().await;
    }
    assert_eq!(used[0], used[1]);
    assert!(used[0].len() >= 16, "the secret is too short");
}
