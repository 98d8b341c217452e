//! The servers. Each has a sign-in of its own: the header `x-user`.

use std::net::{SocketAddr, TcpListener};

use actix_web::{App, FromRequest, HttpRequest, HttpResponse, HttpServer, web};
use axum::{
    Router,
    extract::{FromRequestParts, State, ws::WebSocketUpgrade},
    http::{StatusCode, request::Parts},
    response::Response,
    routing::any,
};
use united_voice_axum::VoiceUpgrade;
use united_voice_core::{Limits, OpenDirectory, UserId, VoiceServer};

type Voice = VoiceServer<OpenDirectory>;

/// How a server has voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// axum, with the extractor of `united-voice-axum`.
    Axum,
    /// axum, with axum's own extractor.
    AxumOwn,
    /// Actix Web.
    Actix,
}

/// A running server. It ends with the runtime of the test.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its voice channels.
    pub voice: Voice,
}

impl Server {
    /// Starts a server with the default limits.
    pub fn start(kind: Kind) -> Self {
        Self::with_limits(kind, Limits::default())
    }

    /// Starts a server.
    ///
    /// # Panics
    ///
    /// If it cannot listen on a loopback address.
    pub fn with_limits(kind: Kind, limits: Limits) -> Self {
        let voice = VoiceServer::builder(OpenDirectory).limits(limits);
        let voice = voice.build().expect("valid limits");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        match kind {
            Kind::Axum => serve_axum(listener, any(in_axum), voice.clone()),
            Kind::AxumOwn => serve_axum(listener, any(in_axum_by_its_own), voice.clone()),
            Kind::Actix => serve_actix(listener, voice.clone()),
        }
        Self { address, voice }
    }
}

fn serve_axum(listener: TcpListener, voice: axum::routing::MethodRouter<Voice>, server: Voice) {
    listener
        .set_nonblocking(true)
        .expect("a socket can be asynchronous");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let app = Router::new().route("/voice", voice).with_state(server);
    tokio::spawn(async { axum::serve(listener, app).await });
}

fn serve_actix(listener: TcpListener, server: Voice) {
    let server = web::Data::new(server);
    let app = move || {
        let app = App::new().app_data(server.clone());
        app.route("/voice", web::to(in_actix))
    };
    let server = HttpServer::new(app).workers(1).disable_signals();
    let server = server.listen(listener).expect("it listens already");
    tokio::spawn(server.run());
}

/// The extractor of the request comes first here. The sign-in is asked first all the same.
async fn in_axum(request: VoiceUpgrade, State(server): State<Voice>, user: User) -> Response {
    united_voice_axum::upgrade(&server, user.0, request)
}

async fn in_axum_by_its_own(
    State(server): State<Voice>,
    user: User,
    request: WebSocketUpgrade,
) -> Response {
    united_voice_axum::upgrade(&server, user.0, request)
}

async fn in_actix(
    server: web::Data<Voice>,
    user: User,
    request: HttpRequest,
    payload: web::Payload,
) -> actix_web::Result<HttpResponse> {
    united_voice_actix::upgrade(&server, user.0, &request, payload)
}

struct User(UserId);

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let name = parts.headers.get("x-user");
        let user = name.and_then(|name| name.to_str().ok()?.parse().ok());
        user.map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}

impl FromRequest for User {
    type Error = actix_web::Error;
    type Future = std::future::Ready<actix_web::Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let name = request.headers().get("x-user");
        let user = name.and_then(|name| name.to_str().ok()?.parse().ok());
        let unauthorized = || actix_web::error::ErrorUnauthorized("who are you?");
        std::future::ready(user.map(Self).ok_or_else(unauthorized))
    }
}
