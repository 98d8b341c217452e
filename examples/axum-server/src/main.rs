//! An example voice server on Axum.
//!
//! ```text
//! cargo run -p united-voice-axum
//! ```
//!
//! opens a page on which two browser tabs can talk; `--help` tells the rest. What is particular to Axum is here: the
//! loop that accepts connections, the upgrade, and how a body is read.

use std::{pin::pin, process::ExitCode, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{self, DefaultBodyLimit, FromRequest as _, State},
    response::Response,
    routing::any,
    serve::Listener,
};
use hyper::{server::conn::http1, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, select, task::JoinSet};
use united_voice_core::drive;
use united_voice_host::{
    Host, Lingering, LingeringStream, MAX_BODY_BYTES, REQUEST_PATIENCE, Serving, Shutdown, Upgrade,
    WebSocket, run,
};

/// The largest head of a request; a token in it has a few hundred bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

fn main() -> ExitCode {
    run(env!("CARGO_PKG_NAME"), serve)
}

/// Like `axum::serve`, which has no limit to how long a client may take for a request: sockets that say nothing would
/// be held for ever.
async fn serve(serving: Serving) -> anyhow::Result<()> {
    let mut listener = TcpListener::from_std(serving.listener)?;
    let lingering = Lingering::default();
    let app = TowerToHyperService::new(app(serving.host));
    let mut stop = pin!(serving.shutdown.clone().requested());
    let mut connections = JoinSet::new();
    loop {
        select! {
            // Axum's `accept` waits errors out, such as too many open files.
            (stream, _) = Listener::accept(&mut listener) => {
                let stream = lingering.stream(stream);
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
        .route("/ws", any(voice))
        .fallback(rest)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(host)
}

/// Requests for a WebSocket. What becomes of the connection is a task of its own: hyper gives it up once this is answered.
async fn voice(State(host): State<Arc<Host>>, mut request: extract::Request) -> Response {
    let connection = hyper::upgrade::on(&mut request);
    let (answer, upgrade) = host.upgrade(request.map(|_| Bytes::new())).await;
    if let Some(upgrade) = upgrade {
        tokio::spawn(talk(host, upgrade, connection));
    }
    answer.map(Body::from)
}

async fn talk(host: Arc<Host>, upgrade: Upgrade, connection: OnUpgrade) {
    // A client that is gone before it is answered is nothing to report.
    let Ok(connection) = connection.await else {
        return;
    };
    let parts = connection
        .downcast::<TokioIo<LingeringStream>>()
        .expect("what `requests` serves");
    let stream = parts.io.into_inner();
    let socket = WebSocket::new(stream, parts.read_buf, host.voice().limits());
    drive(host.voice(), socket, upgrade.user, upgrade.codec).await;
}

/// All other requests.
async fn rest(State(host): State<Arc<Host>>, request: extract::Request) -> Response {
    let (head, body) = request.into_parts();
    let limited = extract::Request::from_parts(head.clone(), body);
    let body = async {
        let read = Bytes::from_request(limited, &()).await;
        read.map_err(|rejection| rejection.status())
    };
    host.respond_to(head, body).await.map(Body::from)
}
