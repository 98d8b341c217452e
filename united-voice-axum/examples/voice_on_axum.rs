//! A server on axum that has a sign-in of its own, and voice. The lines between `+voice` and
//! `-voice` are all that voice takes.
//!
//! ```text
//! cargo run -p united-voice-axum --example voice_on_axum
//! ```

use std::error::Error;

use axum::{
    Router,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::{Response, Result},
    routing::get,
};
use tokio::{net::TcpListener, signal::ctrl_c};
// +voice
use united_voice_axum::{VoiceUpgrade, upgrade};
use united_voice_core::{OpenDirectory, VoiceServer};

type Voice = VoiceServer<OpenDirectory>;

async fn ws(voice: State<Voice>, user: User, request: VoiceUpgrade) -> Result<Response> {
    let user = user.0.parse().map_err(|_| StatusCode::FORBIDDEN)?;
    Ok(upgrade(&voice, user, request))
}
// -voice

/// The user that the proxy in front of this server has signed in.
struct User(String);

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let name = parts.headers.get("x-user").and_then(|it| it.to_str().ok());
        let name = name.ok_or(StatusCode::UNAUTHORIZED)?.to_owned();
        Ok(Self(name))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // +voice
    let voice = VoiceServer::builder(OpenDirectory).build()?;
    // -voice
    let app = Router::new()
        .route("/", get(async || "A chat server"))
        // +voice
        .route("/voice", get(ws))
        .with_state(voice.clone());
    // -voice
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    let stopped = async move {
        let _ = ctrl_c().await;
        // +voice
        voice.shutdown();
        voice.drained().await;
        // -voice
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await?;
    Ok(())
}
