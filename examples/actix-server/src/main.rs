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

use std::{future::ready, io, process::ExitCode, sync::Arc};

use actix_codec::{Framed, FramedParts};
use actix_http::{ConnectionType, HttpService, Request, Response, body::BodySize, h1};
use actix_server::Server;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App, HttpRequest, HttpResponse,
    dev::AppConfig,
    rt::{self, net::TcpStream},
    web::{self, Bytes, Data, Payload},
};
use anyhow::Context as _;
use futures::SinkExt as _;
use http::StatusCode;
use tokio::time::timeout;
use united_voice_core::drive;
use united_voice_host::{
    Host, Lingering, LingeringStream, MAX_BODY_BYTES, REQUEST_PATIENCE, Serving, Upgrade,
    WebSocket, run,
};

type Socket = Framed<LingeringStream, h1::Codec>;

fn main() -> ExitCode {
    run(env!("CARGO_PKG_NAME"), serve)
}

async fn serve(serving: Serving) -> anyhow::Result<()> {
    let (host, lingering) = (Arc::clone(&serving.host), Lingering::default());
    let server = Server::build()
        // `united_voice_host::run` handles them.
        .disable_signals()
        .listen("united-voice", serving.listener, move || {
            connections(Arc::clone(&host), lingering.clone())
        })?
        .run();
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
        .client_request_timeout(REQUEST_PATIENCE)
        .upgrade(fn_service(move |(request, socket)| {
            upgrade(Arc::clone(&host), request, socket)
        }))
        .h1(map_config(app, |()| AppConfig::default()));
    let accept = fn_service(move |stream| ready(Ok((lingering.stream(stream), None))));
    accept.and_then(http)
}

/// Answers all requests except those to leave HTTP.
async fn rest(host: Data<Host>, request: HttpRequest, body: Payload) -> HttpResponse {
    let body = async {
        let read = body.to_bytes_limited(MAX_BODY_BYTES).await;
        let read = read.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        read.map_err(|_| StatusCode::BAD_REQUEST)
    };
    let answer = match message::request(request.head()) {
        Ok(request) => host.respond_to(request.into_parts().0, body).await,
        Err(_) => Host::refuse(),
    };
    message::response(answer).map_into_boxed_body().into()
}

/// Answers a request to leave HTTP. `socket` also has the bytes that were read behind the request.
async fn upgrade(host: Arc<Host>, request: Request, mut socket: Socket) -> actix_web::Result<()> {
    let (answer, upgrade) = match message::request(request.head()) {
        Ok(request) => host.upgrade(request).await,
        Err(_) => (Host::refuse(), None),
    };
    drop(request);
    let sent = send(message::response(answer), &mut socket);
    let sent = timeout(REQUEST_PATIENCE, sent).await;
    // A client that disconnects before it has its answer is not worth a log line.
    if let (Some(upgrade), Ok(Ok(()))) = (upgrade, sent) {
        let FramedParts { io, read_buf, .. } = socket.into_parts();
        let socket = WebSocket::new(io, read_buf, host.voice().limits());
        // In a task of its own, because Actix frees the memory of a request when its service
        // returns. In a box, since the task would otherwise have room for two of them.
        rt::spawn(talk(host, upgrade, Box::new(socket)));
    }
    Ok(())
}

async fn talk(host: Arc<Host>, upgrade: Upgrade, socket: Box<WebSocket<LingeringStream>>) {
    drive(host.voice(), socket, upgrade.user, upgrade.codec).await;
}

async fn send(mut answer: Response<Bytes>, socket: &mut Socket) -> io::Result<()> {
    if answer.status() != actix_http::StatusCode::SWITCHING_PROTOCOLS {
        // The bytes that the client sends next may be WebSocket frames, so they must not be read as
        // a request.
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    let (head, body) = answer.into_parts();
    let size = BodySize::Sized(body.len() as u64);
    socket.feed(h1::Message::Item((head, size))).await?;
    socket.send(h1::Message::Chunk(Some(body))).await
}
