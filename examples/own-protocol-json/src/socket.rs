//! One WebSocket, from the upgrade to the close.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use axum::{
    Error,
    extract::ws::{CloseFrame, WebSocket},
};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use united_voice_core::{Codec, Disconnect, Now, UserId}; // +voice

use crate::voice::{self, Connection};
use crate::{Message, Server}; // +voice

/// Serves a client until the connection is over.
pub(crate) async fn run(server: &Server, name: &str, socket: WebSocket) -> Result<(), Closed> {
    let mut socket = Socket::new(socket);
    let mut me = server.chat.connect(name);
    let user = UserId::new(name).expect("the names of accounts are short"); // +voice
    let mut voice = Connection::open(&server.voice, &user, Some(Codec::Json), Now::read()); // +voice
    loop {
        let writable = socket.is_writable();
        tokio::select! {
            turn = socket.turn(voice.wants_input()) => voice::receive(&mut voice, &me, turn), // +voice
            message = voice::step(&mut voice, writable) => socket.write(message?), // +voice
            line = me.next(writable) => match line {
                Some(line) => socket.write(Some(line)),
                None => voice.end(Disconnect::SlowConsumer, Now::read()), // +voice
            },
        }
    }
}

/// The connection is over.
pub(crate) struct Closed;

/// A close frame, perhaps with a code.
pub(crate) fn close(code: Option<u16>) -> Message {
    Message::Close(code.map(|code| CloseFrame {
        code,
        reason: "".into(),
    }))
}

/// A WebSocket, and the message that it has not taken yet. A client that does not read delays this
/// message. The task does not wait for it.
pub(crate) struct Socket {
    inner: WebSocket,
    unsent: Option<Message>,
    writing: bool,
}

/// What happened to a socket.
pub(crate) enum Turn {
    /// A message had to wait until the client read something, and is written now.
    Wrote,
    /// The client sent this.
    Read(Message),
    /// The connection is gone, or the client broke the rules.
    Lost,
}

impl Socket {
    const fn new(inner: WebSocket) -> Self {
        Self {
            inner,
            unsent: None,
            writing: false,
        }
    }

    const fn is_writable(&self) -> bool {
        !self.writing
    }

    /// Writes a message, if there is one, at once if the socket takes it. If not, the socket is not
    /// writable until [`turn`](Self::turn) has written it.
    fn write(&mut self, message: Option<Message>) {
        if message.is_none() {
            // The socket may still be writing another one.
            return;
        }
        self.unsent = message;
        let sent = poll_fn(|cx| self.poll_send(cx)).now_or_never();
        // If the connection is gone, the next turn says so too.
        self.writing = !matches!(sent, Some(Ok(())));
    }

    /// Writes what is left, and reads if `reading`. Cancel safe.
    async fn turn(&mut self, reading: bool) -> Turn {
        poll_fn(|cx| {
            if self.writing
                && let Poll::Ready(sent) = self.poll_send(cx)
            {
                self.writing = false;
                return Poll::Ready(sent.map_or(Turn::Lost, |()| Turn::Wrote));
            }
            if !reading {
                return Poll::Pending;
            }
            loop {
                return Poll::Ready(match ready!(self.inner.poll_next_unpin(cx)) {
                    // The socket answers by itself. It sends the answer when it is polled again.
                    Some(Ok(Message::Close(_))) => continue,
                    // Tavern has no binary messages.
                    Some(Ok(Message::Binary(_)) | Err(_)) | None => Turn::Lost,
                    Some(Ok(message)) => Turn::Read(message),
                });
            }
        })
        .await
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.unsent.is_some() {
            ready!(self.inner.poll_ready_unpin(cx))?;
        }
        if let Some(message) = self.unsent.take() {
            // If the client has closed, the socket has answered by itself and refuses this message.
            // Its own answer still needs the flush. If the connection is gone, the flush says so.
            let _ = self.inner.start_send_unpin(message);
        }
        self.inner.poll_flush_unpin(cx)
    }
}
