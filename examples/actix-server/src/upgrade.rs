//! Requests to leave HTTP for the WebSocket protocol.
//!
//! Actix hands these over with the socket and whatever it has read from it. What goes on there is left to tungstenite, which
//! refuses a frame by the length that its header announces; Actix's own codec would first collect all of it.

use std::{io, sync::Arc};

use actix_codec::{Framed, FramedParts};
use actix_http::{
    ConnectionType, Request, RequestHead, Response,
    body::BodySize,
    h1::{Codec, Message},
    header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL},
    ws::handshake,
};
use actix_web::web::Bytes;
use futures::SinkExt;
use tokio::time::timeout;
use united_voice_core::{UserId, drive};
use united_voice_host::{Host, LingeringStream, REQUEST_PATIENCE};

use crate::{message, transport::Transport};

type Socket = Framed<LingeringStream, Codec>;

pub(crate) async fn serve(
    host: Arc<Host>,
    request: Request,
    socket: Socket,
) -> Result<(), actix_web::Error> {
    let accepted = accept(&host, request.head()).await;
    drop(request);
    // A client that is gone while it is being answered is nothing to report.
    let _ = match accepted {
        Ok(accepted) => talk(&host, accepted, socket).await,
        Err(refusal) => timeout(REQUEST_PATIENCE, refuse(refusal, socket))
            .await
            .unwrap_or(Ok(())),
    };
    Ok(())
}

struct Accepted {
    user: UserId,
    codec: Option<united_voice_core::Codec>,
    answer: Response<()>,
}

/// Authenticates first, so that whoever has no token learns it from a plain answer.
async fn accept(host: &Host, head: &RequestHead) -> Result<Accepted, Response<Bytes>> {
    let request = match message::request(head, Bytes::new()) {
        Ok(request) if request.uri().path() == "/ws" => request,
        _ => return Err(message::answer(host, head, Bytes::new()).await),
    };
    let user = host
        .authenticate(request.headers(), request.uri())
        .await
        .map_err(message::response)?;
    let Ok(mut answer) = handshake(head) else {
        return Err(message::answer(host, head, Bytes::new()).await);
    };
    let codec = Host::codec(request.headers());
    if let Some(codec) = codec {
        let protocol = HeaderValue::from_static(codec.subprotocol());
        answer.insert_header((SEC_WEBSOCKET_PROTOCOL, protocol));
    }
    let answer = answer
        .message_body(())
        .map_err(|_| message::response(Host::refuse_upgrade()))?;
    Ok(Accepted {
        user,
        codec,
        answer,
    })
}

async fn talk(host: &Host, accepted: Accepted, mut socket: Socket) -> io::Result<()> {
    socket
        .send(Message::Item((accepted.answer, BodySize::None)))
        .await?;
    let limit = host.voice().limits().max_message_bytes;
    // HTTP's buffers, 8 KiB each, and the request end here: most of a connection's memory, were they kept.
    let FramedParts { io, read_buf, .. } = socket.into_parts();
    let transport = Transport::new(io, read_buf.to_vec(), limit).await;
    drop(read_buf);
    drive(host.voice(), transport, accepted.user, accepted.codec).await;
    Ok(())
}

async fn refuse(mut refusal: Response<Bytes>, mut socket: Socket) -> io::Result<()> {
    // What the client sends next may be meant for a WebSocket.
    refusal
        .head_mut()
        .set_connection_type(ConnectionType::Close);
    let body = refusal.body().clone();
    let size = BodySize::Sized(body.len() as u64);
    socket
        .feed(Message::Item((refusal.drop_body(), size)))
        .await?;
    if !body.is_empty() {
        socket.feed(Message::Chunk(Some(body))).await?;
    }
    SinkExt::<Message<(Response<()>, BodySize)>>::flush(&mut socket).await
}
