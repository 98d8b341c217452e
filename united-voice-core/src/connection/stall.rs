//! Whether a client reads what waits for it. It has stalled if its socket has taken nothing for a
//! second.

use std::time::{Duration, Instant};

use crate::{
    ConnectionMachine, Now, VoiceDirectory,
    connection::{clock::after, machine::Phase, open::OpenConnection},
};
#[cfg(doc)]
use crate::{SignalSink, Step};

/// A socket that takes nothing for this long has stalled.
const PATIENCE: Duration = Duration::from_secs(1);

/// A socket that takes no more at the moment.
pub(super) struct Blocked {
    /// Unless it takes something before this time, it has stalled.
    stalls_at: Instant,
    has_stalled: bool,
}

impl<D: VoiceDirectory> ConnectionMachine<D> {
    /// Notes that a write which had to wait has gone on, completely or in part. The client has read
    /// something, and that is a sign of life. A write that did not have to wait is no sign of life,
    /// since it may only have reached the buffers of the socket.
    ///
    /// A client for which nothing is written for a second [has stalled](Self::has_stalled). A large
    /// message may take longer than that on a slow line, so call this for each part of it that the
    /// socket takes. If your socket tells only when it has taken the whole message, a client with a
    /// slow line may count as stalled for a while.
    pub fn wrote(&mut self, now: Now) {
        if let Phase::Open(open) = &mut self.phase {
            open.wrote(now);
        }
    }

    /// Whether the client has stalled: it has read nothing for a second, although something waits.
    ///
    /// The machine knows this from the calls that say whether the socket is writable
    /// ([`poll_step`](Self::poll_step)), and that something was [written](Self::wrote). If it has a
    /// queue of its own, it tells the queue, and the first event or offer that does not fit evicts
    /// the client. A host with its own sink tells that sink; [`SignalSink`] says what follows.
    pub fn has_stalled(&self) -> bool {
        matches!(&self.phase, Phase::Open(open) if open.has_stalled())
    }

    /// Notes that the socket takes no more at the moment.
    pub(super) fn blocked(&mut self, now: Now) {
        if let Phase::Open(open) = &mut self.phase {
            open.blocked(now);
        }
    }

    /// Notes that the socket has taken everything, and takes more.
    #[inline]
    pub(super) fn unblocked(&mut self) {
        if let Phase::Open(open) = &mut self.phase {
            open.unblocked();
        }
    }
}

impl OpenConnection {
    /// The socket takes no more. If its time is up, it has stalled. That is decided here and not at
    /// the deadline: if the machine is polled late, the socket has to be tried once more first.
    fn blocked(&mut self, now: Now) {
        match &mut self.blocked {
            None => self.wait_for_progress(now),
            Some(blocked) if !blocked.has_stalled && blocked.stalls_at <= now.monotonic => {
                blocked.has_stalled = true;
                self.tell_queue(true);
            }
            Some(_) => {}
        }
    }

    /// The socket has taken something. Whether it takes more is not known.
    fn wrote(&mut self, now: Now) {
        self.heard(now);
        self.unblocked();
        self.wait_for_progress(now);
    }

    #[inline]
    fn unblocked(&mut self) {
        if self.blocked.take().is_some_and(|was| was.has_stalled) {
            self.tell_queue(false);
        }
    }

    fn wait_for_progress(&mut self, now: Now) {
        let stalls_at = after(now.monotonic, PATIENCE);
        self.look_at = self.look_at.min(stalls_at);
        self.blocked = Some(Box::new(Blocked {
            stalls_at,
            has_stalled: false,
        }));
    }

    fn tell_queue(&mut self, stalled: bool) {
        if let Some(signals) = &mut self.signals {
            signals.set_stalled(stalled);
        }
    }

    fn has_stalled(&self) -> bool {
        (self.blocked.as_ref()).is_some_and(|blocked| blocked.has_stalled)
    }

    /// When to try the socket again, to learn whether it has stalled.
    pub(super) fn stall_deadline(&self) -> Option<Instant> {
        let blocked = self.blocked.as_ref()?;
        (!blocked.has_stalled).then_some(blocked.stalls_at)
    }
}
