//! An example voice server on Axum.
//!
//! ```text
//! cargo run -p united-voice-axum
//! ```
//!
//! opens a page on which two browser tabs can talk; `--help` tells the rest. What is particular to Axum is here: the
//! upgrade, and the socket as a stream of frames (`transport`).

mod listener;
mod transport;

use std::{pin::pin, process::ExitCode, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{
        self, DefaultBodyLimit, FromRequest as _, State, WebSocketUpgrade,
        ws::rejection::WebSocketUpgradeRejection,
    },
    http::{HeaderMap, HeaderValue, StatusCode, Uri},
    response::Response,
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, select, task::JoinSet, time::timeout};
use united_voice_core::drive;
use united_voice_host::{
    Host, LingeringStream, MAX_BODY_BYTES, REQUEST_PATIENCE, Request, Serving, Shutdown, run,
};

use crate::{listener::LingeringListener, transport::Transport};

/// The largest head of a request; a token in it has a few hundred bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Signals are small, and a buffer of the default 128 KiB is cleared before each read.
const BUFFER_BYTES: usize = 4 * 1024;

fn main() -> ExitCode {
    run(env!("CARGO_PKG_NAME"), serve)
}

/// Like `axum::serve`, which has no limit to how long a client may take for a request: sockets that say nothing would
/// be held for ever.
async fn serve(serving: Serving) -> anyhow::Result<()> {
    let mut listener = LingeringListener::new(TcpListener::from_std(serving.listener)?);
    let app = TowerToHyperService::new(app(serving.host));
    let mut stop = pin!(serving.shutdown.clone().requested());
    let mut connections = JoinSet::new();
    loop {
        select! {
            stream = listener.accept() => {
                connections.spawn(requests(stream, app.clone(), serving.shutdown.clone()));
            }
            Some(_) = connections.join_next() => {}
            () = &mut stop => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Answers the requests of a connection until it ends or is upgraded.
async fn requests(stream: LingeringStream, app: TowerToHyperService<Router>, shutdown: Shutdown) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_PATIENCE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), app)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = select! {
        ended = &mut connection => ended,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client broke off or took too long");
    }
}

fn app(host: Arc<Host>) -> Router {
    Router::new()
        .route("/ws", get(voice))
        .fallback(rest)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(host)
}

/// Authenticates first, so that whoever has no token learns it from a plain answer and holds no socket.
async fn voice(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let user = match host.authenticate(&headers, &uri).await {
        Ok(user) => user,
        Err(refusal) => return refusal.map(Body::from),
    };
    let Ok(mut upgrade) = upgrade else {
        return Host::refuse_upgrade().map(Body::from);
    };
    // Axum's own selection forgets in which order the client offered.
    let codec = Host::codec(&headers);
    if let Some(codec) = codec {
        upgrade.set_selected_protocol(HeaderValue::from_static(codec.subprotocol()));
    }
    let limit = host.voice().limits().max_message_bytes;
    upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(async move |socket| {
            drive(host.voice(), Transport::new(socket), user, codec).await;
        })
}

/// All other requests. A body is read within a time too.
async fn rest(State(host): State<Arc<Host>>, request: extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let limited = extract::Request::from_parts(parts.clone(), body);
    let body = timeout(REQUEST_PATIENCE, Bytes::from_request(limited, &())).await;
    let response = match body {
        Ok(Ok(body)) => host.respond(Request::from_parts(parts, body)).await,
        Ok(Err(rejection)) => Host::refuse_body(rejection.status()),
        Err(_) => Host::refuse_body(StatusCode::REQUEST_TIMEOUT),
    };
    response.map(Body::from)
}
