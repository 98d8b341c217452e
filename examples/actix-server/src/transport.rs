//! The upgraded socket as the stream and sink of frames that the library drives.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytestring::ByteString;
use futures::{Sink, Stream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{self, Role, WebSocketConfig},
    },
};
use united_voice_core::{CloseFrame, Frame, TransportError};
use united_voice_host::LingeringStream;

/// Signals are small, and a buffer of the default 128 KiB is cleared before each read.
const BUFFER_BYTES: usize = 4 * 1024;

pub(crate) struct Transport {
    socket: WebSocketStream<LingeringStream>,
}

impl Transport {
    /// Takes over from HTTP: `read` came behind the request, and messages have at most `limit` bytes.
    pub(crate) async fn new(stream: LingeringStream, read: Vec<u8>, limit: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let socket =
            WebSocketStream::from_partially_read(stream, read, Role::Server, Some(config)).await;
        Self { socket }
    }
}

impl Stream for Transport {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.socket).poll_next(cx));
        Poll::Ready(next.map(|read| read.map(frame).map_err(transport_error)))
    }
}

impl Sink<Frame> for Transport {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.socket).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Error> {
        Pin::new(&mut self.socket).start_send(message(frame))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.socket).poll_close(cx)
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
        Frame::Text(text) => Message::Text(utf8_bytes(text)),
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
    ByteString::try_from(bytes::Bytes::from(text)).expect("checked text")
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
