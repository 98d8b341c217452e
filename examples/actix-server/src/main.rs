//! An example voice server on Actix Web.
//!
//! ```text
//! cargo run -p united-voice-actix
//! ```
//!
//! opens a page on which two browser tabs can talk; `--help` tells the rest. What is particular to Actix is here: plain
//! requests go through an [`App`], those for a WebSocket through the upgrade service beside it (`upgrade`), which is
//! given the socket itself; `message` translates requests and answers.

mod message;
mod transport;
mod upgrade;

use std::{future::ready, process::ExitCode, sync::Arc};

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App, HttpRequest, HttpResponse,
    dev::AppConfig,
    rt::net::TcpStream,
    web::{self, Data, Payload},
};
use anyhow::Context as _;
use http::StatusCode;
use tokio::time::timeout;
use united_voice_host::{Host, Lingering, MAX_BODY_BYTES, REQUEST_PATIENCE, Serving, run};

fn main() -> ExitCode {
    run(env!("CARGO_PKG_NAME"), serve)
}

async fn serve(serving: Serving) -> anyhow::Result<()> {
    let (host, lingering) = (serving.host, Lingering::default());
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
        () = serving.shutdown.requested() => handle.stop(true).await,
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
            upgrade::serve(Arc::clone(&host), request, socket)
        }))
        .h1(map_config(app, |()| AppConfig::default()));
    let accept = fn_service(move |stream: TcpStream| {
        let client = stream.peer_addr().ok();
        ready(Ok((lingering.stream(stream), client)))
    });
    accept.and_then(http)
}

/// All requests but those for a WebSocket. A body is read within a time too.
async fn rest(host: Data<Host>, request: HttpRequest, body: Payload) -> HttpResponse {
    let body = timeout(REQUEST_PATIENCE, body.to_bytes_limited(MAX_BODY_BYTES)).await;
    let answer = match body {
        Ok(Ok(Ok(body))) => message::answer(&host, request.head(), body).await,
        Ok(Ok(Err(_))) => message::refuse_body(StatusCode::BAD_REQUEST),
        Ok(Err(_)) => message::refuse_body(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => message::refuse_body(StatusCode::REQUEST_TIMEOUT),
    };
    answer.map_into_boxed_body().into()
}
