//! axum's own WebSocket as the stream and sink of frames that the library drives.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::extract::ws::{self, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use bytestring::ByteString;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use tungstenite::error::{Error, ProtocolError};
use united_voice_core::{CloseFrame, Frame, TransportError};

/// Makes axum's [`WebSocket`] a transport for [`drive`](united_voice_core::drive).
///
/// [`upgrade`](crate::upgrade) does this and sets the limits. A host that calls this itself sets
/// them before the upgrade: the subprotocol, and
/// [`max_message_size`](axum::extract::ws::WebSocketUpgrade::max_message_size) and
/// [`max_frame_size`](axum::extract::ws::WebSocketUpgrade::max_frame_size) to
/// [`Limits::max_message_bytes`](united_voice_core::Limits::max_message_bytes).
/// Set [`write_buffer_size`](axum::extract::ws::WebSocketUpgrade::write_buffer_size) to 8 KiB too.
/// axum's WebSocket takes nothing more until all that it has buffered is sent. With its default of
/// 128 KiB a client that takes longer than a second for that counts as stalled.
///
/// axum's WebSocket hides the frames of a message in fragments, so they do not count in the client's
/// rate. With [`VoiceUpgrade`](crate::VoiceUpgrade) they count.
pub fn transport(socket: WebSocket) -> Transport {
    Transport {
        socket,
        failed: false,
    }
}

/// A transport over axum's WebSocket. [`transport`] makes it.
///
/// If the client breaks a rule, the stream gives the error and then nothing more, not even its end.
/// tungstenite cannot read on after that. The time that [`drive`](united_voice_core::drive) waits
/// after its close frame lets the frame arrive.
#[derive(Debug)]
pub struct Transport {
    socket: WebSocket,
    /// The client broke a rule.
    failed: bool,
}

impl Stream for Transport {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Pending;
        }
        Poll::Ready(match ready!(self.socket.poll_next_unpin(cx)) {
            Some(Ok(message)) => Some(frame(message)),
            Some(Err(error)) => {
                let error = transport_error(error);
                self.failed = !matches!(error, TransportError::Io(_));
                Some(Err(error))
            }
            None => None,
        })
    }
}

impl Sink<Frame> for Transport {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.socket.poll_ready_unpin(cx).map_err(transport_error)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        match message(frame) {
            Some(message) => {
                let sent = self.socket.start_send_unpin(message);
                sent.map_err(transport_error)
            }
            None => Ok(()),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.socket.poll_flush_unpin(cx).map_err(transport_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.socket.poll_close_unpin(cx).map_err(transport_error)
    }
}

fn frame(message: Message) -> Result<Frame, TransportError> {
    Ok(match message {
        Message::Binary(bytes) => Frame::Binary(bytes),
        Message::Text(text) => {
            let text = ByteString::try_from(Bytes::from(text));
            Frame::Text(text.map_err(|_| TransportError::InvalidUtf8)?)
        }
        Message::Ping(bytes) => Frame::Ping(bytes),
        Message::Pong(bytes) => Frame::Pong(bytes),
        Message::Close(close) => Frame::Close(close.map(|close| CloseFrame {
            code: close.code,
            reason: close.reason.as_str().into(),
        })),
    })
}

/// `None` if there is nothing to write.
fn message(frame: Frame) -> Option<Message> {
    Some(match frame {
        Frame::Binary(bytes) => Message::Binary(bytes),
        Frame::Text(text) => Message::Text(shared(text)),
        // Only clients send their messages in parts.
        Frame::Fragment => return None,
        Frame::Ping(bytes) => Message::Ping(bytes),
        Frame::Pong(bytes) => Message::Pong(bytes),
        Frame::Close(close) => Message::Close(close.map(|close| ws::CloseFrame {
            code: close.code,
            reason: shared(close.reason),
        })),
    })
}

/// The same bytes in axum's type: to check them costs less than to copy them.
fn shared(text: ByteString) -> Utf8Bytes {
    Utf8Bytes::try_from(text.into_bytes()).expect("a ByteString is UTF-8")
}

/// Finds tungstenite's error in axum's. This needs the very version of tungstenite that axum uses.
/// With another, every error would be a lost connection, without a close code.
fn transport_error(error: axum::Error) -> TransportError {
    let error = match error.into_inner().downcast::<Error>() {
        Ok(error) => error,
        Err(other) => return TransportError::Io(other),
    };
    match *error {
        Error::Capacity(_) => TransportError::TooLarge,
        Error::Utf8(_) => TransportError::InvalidUtf8,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => TransportError::Io(error),
        Error::Protocol(_) | Error::AttackAttempt => TransportError::Protocol,
        _ => TransportError::Io(error),
    }
}
