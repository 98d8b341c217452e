//! The user that a request comes from, and signing in by name.

use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use united_voice_host::{DevLogin, Request};

use crate::fixture::{Fixture, body, token};

#[tokio::test]
async fn the_header_identifies_the_user_before_the_query_does() {
    let fixture = Fixture::new(DevLogin::Off).await;
    let (good, stranger) = (token("ada"), token("eve"));
    let cases = [
        (None, "/ws".to_owned(), false),
        (Some(format!("Bearer {good}")), "/ws".to_owned(), true),
        (None, format!("/ws?access_token={good}"), true),
        (
            Some("Bearer nonsense".to_owned()),
            format!("/ws?access_token={good}"),
            false,
        ),
        (
            Some("Basic eDp5".to_owned()),
            format!("/ws?access_token={good}"),
            true,
        ),
        (Some(format!("Bearer {stranger}")), "/ws".to_owned(), false),
    ];
    for (header, uri, expected) in cases {
        let mut headers = HeaderMap::new();
        headers.extend(
            header
                .iter()
                .map(|value| (header::AUTHORIZATION, value.parse().unwrap())),
        );
        let answer = fixture
            .host
            .authenticate(&headers, &uri.parse::<Uri>().unwrap())
            .await;
        match &answer {
            Ok(user) => assert_eq!(user.as_str(), "ada"),
            Err(refusal) => {
                assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
                assert_eq!(refusal.headers()[header::WWW_AUTHENTICATE], "Bearer");
            }
        }
        assert_eq!(answer.is_ok(), expected, "{header:?} {uri}");
    }
}

#[tokio::test]
async fn routes_that_need_a_user_answer_401() {
    let fixture = Fixture::new(DevLogin::Anybody).await;
    for (method, path) in [
        (Method::GET, "/api/channels"),
        (Method::POST, "/api/channels"),
        (Method::PATCH, "/api/channels/general"),
        (Method::GET, "/api/voice/general/participants"),
        (Method::GET, "/api/voice/none/participants"),
    ] {
        let response = fixture.anonymous(method.clone(), path).await;
        assert_eq!(
            response.status(),
            StatusCode::UNAUTHORIZED,
            "{method} {path}"
        );
        assert_eq!(body(&response)["error"]["code"], "unauthorized");
    }
}

#[tokio::test]
async fn without_dev_login_its_routes_do_not_exist() {
    let fixture = Fixture::new(DevLogin::Off).await;
    for (method, path, content) in [
        (Method::POST, "/api/dev/login", r#"{"displayName":"Ada"}"#),
        (
            Method::POST,
            "/api/channels",
            r#"{"name":"den","kind":"voice"}"#,
        ),
        (
            Method::PATCH,
            "/api/channels/general",
            r#"{"maxParticipants":1}"#,
        ),
        (Method::GET, "/api/dev/login", ""),
    ] {
        assert_eq!(
            fixture.send(method, path, Some(content)).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(fixture.get("/api/channels").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn signing_in_by_name_gives_a_token_that_works() {
    let fixture = Fixture::new(DevLogin::Local).await;
    let sign_in = async |content: Value| {
        body(
            &fixture
                .send(Method::POST, "/api/dev/login", Some(&content.to_string()))
                .await,
        )
    };
    let key = "a login key of enough bytes";
    let long = "Zoë".to_owned() + &"é".repeat(61);
    let first = sign_in(json!({ "displayName": long, "loginKey": key })).await;
    let again = sign_in(json!({ "displayName": "Zoë", "loginKey": key, "pubkey": "p" })).await;
    assert_eq!(first["userId"], again["userId"]);
    for other in [
        json!({ "displayName": "Zoë", "pubkey": "p" }),
        json!({ "displayName": "Zoë", "pubkey": "p", "loginKey": null }),
        json!({ "displayName": "Zoë", "pubkey": "p", "loginKey": "another key of enough bytes" }),
    ] {
        assert_ne!(sign_in(other).await["userId"], again["userId"]);
    }
    let uri = format!("/ws?access_token={}", first["token"].as_str().unwrap());
    let user = fixture
        .host
        .authenticate(&HeaderMap::new(), &uri.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(user.as_str(), first["userId"].as_str().unwrap());
}

#[tokio::test]
async fn pages_from_elsewhere_cannot_sign_in_on_a_loopback_address() {
    let login = |origin: &str, content_type: &str| -> Request {
        http::Request::post("/api/dev/login")
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, content_type)
            .body(r#"{"displayName":"Eve"}"#.into())
            .unwrap()
    };
    let fixture = Fixture::new(DevLogin::Local).await;
    let local = &fixture.host;
    let (here, elsewhere) = ("http://localhost:8080", "http://rebound.example:8080");
    assert_eq!(
        local
            .respond(login(here, "application/json"))
            .await
            .status(),
        StatusCode::OK
    );
    assert_eq!(
        local
            .respond(login(elsewhere, "application/json"))
            .await
            .status(),
        StatusCode::FORBIDDEN
    );
    let simple = local.respond(login(here, "text/plain")).await;
    assert_eq!(
        simple.status(),
        StatusCode::BAD_REQUEST,
        "what a page may send unasked"
    );
    let open = Fixture::new(DevLogin::Anybody).await;
    assert_eq!(
        open.host
            .respond(login(elsewhere, "application/json"))
            .await
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn no_answer_shows_a_login_key() {
    let fixture = Fixture::new(DevLogin::Local).await;
    for key in [
        json!("hunter2"),
        json!("hunter2".repeat(20)),
        json!(["hunter2"]),
        json!({ "hunter2": "hunter2" }),
        json!(4_242_424_242_424_242_u64),
        json!(true),
    ] {
        let content = json!({ "displayName": "Ada", "loginKey": key }).to_string();
        let answer = fixture
            .send(Method::POST, "/api/dev/login", Some(&content))
            .await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{key}");
        let said = body(&answer).to_string();
        assert!(
            !said.contains("hunter2") && !said.contains("4242"),
            "{said}"
        );
        assert!(said.contains("16 to 128 bytes"), "{said}");
    }
    let content = json!({ "displayName": "Ada", "loginKey": "hunter2 and enough" }).to_string();
    let answer = fixture
        .send(Method::POST, "/api/dev/login", Some(&content))
        .await;
    assert!(!body(&answer).to_string().contains("hunter2"));
}
