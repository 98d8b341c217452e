//! What a connection wants done with its socket.

#[cfg(doc)]
use crate::ConnectionMachine;
use crate::{CloseFrame, Disconnect, Signal};

/// What a [`ConnectionMachine`] wants done with its socket.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// Write this signal. [`ConnectionMachine::encode`] makes a frame of it. Signals come as steps
    /// only if the machine has the queue: see [`ConnectionMachine::open`].
    Signal(Signal),
    /// Send a ping. Any message that the client sends next counts as the answer.
    Ping,
    /// Read the socket again: the message that had to wait was handled, so
    /// [`ConnectionMachine::wants_input`] has become true. Only [`ConnectionMachine::step`] gives
    /// this step, to a loop that has stopped reading and waits for nothing else.
    Read,
    /// Send this close frame, and go on with the machine until [`Step::End`]. As soon as the next
    /// step is asked for with `writable`, the frame counts as sent. Then the host goes on reading
    /// for [`Limits::linger`](crate::Limits::linger), and the machine drops what comes. So closing
    /// the socket does not destroy the frame on its way.
    ///
    /// The seat is free already. If the client closed first, a transport that answers close frames
    /// by itself may refuse this one.
    Close(Option<CloseFrame>),
    /// The connection is over: drop the socket. From now on every step is this one.
    End(Disconnect),
}
