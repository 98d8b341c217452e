//! One request of a connection at a time.
//!
//! A client may send requests without reading the answers (RFC 9112, section 9.3.2). If the server
//! read and answered them all, the answers would pile up in its memory. So while a request is
//! answered, and until the socket has taken the answer, nothing is read from the connection. If
//! the framework already has the next request, that one is answered first.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The state of a connection that its stream and the handler of its requests share.
#[derive(Debug, Default)]
pub(crate) struct Turn(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    stage: Stage,
    /// The request asks for a WebSocket and gets it: the answer 101 ends HTTP.
    is_granted: bool,
    /// Waits until the connection may be read.
    reader: Option<Waker>,
    /// Waits until the answer before is taken.
    handler: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// A request may come.
    #[default]
    Reading,
    /// A handler has the turn: its request is complete, as far as it is known, and is being
    /// answered.
    Answering,
    /// The framework has the answer. After the last answer no further request is read.
    Answered { last: bool },
    /// The last answer is sent.
    Over,
}

/// Whether the stream may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Allowed,
    /// There will be no further request.
    Over,
}

/// A request that is being answered. Dropping it says that the framework has the answer.
#[derive(Debug)]
pub(crate) struct Answering<'a> {
    turn: &'a Turn,
    is_last: bool,
}

impl Turn {
    /// A handler waits until the socket has taken the answer before. Then it has the turn.
    pub(crate) fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if let Stage::Answered { .. } = state.stage {
            state.handler = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.stage = Stage::Answering;
        Poll::Ready(())
    }

    /// The rest of the request must be read.
    pub(crate) fn read_on(&self) {
        let mut state = self.state();
        state.stage = Stage::Reading;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Notes that a request is complete.
    pub(crate) fn answer(&self) -> Answering<'_> {
        self.state().stage = Stage::Answering;
        Answering {
            turn: self,
            is_last: false,
        }
    }

    /// Waits until the stream may read.
    pub(crate) fn poll_reading(&self, cx: &mut Context<'_>) -> Poll<Reading> {
        let mut state = self.state();
        match state.stage {
            Stage::Reading => Poll::Ready(Reading::Allowed),
            Stage::Over => Poll::Ready(Reading::Over),
            Stage::Answering | Stage::Answered { .. } => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Notes that the request gets a WebSocket.
    pub(crate) fn grant(&self) {
        self.state().is_granted = true;
    }

    pub(crate) fn is_granted(&self) -> bool {
        self.state().is_granted
    }

    /// Whether the bytes that are sent now are an answer that no handler has made.
    pub(crate) fn is_unasked(&self) -> bool {
        self.state().stage == Stage::Reading
    }

    /// Notes that the socket has taken everything.
    pub(crate) fn flushed(&self) {
        let mut state = self.state();
        let Stage::Answered { last } = state.stage else {
            return;
        };
        let handler = state.handler.take();
        state.stage = match handler {
            _ if last => Stage::Over,
            Some(_) => Stage::Answering,
            None => Stage::Reading,
        };
        let wakers = [state.reader.take(), handler];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answering<'_> {
    /// The connection ends after this answer.
    pub(crate) fn is_last(&mut self) {
        self.is_last = true;
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        let last = self.is_last;
        self.turn.state().stage = Stage::Answered { last };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(turn: &Turn) -> Poll<Reading> {
        turn.poll_reading(&mut Context::from_waker(Waker::noop()))
    }

    fn is_taken(turn: &Turn) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        turn.poll_taken(&mut cx).is_ready()
    }

    #[test]
    fn nothing_is_read_from_the_end_of_a_request_until_its_answer_is_taken() {
        let turn = Turn::default();
        for _ in 0..2 {
            assert_eq!(reading(&turn), Poll::Ready(Reading::Allowed));
            assert!(turn.is_unasked() && is_taken(&turn));
            assert!(reading(&turn).is_pending());
            turn.read_on();
            assert_eq!(reading(&turn), Poll::Ready(Reading::Allowed));
            let answering = turn.answer();
            // Frameworks flush at any time.
            turn.flushed();
            assert!(reading(&turn).is_pending());
            drop(answering);
            assert!(reading(&turn).is_pending() && !turn.is_unasked());
            turn.flushed();
        }
    }

    #[test]
    fn a_request_that_waits_already_is_answered_before_another_is_read() {
        let turn = Turn::default();
        drop(turn.answer());
        for _ in 0..2 {
            assert!(!is_taken(&turn));
            turn.flushed();
            assert!(reading(&turn).is_pending());
            assert!(is_taken(&turn));
            drop(turn.answer());
        }
        turn.flushed();
        assert_eq!(reading(&turn), Poll::Ready(Reading::Allowed));
    }

    #[test]
    fn nothing_is_read_after_the_last_answer() {
        let turn = Turn::default();
        turn.answer().is_last();
        assert!(reading(&turn).is_pending());
        turn.flushed();
        assert_eq!(reading(&turn), Poll::Ready(Reading::Over));
    }
}
