//! Axum's WebSocket as the stream and sink of frames that the library drives.

use std::{
    error::Error as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::extract::ws::{self, Message, Utf8Bytes, WebSocket};
use bytestring::ByteString;
use futures::{Sink, Stream};
use tokio_tungstenite::tungstenite;
use united_voice_core::{CloseFrame, Frame, TransportError};

pub(crate) struct Transport {
    socket: WebSocket,
}

impl Transport {
    pub(crate) fn new(socket: WebSocket) -> Self {
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
    type Error = axum::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.socket).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        Pin::new(&mut self.socket).start_send(message(frame))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
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
            code: close.code,
            reason: byte_string(close.reason),
        })),
    }
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Binary(bytes) => Message::Binary(bytes),
        Frame::Text(text) => Message::Text(utf8_bytes(text)),
        Frame::Ping(bytes) => Message::Ping(bytes),
        Frame::Pong(bytes) => Message::Pong(bytes),
        Frame::Close(close) => Message::Close(close.map(|close| ws::CloseFrame {
            code: close.code,
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

fn transport_error(error: axum::Error) -> TransportError {
    use tungstenite::{Error, error::ProtocolError};
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(Error::Capacity(_)) => TransportError::TooLarge,
        Some(Error::Utf8(_)) => TransportError::InvalidUtf8,
        // The peer is gone; there is nobody to tell of a broken rule.
        Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
            TransportError::Io(error.into_inner())
        }
        Some(Error::Protocol(_)) => TransportError::Protocol,
        _ => TransportError::Io(error.into_inner()),
    }
}
