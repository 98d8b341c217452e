//! The signals that wait for a client.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;
use united_voice_core::{CloseReason, Signal, SignalSink, SinkError, Urgency};

#[derive(Debug)]
pub(crate) struct Mailbox {
    messages: usize,
    bytes: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Signal>,
    size: usize,
    /// An event was refused, so no other event may follow.
    has_hole: bool,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    ClientLeft,
    Closed(CloseReason),
}

impl Mailbox {
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        Self {
            messages,
            bytes,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(crate) async fn next(&self) -> Result<Signal, CloseReason> {
        self.wait(|state| match state.end {
            Some(End::Closed(reason)) => Some(Err(reason)),
            _ => state.pop().map(Ok),
        })
        .await
    }

    /// Waits until there is room for an event.
    pub(crate) async fn room(&self) {
        self.wait(|state| self.has_room(state).then_some(())).await;
    }

    /// Waits until either side ends the connection.
    pub(crate) async fn closed(&self) {
        self.wait(|state| state.end.map(drop)).await;
    }

    pub(crate) fn leave(&self) {
        self.end(End::ClientLeft);
    }

    fn end(&self, end: End) {
        let mut state = self.state.lock();
        state.end.get_or_insert(end);
        // Nobody reads the signals any more.
        state.size = 0;
        let dropped = std::mem::take(&mut state.waiting);
        drop(state);
        drop(dropped);
        self.changed.notify_waiters();
    }

    fn has_room(&self, state: &State) -> bool {
        state.waiting.len() < self.messages && state.size < self.bytes
    }

    /// Events may fill twice the limits.
    fn has_room_for_event(&self, state: &State) -> bool {
        let messages = state.waiting.len() / 2;
        messages < self.messages && state.size / 2 < self.bytes
    }

    async fn wait<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            // Created before the check, so that a change between the two is not missed.
            let changed = self.changed.notified();
            let value = ready(&mut self.state.lock());
            if let Some(value) = value {
                // `ready` may have taken a signal, so there may be room now.
                self.changed.notify_waiters();
                return value;
            }
            changed.await;
        }
    }
}

impl State {
    fn pop(&mut self) -> Option<Signal> {
        let signal = self.waiting.pop_front()?;
        self.size -= signal.size();
        Some(signal)
    }
}

/// The library's end of a mailbox.
pub(crate) struct MailboxSink(pub(crate) Arc<Mailbox>);

impl SignalSink for MailboxSink {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        // The clones then share the message; otherwise each recipient decodes its own.
        signal.envelope();
        let mut state = self.0.state.lock();
        if state.end.is_some() {
            return Err(SinkError::Closed);
        }
        let has_room = !state.has_hole && self.0.has_room(&state);
        match signal.urgency() {
            Urgency::Reply => {}
            _ if has_room => {}
            // The client counts as one that reads, so that others can't easily put it out.
            Urgency::Event if !state.has_hole && self.0.has_room_for_event(&state) => {}
            Urgency::Relay if !state.has_hole => return Err(SinkError::Busy),
            urgency => {
                state.has_hole |= urgency == Urgency::Event;
                return Err(SinkError::Full);
            }
        }
        state.size += signal.size();
        state.waiting.push_back(signal.clone());
        drop(state);
        self.0.changed.notify_waiters();
        Ok(())
    }

    fn close(&self, reason: CloseReason) {
        self.0.end(End::Closed(reason));
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use united_voice_core::{
        proto::ws::Envelope,
        test_util::{SinkUnderTest, conformance},
    };

    use super::*;

    struct UnderTest(Arc<Mailbox>);

    impl SinkUnderTest for UnderTest {
        type Sink = MailboxSink;

        fn sink(&mut self, capacity: usize) -> MailboxSink {
            self.0 = Arc::new(Mailbox::new(capacity, usize::MAX));
            MailboxSink(Arc::clone(&self.0))
        }

        fn arrived(&mut self) -> Vec<Envelope> {
            let next = || self.0.next().now_or_never()?.ok();
            std::iter::from_fn(next)
                .map(|signal| signal.envelope().clone())
                .collect()
        }
    }

    #[test]
    fn the_sink_passes_the_conformance_suite() {
        conformance(&mut UnderTest(Arc::new(Mailbox::new(1, 1))));
    }
}
