//! A bare relay on Actix. Actix accepts, reads the request and upgrades; then tokio-tungstenite has
//! the connection.
//!
//! Actix's own `actix-ws` sends through a channel and a response body. A relay on the upgraded
//! connection itself is cheaper, so it is the lower floor.

use std::{future::ready, net::TcpListener, sync::Arc};

use actix_codec::{Framed, FramedParts};
use actix_http::{
    HttpMessage as _, HttpService, Request, Response, StatusCode,
    body::BodySize,
    error::{DispatchError, ParseError},
    h1,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
};
use actix_server::Server;
use actix_service::{ServiceFactoryExt as _, fn_service};
use futures::SinkExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use super::{
    forward::{Rooms, forward},
    listen::config,
};

/// Serves until it is killed.
pub(super) async fn serve(listener: TcpListener, read_buffer: usize) -> anyhow::Result<()> {
    let rooms = Arc::new(Rooms::default());
    let server = Server::build().listen("floor", listener, move || {
        let rooms = Arc::clone(&rooms);
        let http = HttpService::build()
            .upgrade(fn_service(move |(request, socket)| {
                upgrade(Arc::clone(&rooms), read_buffer, request, socket)
            }))
            .h1(fn_service(|_: Request| {
                ready(Ok::<_, ParseError>(Response::new(StatusCode::NOT_FOUND)))
            }));
        let accept = fn_service(|stream: TcpStream| {
            let set = stream.set_nodelay(true);
            ready(set.map(|()| (stream, None)).map_err(DispatchError::Io))
        });
        accept.and_then(http)
    })?;
    Ok(server.run().await?)
}

async fn upgrade(
    rooms: Arc<Rooms>,
    read_buffer: usize,
    request: Request,
    mut socket: Framed<TcpStream, h1::Codec>,
) -> Result<(), ParseError> {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        return Ok(());
    };
    let mut answer = Response::build(StatusCode::SWITCHING_PROTOCOLS);
    answer
        .append_header((CONNECTION, "upgrade"))
        .append_header((UPGRADE, "websocket"))
        .append_header((SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes())));
    let answer = answer.finish().drop_body();
    socket
        .send(h1::Message::Item((answer, BodySize::None)))
        .await?;
    drop(request);
    let FramedParts { io, read_buf, .. } = socket.into_parts();
    let config = Some(config(read_buffer));
    let early = read_buf.to_vec();
    drop(read_buf);
    let socket = WebSocketStream::from_partially_read(io, early, Role::Server, config).await;
    forward(rooms, socket).await;
    Ok(())
}
