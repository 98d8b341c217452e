//! Where signals go: the one trait that a transport implements.

use std::{fmt, sync::Arc};

use crate::Signal;

/// One connection's way out.
///
/// This is the library's seam: a host that has sockets, queues or actors of its own implements it in a few lines, and
/// [`outbound_queue`](crate::outbound_queue) is a ready one that ends in a `Stream`.
///
/// # Delivery order
///
/// Signals must reach the client in the order in which `deliver` accepted them: the order of a channel's events is
/// decided by the order of these calls, and a client that sees them otherwise has a wrong roster.
///
/// # Backpressure
///
/// `deliver` never waits. A sink has a limit, in messages and in bytes, and answers [`SinkError::Full`] beyond it. What
/// that means is written on the signal ([`Signal::urgency`]): a droppable one is gone; any other event makes the registry
/// evict the member, which ends in [`SignalSink::close`]; a [`Reply`](crate::Urgency::Reply) must be accepted even
/// beyond the limit, since its recipient asked for it, and whoever reads that client's requests reads no more of them
/// while the sink is over its limit. Once a sink has refused an event it should refuse all that follows, for a stream
/// with a hole in it is worse than one that ends.
///
/// # Locking
///
/// `deliver` and `close` are called while the registry holds locks. They must not block, must not call the registry or
/// a session, and must not panic. Waking a task is fine; so is a short lock of the sink's own that is never held across
/// anything else.
///
/// # Implementing
///
/// Wrong: the queue grows without bound, and a client that stopped reading takes the server down with it.
///
/// ```
/// # use united_voice_core::{Signal, SignalSink, SinkError};
/// struct Unbounded(std::sync::mpsc::Sender<Signal>);
///
/// impl SignalSink for Unbounded {
///     fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
///         self.0.send(signal.clone()).map_err(|_| SinkError::Closed)
///     }
/// }
/// ```
///
/// Right, for a host whose clients' queues already exist and whose protocol has an envelope of its own:
///
/// ```
/// # use united_voice_core::{Signal, SignalSink, SinkError, Urgency, proto::ws::envelope::Payload};
/// # enum HostMessage { Voice(String, Payload) }
/// use std::{collections::VecDeque, sync::{Arc, Mutex}};
///
/// struct HostSink {
///     /// One lock around the look and the push: two who deliver at once can't both take the last place.
///     outbox: Arc<Mutex<VecDeque<HostMessage>>>,
///     writer: Arc<tokio::sync::Notify>,
/// }
///
/// impl SignalSink for HostSink {
///     fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
///         let message = HostMessage::Voice(signal.request_id().into(), signal.payload().clone());
///         let mut outbox = self.outbox.lock().map_err(|_| SinkError::Closed)?;
///         // Replies may exceed the limit; whoever reads this client's requests stops until they fit.
///         if outbox.len() >= 256 && signal.urgency() != Urgency::Reply {
///             return Err(SinkError::Full);
///         }
///         outbox.push_back(message);
///         self.writer.notify_one();
///         Ok(())
///     }
/// }
/// ```
///
/// # Testing your sink
///
/// Feature `test-util` has the suite [`test_util::conformance`](crate::test_util::conformance), which checks any sink
/// for order, capacity, replies beyond the limit and closing.
pub trait SignalSink: Send + Sync {
    /// Takes one signal, at once or not at all.
    ///
    /// # Errors
    ///
    /// [`SinkError::Full`] where the sink is at its limit and the signal is no reply; [`SinkError::Closed`] where
    /// nothing sent here can arrive any more. The signal was not taken.
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError>;

    /// As [`deliver`](Self::deliver), for a signal that is sent to nobody else after this: a sink may override it to keep
    /// the signal, or its bytes, without counting a reference.
    ///
    /// # Errors
    ///
    /// Those of [`deliver`](Self::deliver).
    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        self.deliver(&signal)
    }

    /// The connection is to end: send the close that `reason` asks for ([`CloseReason::code`]), then cut it.
    ///
    /// Called at most a few times and possibly after the connection has ended. The default does nothing, which suits
    /// only a transport without connections.
    fn close(&self, reason: CloseReason) {
        let _ = reason;
    }
}

impl<T: SignalSink + ?Sized> SignalSink for Arc<T> {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        (**self).deliver(signal)
    }

    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        (**self).deliver_owned(signal)
    }

    fn close(&self, reason: CloseReason) {
        (**self).close(reason);
    }
}

impl<T: SignalSink + ?Sized> SignalSink for Box<T> {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        (**self).deliver(signal)
    }

    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        (**self).deliver_owned(signal)
    }

    fn close(&self, reason: CloseReason) {
        (**self).close(reason);
    }
}

/// Why a sink did not take a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SinkError {
    /// The sink is at its limit: the client reads too slowly.
    #[error("the outbound queue is full")]
    Full,
    /// The connection has ended or is ending.
    #[error("the connection is closed")]
    Closed,
}

/// Why the library ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client reads too slowly for what others send it.
    SlowConsumer,
    /// The server stops.
    GoingAway,
}

impl CloseReason {
    /// The WebSocket close code (RFC 6455 section 7.4): 1013 for a slow consumer, 1001 when the server stops.
    pub const fn code(self) -> u16 {
        match self {
            Self::SlowConsumer => 1013,
            Self::GoingAway => 1001,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SlowConsumer => "reading too slowly",
            Self::GoingAway => "server is stopping",
        })
    }
}
