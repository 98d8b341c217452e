//! A WebSocket (RFC 6455) as the stream and sink of frames that the library drives, over whatever the framework gives
//! up when it upgrades a connection.

pub(crate) mod handshake;
pub(crate) mod subprotocol;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use bytestring::ByteString;
use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{
            self, Role, WebSocketConfig,
            frame::coding::{Data, OpCode},
        },
    },
};
use united_voice_core::{CloseFrame, Frame, Limits, TransportError};

/// Signals are small, and a buffer of the default 128 KiB is cleared before each read. An idle connection keeps it, so it is
/// no larger than serves an offer.
const READ_BYTES: usize = 2 * 1024;

/// What waits in one piece before it is written.
const WRITE_BYTES: usize = 4 * 1024;

/// The server's side of a WebSocket over a connection that has left HTTP.
///
/// Pings are answered while it is read. A frame that is too large is refused by the length that its header announces,
/// before any of it is collected.
#[derive(Debug)]
pub struct WebSocket<S> {
    socket: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Takes over from HTTP, which has `read` what came behind the request. Of `limits` it keeps `max_message_bytes`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn new(stream: S, read: impl AsRef<[u8]> + Send, limits: &Limits) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(WRITE_BYTES)
            .max_message_size(Some(limits.max_message_bytes))
            .max_frame_size(Some(limits.max_message_bytes));
        let early = read.as_ref().to_vec();
        // HTTP's buffer can be most of a connection's memory: copied from, it ends here.
        drop(read);
        let socket =
            WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config)).await;
        Self { socket }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.socket).poll_next(cx));
        Poll::Ready(next.map(|read| read.map(frame).map_err(transport_error)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Frame> for WebSocket<S> {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let socket = Pin::new(&mut self.socket);
        socket.poll_ready(cx).map_err(transport_error)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        let socket = Pin::new(&mut self.socket);
        socket.start_send(message(frame)).map_err(transport_error)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let socket = Pin::new(&mut self.socket);
        socket.poll_flush(cx).map_err(transport_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let socket = Pin::new(&mut self.socket);
        socket.poll_close(cx).map_err(transport_error)
    }
}

fn frame(message: Message) -> Frame {
    match message {
        Message::Binary(bytes) => Frame::Binary(bytes),
        Message::Text(text) => Frame::Text(byte_string(text)),
        Message::Ping(bytes) => Frame::Ping(bytes),
        Message::Pong(bytes) => Frame::Pong(bytes),
        Message::Close(close) => Frame::Close(close.map(|close| CloseFrame {
            code: close.code.into(),
            reason: byte_string(close.reason),
        })),
        Message::Frame(_) => unreachable!("only ever written"),
    }
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Binary(bytes) => Message::Binary(bytes),
        // As a frame, since nobody has to look again whether it is text.
        Frame::Text(text) => {
            let opcode = OpCode::Data(Data::Text);
            Message::Frame(protocol::frame::Frame::message(
                text.into_bytes(),
                opcode,
                true,
            ))
        }
        Frame::Ping(bytes) => Message::Ping(bytes),
        Frame::Pong(bytes) => Message::Pong(bytes),
        Frame::Close(close) => Message::Close(close.map(|close| protocol::CloseFrame {
            code: close.code.into(),
            reason: utf8_bytes(close.reason),
        })),
    }
}

// Two names for one thing: neither crate lets the other's text in without a look at it, but no byte is copied.
fn byte_string(text: Utf8Bytes) -> ByteString {
    ByteString::try_from(Bytes::from(text)).expect("checked text")
}

fn utf8_bytes(text: ByteString) -> Utf8Bytes {
    Utf8Bytes::try_from(text.into_bytes()).expect("checked text")
}

fn transport_error(error: Error) -> TransportError {
    match error {
        Error::Capacity(_) => TransportError::TooLarge,
        Error::Utf8(_) => TransportError::InvalidUtf8,
        // The peer is gone; there is nobody to tell of a broken rule.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            TransportError::Io(error.into())
        }
        Error::Protocol(_) => TransportError::Protocol,
        _ => TransportError::Io(error.into()),
    }
}

#[cfg(test)]
mod tests;
