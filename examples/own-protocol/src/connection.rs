//! One socket, from the handshake to the close.

use std::{sync::Arc, time::Duration};

use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use prost::Message as _;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{
        Bytes, Error, Message, Utf8Bytes,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::{
    Server,
    chat::{Account, Presence},
    outbox::{Outbox, Outgoing},
    voice, // +voice
    wire::{Envelope, Welcome, envelope::Payload, failure::Reason},
};

/// The largest message of a client. It has to hold the largest session description, 64 KiB.
const MAX_MESSAGE_BYTES: usize = 128 << 10;
/// How long a client may take to say who it is.
const SIGN_IN_TIME: Duration = Duration::from_secs(5);
/// How long the close frame may take.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// How long the server goes on reading, and drops what it reads, after its close frame. So the
/// frame arrives.
const LINGER: Duration = Duration::from_secs(2);

type Reader<S> = SplitStream<WebSocketStream<S>>;
type Writer<S> = SplitSink<WebSocketStream<S>, Message>;

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// The client is gone, or has closed.
    Gone,
    /// The server closes with this code.
    Close(u16),
}

pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(server: &Server, stream: S) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let handshake = accept_async_with_config(stream, Some(config));
    let Ok(Ok(socket)) = timeout(SIGN_IN_TIME, handshake).await else {
        return;
    };
    let (mut writer, mut reader) = socket.split();
    let end = match timeout(SIGN_IN_TIME, sign_in(server, &mut reader)).await {
        Ok(Ok((account, request))) => {
            serve(server, account, request, &mut reader, &mut writer).await
        }
        Ok(Err(end)) => end,
        Err(_) => End::Close(1008),
    };
    let socket = reader
        .reunite(writer)
        .expect("both halves are of one socket");
    close(socket, end).await;
}

/// Waits for the first message, which says who the client is.
async fn sign_in<'a, S: AsyncRead + AsyncWrite + Unpin>(
    server: &'a Server,
    reader: &mut Reader<S>,
) -> Result<(&'a Account, u32), End> {
    let message = loop {
        if let Message::Binary(message) = read(reader).await? {
            break message;
        }
    };
    let envelope = Envelope::decode(message).map_err(|_| End::Close(1008))?;
    let Some(Payload::SignIn(sign_in)) = envelope.payload else {
        return Err(End::Close(1008));
    };
    let account = server.chat.account(&sign_in.token);
    account
        .map(|account| (account, envelope.request))
        .ok_or(End::Close(1008))
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    account: &Account,
    request: u32,
    reader: &mut Reader<S>,
    writer: &mut Writer<S>,
) -> End {
    let outbox = Arc::new(Outbox::new(server.limits));
    let me = server.chat.connect(account.id, &outbox);
    let mut voice = voice::open(&server.voice, account.id, &outbox); // +voice
    me.answer(request, Payload::Welcome(Welcome { user: account.id }));
    loop {
        let has_room = outbox.has_room();
        let may_ask = has_room && voice.wants_input(); // +voice
        tokio::select! {
            code = outbox.closed() => return End::Close(code),
            end = voice::step(&mut voice, &outbox) => if let Some(end) = end { return end }, // +voice
            written = write(&outbox, writer) => match written {
                // The queue was full, and the client has read something.
                Ok(()) if !has_room => voice.wrote(voice::now()), // +voice
                Ok(()) => {}
                Err(_) => return End::Gone,
            },
            read = read(reader), if may_ask => match read {
                Ok(Message::Binary(message)) => handle(server, &me, &mut voice, message),
                Ok(control) => voice::receive_control(&mut voice, control), // +voice
                Err(end) => return end,
            },
        }
    }
}

fn handle(
    server: &Server,
    me: &Presence,
    voice: &mut voice::Connection, // +voice
    message: Bytes,
) {
    let bytes = message.len(); // +voice
    let Ok(Envelope { request, payload }) = Envelope::decode(message) else {
        return me.fail(0, Reason::Malformed);
    };
    let Some(payload) = payload else {
        return me.fail(request, Reason::Unsupported);
    };
    let payload = voice::receive(voice, request, payload, bytes); // +voice
    let Some(payload) = payload else { return }; // +voice
    if !server.chat.handle(me, request, payload) {
        me.fail(request, Reason::Unsupported);
    }
}

/// Reads a binary message, a ping or a pong. Cancel safe.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(reader: &mut Reader<S>) -> Result<Message, End> {
    match reader.next().await {
        Some(Ok(Message::Text(_))) => Err(End::Close(1003)),
        Some(Err(Error::Capacity(_))) => Err(End::Close(1009)),
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
        Some(Ok(message)) => Ok(message),
    }
}

/// Writes the next message of the queue. Cancel safe: it first flushes what an earlier call has
/// left.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    outbox: &Outbox,
    writer: &mut Writer<S>,
) -> Result<(), Error> {
    writer.flush().await?;
    let message = match outbox.next().await {
        Outgoing::Chat(envelope) => Message::binary(envelope.encode_to_vec()),
        Outgoing::Ping => Message::Ping(Bytes::new()),
        Outgoing::Voice(signal) => Message::binary(voice::envelope(&signal).encode_to_vec()), // +voice
    };
    // This does not wait: the writer was flushed, so it has room for one message.
    writer.feed(message).await?;
    writer.flush().await
}

/// Does the closing handshake. If a socket is closed with unread data, the connection is reset, and
/// that may destroy the close frame on its way. So what still comes is read for a while and
/// dropped.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>, end: End) {
    let End::Close(code) = end else {
        // Answers the client's close frame, if it sent one. If not, nobody is left to tell.
        let _ = timeout(CLOSE_TIME, socket.close(None)).await;
        return;
    };
    let frame = CloseFrame {
        code: code.into(),
        reason: Utf8Bytes::default(),
    };
    let sent = timeout(CLOSE_TIME, socket.send(Message::Close(Some(frame)))).await;
    if let Ok(Ok(())) = sent {
        let stream = socket.get_mut();
        let rest = async {
            stream.shutdown().await?;
            tokio::io::copy(stream, &mut tokio::io::sink()).await
        };
        // If the time is over, the socket is closed all the same.
        let _ = timeout(LINGER, rest).await;
    }
}
