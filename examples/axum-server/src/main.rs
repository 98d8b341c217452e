//! An example voice server on Axum.
//!
//! ```text
//! cargo run -p axum-server
//! ```
//!
//! opens a page on which two browser tabs can talk. `--help` lists the options. This file has what
//! is particular to Axum: the loop that accepts connections, and how a body is read.

use std::{pin::pin, process::ExitCode, sync::Arc};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{self, DefaultBodyLimit, FromRequest as _, FromRequestParts as _, State},
    response::Response,
    routing::get,
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{select, task::JoinSet};
use united_voice_axum::{VoiceUpgrade, upgrade};
use united_voice_host::{
    Acceptor, Host, Lingering, LingeringStream, MAX_BODY_BYTES, Peer, Serving, Shutdown, run,
};

/// The largest head of a request. The token in it has a few hundred bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

fn main() -> ExitCode {
    run(env!("CARGO_PKG_NAME"), serve)
}

/// Does what `axum::serve` does, with several listeners, and with [`Lingering`] streams. Those limit
/// how long a client may take to send a request. Without that limit the server would hold silent
/// sockets for ever.
async fn serve(serving: Serving) -> anyhow::Result<()> {
    let mut acceptor = Acceptor::new(serving.listeners)?;
    let lingering = Lingering::new(&serving.host);
    let app = TowerToHyperService::new(app(Arc::clone(&serving.host)));
    let mut stop = pin!(serving.shutdown.clone().requested());
    let mut connections = JoinSet::new();
    loop {
        select! {
            stream = acceptor.accept() => {
                if let Some(stream) = lingering.stream(stream) {
                    let end = end(Arc::clone(&serving.host), serving.shutdown.clone());
                    connections.spawn(requests(stream, app.clone(), end));
                }
            }
            Some(_) = connections.join_next() => {}
            () = &mut stop => break,
        }
    }
    drop(acceptor);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Answers the requests of a connection until the connection ends or is upgraded.
async fn requests(
    stream: LingeringStream,
    app: TowerToHyperService<Router>,
    end: impl Future<Output = ()>,
) {
    let peer = stream.peer().clone();
    let app = service_fn(move |mut request: extract::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        app.call(request)
    });
    let connection = http1::Builder::new()
        // The stream limits the time.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES)
        // Otherwise hyper reads on while a request is answered, to learn early of a client that has
        // gone. That takes a second buffer of 8 KiB for each request. A client that has gone costs
        // no more than its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), app)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = select! {
        ended = &mut connection => ended,
        () = end => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client broke off or took too long");
    }
}

/// Waits until the server should end and the WebSockets have closed. Until then connections that are
/// open already are answered, so that their load balancers learn from `/readyz` that it ends.
async fn end(host: Arc<Host>, shutdown: Shutdown) {
    shutdown.requested().await;
    host.voice().drained().await;
}

fn app(host: Arc<Host>) -> Router {
    Router::new()
        .route("/ws", get(voice).fallback(rest))
        .fallback(rest)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(host)
}

/// Answers a request for a WebSocket.
async fn voice(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    request: extract::Request,
) -> Response {
    // As an argument of this function, the head would be a copy.
    let (mut head, _) = request.into_parts();
    let Ok(request) = VoiceUpgrade::<LingeringStream>::from_request_parts(&mut head, &()).await;
    let request = request.refusal().map_or(Ok(request), Err);
    match host.admit(&peer, &head.headers, &head.uri, request).await {
        Ok((user, request)) => upgrade(host.voice(), user, request),
        Err(answer) => answer.map(Body::from),
    }
}

/// Answers all other requests.
async fn rest(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    request: extract::Request,
) -> Response {
    let (head, body) = request.into_parts();
    let limited = extract::Request::from_parts(head.clone(), body);
    let body = async {
        let read = Bytes::from_request(limited, &()).await;
        read.map_err(|rejection| rejection.status())
    };
    host.respond_to(&peer, head, body).await.map(Body::from)
}
