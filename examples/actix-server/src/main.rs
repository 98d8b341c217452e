//! An example voice server on Actix Web.
//!
//! ```text
//! cargo run -p united-voice-actix
//! ```
//!
//! opens a page on which two browser tabs can talk; `--help` tells the rest. What is particular to Actix is here: plain
//! requests go through an [`App`], those to leave HTTP to a service beside it, which is given the socket itself.

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
        // The program has its own.
        .disable_signals()
        .listen("united-voice", serving.listener, move || {
            connections(Arc::clone(&host), lingering.clone())
        })?
        .run();
    let handle = server.handle();
    // A task of its own: dropping the server would cut connections that are still saying goodbye.
    let server = tokio::spawn(server);
    tokio::select! {
        ended = server => ended.context("the server broke down")?.context("the server ended")?,
        () = serving.shutdown.requested() => {
            handle.pause().await;
            // Actix does not know of connections that left HTTP: its threads have to stay until they have said goodbye.
            serving.host.voice().drained().await;
            handle.stop(true).await;
        }
    }
    Ok(())
}

/// What each worker does with a connection.
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

/// All requests but those to leave HTTP.
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

/// Requests to leave HTTP, handed over with the socket and whatever has been read from it.
async fn upgrade(host: Arc<Host>, request: Request, mut socket: Socket) -> actix_web::Result<()> {
    let (answer, upgrade) = match message::request(request.head()) {
        Ok(request) => host.upgrade(request).await,
        Err(_) => (Host::refuse(), None),
    };
    drop(request);
    let sent = send(message::response(answer), &mut socket);
    let sent = timeout(REQUEST_PATIENCE, sent).await;
    // A client that is gone while it is being answered is nothing to report.
    if let (Some(upgrade), Ok(Ok(()))) = (upgrade, sent) {
        // A task of its own: what Actix keeps for requests is given back once this is answered.
        rt::spawn(talk(host, upgrade, socket));
    }
    Ok(())
}

async fn talk(host: Arc<Host>, upgrade: Upgrade, socket: Socket) {
    let FramedParts { io, read_buf, .. } = socket.into_parts();
    let socket = WebSocket::new(io, read_buf, host.voice().limits());
    drive(host.voice(), socket, upgrade.user, upgrade.codec).await;
}

async fn send(mut answer: Response<Bytes>, socket: &mut Socket) -> io::Result<()> {
    if answer.status() != actix_http::StatusCode::SWITCHING_PROTOCOLS {
        // What the client sends next may be meant for a WebSocket.
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    let (head, body) = answer.into_parts();
    let size = BodySize::Sized(body.len() as u64);
    socket.feed(h1::Message::Item((head, size))).await?;
    socket.send(h1::Message::Chunk(Some(body))).await
}
