//! Where signals go: the trait that a transport implements.

use std::{fmt, sync::Arc};

use crate::Signal;

/// One connection's way out.
///
/// A host that has sockets, queues or actors of its own implements this trait in a few lines.
/// [`outbound_queue`](crate::outbound_queue) is a ready implementation that ends in a `Stream`.
///
/// # Delivery order
///
/// Signals must reach the client in the order in which the sink accepted them. The order of these
/// calls is the order of a channel's events; a client that sees another order has a wrong roster.
///
/// # Backpressure
///
/// `deliver` never waits. A sink has a limit, in messages and in bytes. What becomes of a signal
/// beyond the limit depends on its [urgency](Signal::urgency), and on whether the client is *busy*
/// or *stalled*. A client has stalled if something waits for its socket and the socket has taken
/// nothing for a second. A client with a full sink that has not stalled is busy.
///
/// | | busy client | stalled client |
/// | --- | --- | --- |
/// | reply | taken | taken |
/// | droppable | [`SinkError::Full`] | [`SinkError::Full`] |
/// | relay | [`SinkError::Busy`] | [`SinkError::Full`] |
/// | event | taken up to twice the limit, then [`SinkError::Full`] | [`SinkError::Full`] |
///
/// - A sink accepts a [`Reply`](crate::Urgency::Reply) even beyond the limit, since its recipient
///   asked for it. The connection then reads no more requests until the sink is below its limit
///   again.
/// - After `Busy` the registry tells the sender of the relay that it was refused. Nothing else
///   happens, and the next relay may be taken.
/// - After `Full` for a relay or an event the registry evicts the member, which ends in
///   [`SignalSink::close`]. So a client that reads as fast as its line allows is not put out by
///   other members who send more.
///
/// A sink that cannot tell the two apart takes its client for a busy one. It needs no clock, and
/// its client is evicted by events alone. A sink that knows only a limit may answer `Full` to
/// everything beyond it; then others can put its client out with a burst.
///
/// Once a sink has answered `Full` to a relay or an event, it should refuse all later relays and
/// events: a stream with a hole in it is worse than one that ends.
///
/// # Encoding
///
/// A sink asks the signal for the form that its client speaks: [`Signal::as_protobuf`],
/// [`Signal::as_json`], or [`Signal::envelope`] for a client in the same process. The first sink
/// that asks for a form makes it, and all others get the same. So ask within `deliver`, before you
/// clone the signal: a clone that is made too early lacks the form, and every recipient makes its
/// own.
///
/// # Locking
///
/// The registry holds locks when it calls `deliver` and `close`. They must not block, must not call
/// the registry or a connection, and must not panic. They may wake a task, and they may take a
/// short lock of their own if they hold it across nothing else.
///
/// # Implementing
///
/// Wrong: the queue grows without bound, and a client that stopped reading takes the server down
/// with it.
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
/// Right, for a host whose clients' queues already exist and whose protocol has an envelope of its
/// own:
///
/// ```
/// # use united_voice_core::{Signal, SignalSink, SinkError, Urgency, proto::ws::envelope::Payload};
/// # enum HostMessage { Voice(String, Payload) }
/// use std::{collections::VecDeque, sync::{Arc, Mutex}};
///
/// struct HostSink {
///     /// One lock for the check and the push: two signals can't both take the last place.
///     outbox: Arc<Mutex<Outbox>>,
///     writer: Arc<tokio::sync::Notify>,
/// }
///
/// struct Outbox {
///     waiting: VecDeque<HostMessage>,
///     /// How many of them are replies. The writer subtracts those that it has sent.
///     replies: usize,
///     /// An event was refused: only replies may follow.
///     overflowed: bool,
/// }
///
/// impl SignalSink for HostSink {
///     fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
///         let message = HostMessage::Voice(signal.request_id().into(), signal.payload().clone());
///         let mut outbox = self.outbox.lock().map_err(|_| SinkError::Closed)?;
///         let (waiting, overflowed) = (outbox.waiting.len(), outbox.overflowed);
///         match signal.urgency() {
///             // Replies may exceed the limit; this client's requests are not read until they fit.
///             Urgency::Reply => outbox.replies += 1,
///             _ if !overflowed && waiting < 256 => {}
///             Urgency::Event if !overflowed && waiting - outbox.replies < 512 => {}
///             Urgency::Relay if !overflowed => return Err(SinkError::Busy),
///             Urgency::Droppable => return Err(SinkError::Full),
///             _ => {
///                 outbox.overflowed = true;
///                 return Err(SinkError::Full);
///             }
///         }
///         outbox.waiting.push_back(message);
///         self.writer.notify_one();
///         Ok(())
///     }
/// }
/// ```
///
/// # Testing your sink
///
/// Feature `test-util` has the suite [`test_util::conformance`](crate::test_util::conformance),
/// which checks any sink for order, capacity, relays and replies beyond the limit, and closing.
pub trait SignalSink: Send + Sync {
    /// Takes one signal, at once or not at all.
    ///
    /// # Errors
    ///
    /// [`SinkError::Busy`] or [`SinkError::Full`] if the sink is at its limit; the table above says
    /// which. [`SinkError::Closed`] if nothing that is sent here can arrive any more. In each case
    /// the sink did not take the signal.
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError>;

    /// Like [`deliver`](Self::deliver), for a signal that has no other recipient after this one: a
    /// relay or a reply. A sink that keeps the signal or its bytes overrides this to take them,
    /// which saves a relay an allocation.
    ///
    /// # Errors
    ///
    /// Those of [`deliver`](Self::deliver).
    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        self.deliver(&signal)
    }

    /// The connection is to end: send the close that `reason` asks for ([`CloseReason::code`]),
    /// then cut the connection.
    ///
    /// The registry may call this more than once, and after the connection has ended. The default
    /// does nothing, which suits only a transport without connections.
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

/// Why a sink did not take a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SinkError {
    /// The sink is at its limit, and the client reads: a relay has to wait. If the signal is an
    /// event, this is the same as [`Full`](Self::Full), because an event must not be lost.
    #[error("the outbound queue is full at the moment")]
    Busy,
    /// The sink is at its limit, and the client does not read, or reads too slowly.
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
    /// The client reads nothing, or too slowly for the events of its channel.
    SlowConsumer,
    /// The server stops.
    GoingAway,
    /// The cluster lost the connection's seat. The client comes back as a newcomer.
    #[cfg(feature = "cluster")]
    SeatLost,
}

impl CloseReason {
    /// The WebSocket close code (RFC 6455 section 7.4): 1001 if the server stops, and 1013 (try
    /// again later) otherwise.
    pub const fn code(self) -> u16 {
        match self {
            Self::SlowConsumer => 1013,
            Self::GoingAway => 1001,
            #[cfg(feature = "cluster")]
            Self::SeatLost => 1013,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SlowConsumer => "reading too slowly",
            Self::GoingAway => "server is stopping",
            #[cfg(feature = "cluster")]
            Self::SeatLost => "the seat was lost, join again",
        })
    }
}
