//! One connection's queue. It holds what is to be sent to a client that reads more slowly than
//! others write.

use std::collections::VecDeque;

use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::Notify;
use united_voice_core::Signal; // +voice

use crate::wire::Envelope;

/// The limits of a connection's queue.
///
/// Worst-case memory of a connection: twice `bytes`, and one message of 128 KiB more.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages that may wait.
    pub messages: usize,
    /// Bytes that may wait.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages: 256,
            bytes: 4 << 20,
        }
    }
}

/// Something to be written.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Chat(Envelope),
    Ping,
    Voice(Signal), // +voice
}

impl Outgoing {
    fn size(&self) -> usize {
        match self {
            Self::Chat(envelope) => envelope.encoded_len(),
            Self::Ping => 0,
            Self::Voice(signal) => signal.size(), // +voice
        }
    }
}

/// What happens to a message if the queue is at its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The answer to the client's own request. The queue takes it in any case, and no further
    /// request is read until there is room.
    Answer,
    /// Something that others caused. The queue takes it up to twice the limit, so that others cannot
    /// easily put out a client that reads. After that it refuses it and every later event, because
    /// a stream with a hole in it is worse than one that ends.
    Event,
    /// Something that one other user sent. The queue refuses it, and that user is told.
    Relay, // +voice
    /// Something that others caused and that is soon out of date. The queue refuses it, and nothing
    /// else happens.
    Hint,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A relay has to wait. Other messages may still be taken.
    Busy, // +voice
    Full,
    Closed,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    limits: Limits,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Outgoing>,
    size: usize,
    has_hole: bool,
    closed: Option<u16>,
}

impl State {
    fn pop(&mut self) -> Option<Outgoing> {
        let message = self.waiting.pop_front()?;
        self.size -= message.size();
        Some(message)
    }
}

impl Outbox {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Takes a message, at once or not at all.
    pub(crate) fn push(&self, message: Outgoing, kind: Kind) -> Result<(), Refused> {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return Err(Refused::Closed);
        }
        let room = match kind {
            Kind::Event => 2,
            _ => 1,
        };
        let fits = !state.has_hole && self.fits_one_more(&state, room);
        match kind {
            Kind::Answer => {}
            _ if fits => {}
            Kind::Relay if !state.has_hole => return Err(Refused::Busy), // +voice
            _ => {
                state.has_hole |= kind == Kind::Event;
                return Err(Refused::Full);
            }
        }
        state.size += message.size();
        state.waiting.push_back(message);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Ends the connection with a WebSocket close code. The first code stays.
    pub(crate) fn close(&self, code: u16) {
        self.state.lock().closed.get_or_insert(code);
        self.changed.notify_waiters();
    }

    /// The next message to write. Cancel safe.
    pub(crate) async fn next(&self) -> Outgoing {
        let message = self.wait(State::pop).await;
        self.changed.notify_waiters();
        message
    }

    /// Whether the queue is below its limit. A client that does not read its answers may not send
    /// further requests.
    pub(crate) fn has_room(&self) -> bool {
        self.fits_one_more(&self.state.lock(), 1)
    }

    /// Waits for the code to close with. Cancel safe.
    pub(crate) async fn closed(&self) -> u16 {
        self.wait(|state| state.closed).await
    }

    /// Whether the queue is below its limit, taken so many times.
    fn fits_one_more(&self, state: &State, times: usize) -> bool {
        let Limits { messages, bytes } = self.limits;
        let fits = state.waiting.len() < messages.saturating_mul(times);
        fits && state.size < bytes.saturating_mul(times)
    }

    async fn wait<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            // Made before the queue is looked at: a change between the two still wakes this task.
            let changed = self.changed.notified();
            if let Some(value) = ready(&mut self.state.lock()) {
                return value;
            }
            changed.await;
        }
    }
}
