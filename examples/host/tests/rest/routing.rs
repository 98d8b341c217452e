//! Behaviour that all routes have in common.

use http::{Method, StatusCode, header};
use united_voice_host::DevLogin;

use crate::fixture::Fixture;

#[tokio::test]
async fn routes_answer_only_their_methods() {
    let fixture = Fixture::new(DevLogin::Anybody).await;
    for (method, path, allowed) in [
        (Method::POST, "/", "GET"),
        (Method::DELETE, "/api/channels", "GET, POST"),
        (Method::PUT, "/api/channels/general", "PATCH"),
        (Method::GET, "/api/dev/login", "POST"),
        (Method::POST, "/readyz", "GET"),
    ] {
        let response = fixture.send(method, path, None).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()[header::ALLOW], allowed);
    }
    for path in [
        "/nowhere",
        "/assets/none.js",
        "/assets/..%2funited.toml",
        "/assets/",
        "//",
        "/api/channels/",
    ] {
        let response = fixture.get(path).await;
        assert!(
            matches!(response.status().as_u16(), 404 | 405),
            "{path}: {}",
            response.status()
        );
    }
    assert_eq!(
        fixture.anonymous(Method::HEAD, "/healthz").await.status(),
        StatusCode::OK
    );
    assert_eq!(
        fixture.anonymous(Method::GET, "/metrics").await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_server_is_ready_until_it_stops() {
    let fixture = Fixture::new(DevLogin::Anybody).await;
    let ready = fixture.anonymous(Method::GET, "/readyz").await;
    assert_eq!(
        (ready.status(), ready.body().as_ref()),
        (StatusCode::OK, &b"ready\n"[..])
    );
    fixture.host.stop();
    let stopping = fixture.anonymous(Method::GET, "/readyz").await;
    assert_eq!(stopping.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stopping.body().as_ref(), b"stopping\n");
    let alive = fixture.anonymous(Method::GET, "/healthz").await;
    assert_eq!(
        (alive.status(), alive.body().as_ref()),
        (StatusCode::OK, &b"ok\n"[..])
    );
}

#[tokio::test]
async fn a_database_that_fails_is_503() {
    let fixture = Fixture::new(DevLogin::Anybody).await;
    fixture.host.voice().directory().close().await;
    for path in ["/api/channels", "/api/voice/general/participants"] {
        assert_eq!(
            fixture.get(path).await.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}"
        );
    }
    assert_eq!(
        fixture.get("/healthz").await.status(),
        StatusCode::OK,
        "alive all the same"
    );
}
