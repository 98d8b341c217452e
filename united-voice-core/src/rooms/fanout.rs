//! Delivers signals to members, and notes the members whose sinks had no room.

use std::sync::Arc;

use crate::{
    SessionId, Signal, SignalSink, SinkError, Urgency, UserId,
    rooms::{cell::Members, room::MemberRef},
};

type SeatedRef<'a> = MemberRef<'a, Arc<dyn SignalSink>>;

/// Delivers signals under the locks, and notes the sinks that could not take an event.
///
/// To end their connections takes other locks. So the caller first releases the locks that it
/// holds, and then calls `evict_all` (`end.rs`).
#[derive(Default)]
pub(crate) struct Fanout {
    too_slow: Vec<(UserId, Arc<dyn SignalSink>)>,
}

impl Fanout {
    /// Delivers to one member.
    #[inline]
    fn deliver(&mut self, member: SeatedRef<'_>, signal: &Signal) {
        if let Err(error) = member.handle.deliver(signal) {
            let user = &member.participant.user;
            self.refused(error, user, member.handle, signal.urgency());
        }
    }

    /// Delivers a signal that nobody else gets. Says whether the sink took it.
    #[inline]
    pub(crate) fn deliver_only(
        &mut self,
        user: &UserId,
        sink: &Arc<dyn SignalSink>,
        signal: Signal,
    ) -> bool {
        let urgency = signal.urgency();
        let delivered = sink.deliver_owned(signal);
        if let Err(error) = delivered {
            self.refused(error, user, sink, urgency);
        }
        delivered.is_ok()
    }

    /// Delivers to all members.
    pub(crate) fn tell_all(&mut self, members: &Members, signal: &Signal) {
        for member in members.members() {
            self.deliver(member, signal);
        }
    }

    /// Delivers to all members but the one with this session, and hands that one back.
    pub(crate) fn tell_others<'a>(
        &mut self,
        members: &'a Members,
        signal: &Signal,
        cause: SessionId,
    ) -> Option<SeatedRef<'a>> {
        let mut found = None;
        for member in members.members() {
            if member.session == cause {
                found = Some(member);
            } else {
                self.deliver(member, signal);
            }
        }
        found
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
        match error {
            // The connection is already ending.
            SinkError::Closed => {}
            SinkError::Full if urgency == Urgency::Droppable => {}
            SinkError::Full => self.too_slow.push((user.clone(), Arc::clone(sink))),
        }
    }

    #[inline]
    pub(crate) fn reached_all(&self) -> bool {
        self.too_slow.is_empty()
    }

    /// Takes out one member that could not take an event.
    pub(crate) fn pop_too_slow(&mut self) -> Option<(UserId, Arc<dyn SignalSink>)> {
        self.too_slow.pop()
    }
}
