//! A server on Actix Web that has a sign-in of its own, and voice. The lines between `+voice` and
//! `-voice` are all that voice takes.
//!
//! ```text
//! cargo run -p united-voice-actix --example voice_on_actix
//! ```

use std::{
    error::Error,
    future::{Ready, ready},
};

use actix_web::{
    App, FromRequest, HttpRequest, HttpResponse, HttpServer, Result, dev,
    error::{ErrorForbidden, ErrorUnauthorized},
    rt,
    web::{self, Data, Payload},
};
use tokio::signal::ctrl_c;
// +voice
use united_voice_actix::upgrade;
use united_voice_core::{OpenDirectory, VoiceServer};

type Voice = Data<VoiceServer<OpenDirectory>>;

async fn ws(voice: Voice, user: User, req: HttpRequest, body: Payload) -> Result<HttpResponse> {
    upgrade(&voice, user.0.parse().map_err(ErrorForbidden)?, &req, body)
}
// -voice

/// The user that the proxy in front of this server has signed in.
struct User(String);

impl FromRequest for User {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let name = request.headers().get("x-user");
        let name = name.and_then(|it| it.to_str().ok()).map(str::to_owned);
        let user = name.map(Self);
        ready(user.ok_or_else(|| ErrorUnauthorized("sign in first")))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    rt::System::new().block_on(serve())
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // +voice
    let voice = VoiceServer::builder(OpenDirectory).build()?;
    let data = Data::new(voice.clone());
    // -voice
    let app = move || {
        App::new()
            .route("/", web::get().to(async || "A chat server"))
            // +voice
            .app_data(data.clone())
            .route("/voice", web::get().to(ws))
        // -voice
    };
    let stopped = async move {
        let _ = ctrl_c().await;
        // +voice
        voice.shutdown();
        voice.drained().await;
        // -voice
    };
    HttpServer::new(app)
        .shutdown_signal(stopped)
        .bind("127.0.0.1:8080")?
        .run()
        .await?;
    Ok(())
}
