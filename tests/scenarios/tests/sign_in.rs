//! Dev login and tokens: section 4. The tokens are made here, independently of the server's code.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use united_voice_scenarios::{Client, Codec, Handshake, Refusal, Server, ServerKind, User};

scenarios! {
    each codec:;
    once:
        login_key_is_the_identity,
        login_keys_have_16_to_128_bytes,
        names_have_1_to_64_characters,
        names_show_something_and_control_nothing,
        new_name_is_used_at_the_next_join,
        dev_login_can_be_disabled,
        dev_login_is_disabled_beyond_loopback,
        tokens_need_subject_expiry_and_signature,
        issued_token_is_hs256,
}

const SECRET: &str = "a jwt secret of the tests that is long enough for everyone";

async fn login(server: &Server, body: Value) -> (u16, Value) {
    server
        .http(Method::POST, "/api/dev/login", None, Some(body))
        .await
}

async fn login_key_is_the_identity(kind: ServerKind) {
    let server = Server::start(kind).await;
    let ann = server.sign_in("Ann", "a key of the tests: one").await;
    let again = server.sign_in("Anna", "a key of the tests: one").await;
    assert_eq!(again.id, ann.id);
    let other = server.sign_in("Ann", "a key of the tests: two").await;
    assert_ne!(other.id, ann.id);
    // A login without a login key always makes a new user, even if name and public key are those of
    // another.
    let same = json!({ "displayName": "Anna", "pubkey": again.pubkey });
    let (_, one) = login(&server, same.clone()).await;
    let (_, two) = login(&server, same).await;
    let (_, three) = login(&server, json!({ "displayName": "Anna" })).await;
    let (_, four) = login(&server, json!({ "displayName": "Anna", "loginKey": null })).await;
    let taken = json!({ "displayName": "Anna", "loginKey": again.pubkey });
    assert_ne!(login(&server, taken).await.1["userId"], ann.id);
    let mut ids: Vec<_> = [one, two, three, four]
        .iter()
        .map(|answer| answer["userId"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    assert!(!ids.contains(&json!(ann.id).to_string()));
    // The older token belongs to the same user and stays valid.
    assert_eq!(server.get("/api/channels", Some(&ann)).await.0, 200);
}

async fn login_keys_have_16_to_128_bytes(kind: ServerKind) {
    let server = Server::start(kind).await;
    for key in ["k".repeat(16), "é".repeat(8), "k".repeat(128)] {
        let (status, answer) = login(&server, json!({ "displayName": "A", "loginKey": key })).await;
        assert_eq!(status, 200, "{key}: {answer}");
        assert!(!answer.to_string().contains(&key), "{answer}");
        assert!(!server.log().contains(&key), "a login key is in the log");
    }
    for key in [
        json!(""),
        json!("k".repeat(15)),
        json!("k".repeat(129)),
        json!("é".repeat(65)),
        json!(1_234_567_890_123_456_u64),
        json!(["k".repeat(16)]),
    ] {
        let (status, answer) = login(&server, json!({ "displayName": "A", "loginKey": key })).await;
        assert_eq!(status, 400, "{key}");
        assert!(!answer.to_string().contains("123456789"), "{answer}");
    }
}

async fn names_show_something_and_control_nothing(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    for (name, allowed) in [
        ("\u{200b}", false),
        ("\u{202e}nimda", false),
        ("\u{2067}a", false),
        ("a\0b", false),
        ("a\nb", false),
        ("\u{2800}", false),
        ("👩\u{200d}👩\u{200d}👧", true),
        ("می\u{200c}خواهم", true),
    ] {
        let (signed_in, made) = if allowed { (200, 201) } else { (400, 400) };
        let body = json!({ "displayName": name });
        assert_eq!(login(&server, body).await.0, signed_in, "{name:?}");
        let body = json!({ "name": name, "kind": "voice" });
        let answer = server
            .http(Method::POST, "/api/channels", Some(&user), Some(body))
            .await;
        assert_eq!(answer.0, made, "{name:?}");
        if !name.contains('\0') {
            let output = Server::builder(kind)
                .flag("token")
                .flag("--user=ann")
                .flag(format!("--name={name}"))
                .environment(
                    "UNITED_DATA_DIR",
                    server.data_dir().to_str().expect("UTF-8"),
                )
                .run_to_end()
                .await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.success(), allowed, "{name:?}: {said}");
            if !allowed {
                assert_eq!(said.lines().count(), 1, "{said:?}");
                assert!(said.starts_with("error: --name"), "{said:?}");
            }
        }
    }
}

async fn names_have_1_to_64_characters(kind: ServerKind) {
    let server = Server::start(kind).await;
    for name in ["A".to_owned(), "n".repeat(64), "🎧".repeat(64)] {
        let (status, answer) = login(&server, json!({ "displayName": name })).await;
        assert_eq!(status, 200, "{name}: {answer}");
        assert!(answer["userId"].is_string() && answer["token"].is_string());
    }
    for body in [
        json!({ "displayName": "" }),
        json!({ "displayName": "n".repeat(65) }),
        json!({ "displayName": "🎧".repeat(65) }),
        json!({ "displayName": 7 }),
        json!({ "pubkey": "a key alone" }),
        json!([]),
    ] {
        assert_eq!(login(&server, body.clone()).await.0, 400, "{body}");
    }
}

async fn new_name_is_used_at_the_next_join(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut bob = Client::new(&server, "Bob", Codec::Json).await;
    bob.join("general").await;
    let old = server.sign_in("Ann", "a key of the tests").await;
    let new = server
        .sign_in("Ann of Green Gables", "a key of the tests")
        .await;
    let mut ann = Client::connect(&server, &old, Codec::Json).await;
    ann.join("general").await;
    let seen = bob.joined_event("general").await;
    assert_eq!(
        (seen.user_id, seen.display_name, seen.pubkey),
        (new.id, new.name, new.pubkey)
    );
}

async fn dev_login_can_be_disabled(kind: ServerKind) {
    let builder = Server::builder(kind).flag("--no-dev-login");
    dev_routes_are_404(&builder.start().await).await;
    let builder = Server::builder(kind).environment("UNITED_NO_DEV_LOGIN", "true");
    dev_routes_are_404(&builder.start().await).await;
}

async fn dev_login_is_disabled_beyond_loopback(kind: ServerKind) {
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    dev_routes_are_404(&Server::builder(kind).bind(everywhere).start().await).await;
    let server = Server::builder(kind)
        .bind(everywhere)
        .flag("--dev-login")
        .start()
        .await;
    server.user("Ann").await;
}

async fn dev_routes_are_404(server: &Server) {
    let user = server.user_with_id("ann").await;
    assert_eq!(login(server, json!({ "displayName": "Ann" })).await.0, 404);
    let channel = json!({ "name": "new", "kind": "voice" });
    assert_eq!(
        server
            .http(Method::POST, "/api/channels", Some(&user), Some(channel))
            .await
            .0,
        404
    );
    let limit = json!({ "maxParticipants": 3 });
    assert_eq!(
        server
            .http(
                Method::PATCH,
                "/api/channels/general",
                Some(&user),
                Some(limit)
            )
            .await
            .0,
        404
    );
    // All other routes work.
    assert_eq!(server.get("/api/channels", Some(&user)).await.0, 200);
    let mut ann = Client::connect(server, &user, Codec::Protobuf).await;
    ann.join("general").await;
}

fn signature(signed: &str, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(signed.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

fn token(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = signature(&signed, secret);
    format!("{signed}.{signature}")
}

async fn tokens_need_subject_expiry_and_signature(kind: ServerKind) {
    let server = Server::with_config(kind, &format!("[auth]\njwt_secret = \"{SECRET}\"\n")).await;
    let user = server.user("Ann").await;
    let id = user.id.as_str();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_secs();
    let later = now + 3600;
    let hs256 = json!({ "alg": "HS256", "typ": "JWT" });
    let claims = json!({ "sub": id, "exp": later });

    let good = token(&hs256, &claims, SECRET);
    let unsigned = |alg: &str| {
        let token = token(&json!({ "alg": alg, "typ": "JWT" }), &claims, SECRET);
        token[..=token.rfind('.').expect("a token has dots")].to_owned()
    };
    let bad = [
        ("no expiry", token(&hs256, &json!({ "sub": id }), SECRET)),
        (
            "expired",
            token(&hs256, &json!({ "sub": id, "exp": now - 3600 }), SECRET),
        ),
        (
            "no subject",
            token(&hs256, &json!({ "exp": later }), SECRET),
        ),
        (
            "an empty subject",
            token(&hs256, &json!({ "sub": "", "exp": later }), SECRET),
        ),
        (
            "an unknown user",
            token(&hs256, &json!({ "sub": "nobody", "exp": later }), SECRET),
        ),
        (
            "another secret",
            token(&hs256, &claims, "another secret, as long as the right one"),
        ),
        (
            "another algorithm",
            token(&json!({ "alg": "HS512", "typ": "JWT" }), &claims, SECRET),
        ),
        (
            "no algorithm",
            token(&json!({ "alg": "none" }), &claims, SECRET),
        ),
        ("no signature", unsigned("HS256")),
        ("no algorithm and no signature", unsigned("none")),
        ("nothing", String::new()),
        ("a cut token", good[..good.len() - 1].to_owned()),
    ];
    for (what, token) in bad {
        let user = User {
            token,
            ..user.clone()
        };
        assert_eq!(
            server.get("/api/channels", Some(&user)).await.0,
            401,
            "{what}"
        );
        let handshake = Handshake {
            bearer: Some(&user.token),
            ..Handshake::default()
        };
        assert_eq!(
            handshake.open(server.address()).await.err(),
            Some(Refusal { status: 401 }),
            "{what}"
        );
    }
    let user = User {
        token: good,
        ..user.clone()
    };
    assert_eq!(server.get("/api/channels", Some(&user)).await.0, 200);
    Client::connect(&server, &user, Codec::Protobuf)
        .await
        .join("general")
        .await;
    assert!(!server.log().contains(&user.token), "a token is in the log");
    assert!(!server.log().contains(SECRET), "the secret is in the log");
}

async fn issued_token_is_hs256(kind: ServerKind) {
    let server = Server::with_config(kind, &format!("[auth]\njwt_secret = \"{SECRET}\"\n")).await;
    let by_login = server.user("Ann").await;
    let by_command = server.user_with_id("bob").await;
    for user in [by_login, by_command] {
        let [header, claims, signed] = user
            .token
            .split('.')
            .collect::<Vec<_>>()
            .try_into()
            .expect("three parts");
        assert_eq!(signed, signature(&format!("{header}.{claims}"), SECRET));
        let json = |part: &str| -> Value {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
            serde_json::from_slice(&bytes).expect("JSON")
        };
        assert_eq!(json(header)["alg"], "HS256");
        assert_eq!(json(claims)["sub"], user.id);
        assert!(json(claims)["exp"].is_u64());
    }
}
