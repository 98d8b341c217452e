//! An example voice server on Actix Web.
//!
//! ```text
//! cargo run --bin actix-server
//! ```
//!
//! opens a page on which two browser tabs can talk. `--help` lists the options. This file has what
//! is particular to Actix: plain requests go through an [`App`]. Requests to leave HTTP go to a
//! service beside it, which gets the socket itself.

mod message;

use std::{
    future::{poll_fn, ready},
    io,
    pin::Pin,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use actix_codec::Framed;
use actix_http::{
    HttpService, KeepAlive, Request, RequestHead, body::BodySize, error::DispatchError, h1,
};
use actix_server::Server;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App, HttpRequest, HttpResponse,
    dev::AppConfig,
    rt::net::TcpStream,
    web::{self, Data, Payload},
};
use anyhow::Context as _;
use http::{Method, StatusCode};
use united_voice_actix::{Handshake, answer_framed, response, upgrade_framed};
use united_voice_core::UserId;
use united_voice_host::{Host, Lingering, LingeringStream, MAX_BODY_BYTES, Peer, Serving, run};

type Socket = Framed<LingeringStream, h1::Codec>;
type Answer = h1::Message<(actix_http::Response<()>, BodySize)>;

fn main() -> ExitCode {
    run(env!("CARGO_PKG_NAME"), serve)
}

async fn serve(serving: Serving) -> anyhow::Result<()> {
    let (host, lingering) = (Arc::clone(&serving.host), Lingering::new(&serving.host));
    // `united_voice_host::run` handles the signals.
    let mut server = Server::build()
        .disable_signals()
        // `Lingering` limits the connections. At a limit of its own Actix would accept none.
        .max_concurrent_connections(usize::MAX);
    for listener in serving.listeners {
        let (host, lingering) = (Arc::clone(&host), lingering.clone());
        server = server.listen("united-voice", listener, move || {
            connections(Arc::clone(&host), lingering.clone())
        })?;
    }
    let server = server.run();
    let handle = server.handle();
    // In a task of its own: if this future is dropped, the server goes on until its connections
    // have closed.
    let server = tokio::spawn(server);
    tokio::select! {
        ended = server => ended.context("the server broke down")?.context("the server ended")?,
        () = serving.shutdown.requested() => {
            handle.pause().await;
            // Actix does not count connections that left HTTP, so its threads must run until those
            // have closed.
            serving.host.voice().drained().await;
            handle.stop(true).await;
        }
    }
    Ok(())
}

/// Makes the service that each worker runs for each connection.
fn connections(
    host: Arc<Host>,
    lingering: Lingering,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = impl Sized, InitError = ()>
{
    let app = App::new()
        .app_data(Data::from(Arc::clone(&host)))
        .default_service(web::to(rest));
    let http = HttpService::build()
        // `Lingering` ends connections that take too long or wait for too long, in every request.
        .client_request_timeout(Duration::ZERO)
        .keep_alive(KeepAlive::Os)
        .on_connect_ext(|stream: &LingeringStream, data| {
            data.insert(stream.peer().clone());
        })
        .upgrade(fn_service(move |(request, socket)| {
            upgrade(Arc::clone(&host), request, socket)
        }))
        .h1(map_config(app, |()| AppConfig::default()));
    let accept = fn_service(move |stream| {
        let stream = lingering.stream(stream).map(|stream| (stream, None));
        ready(stream.ok_or_else(|| DispatchError::Io(io::ErrorKind::ConnectionAborted.into())))
    });
    accept.and_then(http)
}

/// Answers all requests except those to leave HTTP.
async fn rest(host: Data<Host>, request: HttpRequest, body: Payload) -> HttpResponse {
    let body = async {
        let read = body.to_bytes_limited(MAX_BODY_BYTES).await;
        let read = read.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        read.map_err(|_| StatusCode::BAD_REQUEST)
    };
    let peer = request.conn_data::<Peer>().expect("`connections` sets it");
    let answer = match message::request(request.head()) {
        Ok(request) => host.respond_to(peer, request.into_parts().0, body).await,
        Err(_) => Host::refuse(),
    };
    response(answer).map_into_boxed_body().into()
}

/// Answers a request to leave HTTP. `socket` also has the bytes that were read behind the request.
async fn upgrade(host: Arc<Host>, request: Request, mut socket: Socket) -> actix_web::Result<()> {
    let peer = socket.io_ref().peer().clone();
    // The answers to the requests before.
    let flushed = poll_fn(|cx| Pin::new(&mut socket).flush::<Answer>(cx)).await;
    if flushed.is_err() {
        return Ok(());
    }
    match admit(&host, &peer, request.head()).await {
        Ok((user, handshake)) => {
            drop(request);
            upgrade_framed(host.voice(), user, &handshake, socket).await;
        }
        Err(answer) => {
            // A client that disconnects before it has its answer is not worth a log line.
            let _ = answer_framed(response(answer), &mut socket).await;
        }
    }
    Ok(())
}

/// Finds the user, if the request is a good one for `/ws`. If not, returns the answer.
async fn admit(
    host: &Host,
    peer: &Peer,
    head: &RequestHead,
) -> Result<(UserId, Handshake), united_voice_host::Response> {
    let request = message::request(head).map_err(|_| Host::refuse())?;
    if request.method() != Method::GET || request.uri().path() != "/ws" {
        let (head, body) = request.into_parts();
        return Err(host.respond_to(peer, head, ready(Ok(body))).await);
    }
    let (head, _) = request.into_parts();
    let handshake = Handshake::new(&head);
    host.admit(peer, &head.headers, &head.uri, handshake).await
}
