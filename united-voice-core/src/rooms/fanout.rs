//! Delivers signals to members, and notes the members whose sinks had no room.

use std::{ops::Range, sync::Arc};

use crate::{Signal, SignalSink, SinkError, Urgency, UserId, rooms::cell::Members};

/// Delivers signals under the locks, and notes the sinks that could not take an event.
///
/// To end their connections takes other locks. So the caller first releases the locks that it
/// holds, and then calls `evict_all` (`end.rs`).
#[derive(Default)]
pub(crate) struct Fanout {
    too_slow: Vec<(UserId, Arc<dyn SignalSink>)>,
    /// How many droppable signals found a full sink.
    dropped: u32,
}

impl Fanout {
    /// Delivers a signal that nobody else gets.
    #[inline]
    pub(crate) fn deliver_only(
        &mut self,
        user: &UserId,
        sink: &Arc<dyn SignalSink>,
        signal: Signal,
    ) {
        // What follows from an error is noted already.
        let _ = self.try_deliver_only(user, sink, signal);
    }

    /// Does the same, and says whether the sink took the signal.
    #[inline]
    pub(crate) fn try_deliver_only(
        &mut self,
        user: &UserId,
        sink: &Arc<dyn SignalSink>,
        signal: Signal,
    ) -> Result<(), SinkError> {
        let urgency = signal.urgency();
        let delivered = sink.deliver_owned(signal);
        if let Err(error) = delivered {
            self.refused(error, user, sink, urgency);
        }
        delivered
    }

    /// Delivers to all members.
    pub(crate) fn tell_all(&mut self, members: &Members, signal: &Signal) {
        self.tell_some(members, signal, 0..members.len());
    }

    /// Delivers to all members but the one at this position.
    pub(crate) fn tell_others(&mut self, members: &Members, signal: &Signal, cause: usize) {
        self.tell_some(members, signal, 0..cause);
        self.tell_some(members, signal, cause + 1..members.len());
    }

    /// The loop over the recipients reads their sinks and nothing else. It runs once for each event
    /// and member, which makes it the most frequent code of a server.
    #[inline]
    fn tell_some(&mut self, members: &Members, signal: &Signal, positions: Range<usize>) {
        let first = positions.start;
        for (offset, sink) in members.handles(positions).enumerate() {
            if let Err(error) = sink.deliver(signal)
                && let Some(user) = members.user_at(first + offset)
            {
                self.refused(error, user, sink, signal.urgency());
            }
        }
    }

    /// Out of line: nearly every delivery succeeds, and the loops above are short without it.
    #[cold]
    fn refused(
        &mut self,
        error: SinkError,
        user: &UserId,
        sink: &Arc<dyn SignalSink>,
        urgency: Urgency,
    ) {
        match (error, urgency) {
            // The connection is already ending.
            (SinkError::Closed, _) => {}
            (SinkError::Busy | SinkError::Full, Urgency::Droppable) => self.dropped += 1,
            // The sender is told, and may try again.
            (SinkError::Busy, Urgency::Relay) => {}
            (SinkError::Busy | SinkError::Full, _) => {
                self.too_slow.push((user.clone(), Arc::clone(sink)));
            }
        }
    }

    #[inline]
    pub(crate) fn reached_all(&self) -> bool {
        self.too_slow.is_empty() && self.dropped == 0
    }

    pub(crate) fn take_dropped(&mut self) -> u32 {
        std::mem::take(&mut self.dropped)
    }

    /// Takes out one member that could not take an event.
    pub(crate) fn pop_too_slow(&mut self) -> Option<(UserId, Arc<dyn SignalSink>)> {
        self.too_slow.pop()
    }
}
