//! The handle of a client.

use tokio::sync::{mpsc, oneshot};

use crate::{
    command::{Command, Content, Reply, State},
    error::{CommandError, JoinError, RequestError, SendError},
    event::{Peer, RelayId, Snapshot},
    wire::IceServer,
};

/// A connection to a voice server. It is reopened as long as a handle exists.
///
/// Clones are handles of the same connection. When the last handle is dropped, the client writes
/// what has had its turn and closes the connection with code 1000, and this leaves the channel.
/// [`close`](Self::close) does the same and waits for it.
///
/// Any number of tasks may call the methods. Messages go out in the order of the calls, except for
/// those that wait [for their turn](crate#pace).
///
/// # Cancel safety
///
/// Dropping the future of a method takes nothing back. If the command was not handed over yet,
/// nothing is sent. Otherwise it is carried out and nobody gets its answer. In any case the events
/// tell what a join or a leave did.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
}

impl Client {
    pub(crate) const fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Joins a channel, and leaves the one before in the same step. A refused join changes nothing,
    /// unless several servers lost each other meanwhile: then the connection may be closed with 1013,
    /// and the client comes back.
    ///
    /// While the client reconnects, this waits without limit. A later join or leave replaces it.
    /// After each reconnection the client joins the channel again, until it leaves the channel or
    /// is removed from it.
    ///
    /// The answer comes over the connection like any event. So keep reading the events while you
    /// wait: if their [queue](crate::Events#backpressure) runs full, the answer can't come.
    ///
    /// # Errors
    ///
    /// See [`JoinError`].
    pub async fn join(&self, channel_id: impl Into<String>) -> Result<Snapshot, JoinError> {
        let channel = channel_id.into();
        self.ask(|reply| Command::Join { channel, reply }).await
    }

    /// Leaves the channel. While the client reconnects, this only means that it will not go back
    /// into the channel. Relayed messages that still wait for their turn are dropped.
    ///
    /// If the server refuses the leave, the client asks again. If it does not let the client go
    /// within [`request_timeout`](crate::ClientBuilder::request_timeout), the client gives the
    /// connection up, and that frees the seat.
    ///
    /// # Errors
    ///
    /// See [`RequestError`]. It is [`NotInChannel`](RequestError::NotInChannel) if the client was
    /// in no channel. It is a [`Refusal`](crate::Refusal) if the server refused and you have asked
    /// for a join meanwhile.
    pub async fn leave(&self) -> Result<(), RequestError> {
        self.ask(|reply| Command::Leave { reply }).await
    }

    /// Tells the others whether the microphone and the headphones are off. It does not silence the
    /// sound itself.
    ///
    /// The client keeps the state, and tells it again in each channel that it joins later and after
    /// each reconnection. `Ok` means that the server knows the state, or that there is nobody to
    /// tell at present.
    ///
    /// # Errors
    ///
    /// See [`RequestError`].
    pub async fn set_state(&self, muted: bool, deafened: bool) -> Result<(), RequestError> {
        let state = State { muted, deafened };
        self.ask(|reply| Command::State { state, reply }).await
    }

    /// Asks for fresh ICE servers, with new TURN credentials.
    ///
    /// # Errors
    ///
    /// See [`RequestError`].
    pub async fn ice_servers(&self) -> Result<Vec<IceServer>, RequestError> {
        self.ask(|reply| Command::IceServers { reply }).await
    }

    /// Sends an SDP offer to a participant of the channel.
    ///
    /// Success is silent: `Ok` means that the message is on its way. If the server refuses it,
    /// [`Event::Refused`](crate::Event::Refused) names it by the id returned here. If the
    /// connection breaks, a message on its way may be lost, and no event tells of it.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn offer(
        &self,
        to: impl Into<Peer>,
        sdp: impl Into<String>,
    ) -> Result<RelayId, SendError> {
        self.relay(to.into(), Content::Offer(sdp.into())).await
    }

    /// Sends an SDP answer. Address it to the [`from`](crate::Description::from) of the offer, so
    /// that it reaches no other session of that user. Otherwise this is like
    /// [`offer`](Self::offer).
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn answer(
        &self,
        to: impl Into<Peer>,
        sdp: impl Into<String>,
    ) -> Result<RelayId, SendError> {
        self.relay(to.into(), Content::Answer(sdp.into())).await
    }

    /// Sends an ICE candidate, as `RTCIceCandidateInit` in JSON. Otherwise this is like
    /// [`offer`](Self::offer).
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn candidate(
        &self,
        to: impl Into<Peer>,
        candidate_json: impl Into<String>,
    ) -> Result<RelayId, SendError> {
        self.relay(to.into(), Content::Candidate(candidate_json.into()))
            .await
    }

    /// Tells the others that the user began or stopped speaking. Send only changes, and only a few
    /// a second: they count in the [rate](crate#pace).
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn speaking(&self, speaking: bool) -> Result<(), SendError> {
        self.ask(|reply| Command::Speaking { speaking, reply })
            .await
    }

    /// Ends the pause before the next attempt to reconnect, for example because the network came
    /// back.
    pub async fn retry_now(&self) {
        // An error means that the client has stopped, and then there is nothing to retry.
        let _ = self.commands.send(Command::RetryNow).await;
    }

    /// Closes the connection with code 1000 for all handles, and waits for the server's answer for
    /// at most 2 s.
    pub async fn close(self) {
        let (closed, done) = oneshot::channel();
        if self.commands.send(Command::Close { closed }).await.is_ok() {
            // An error means that another handle closed the connection first.
            let _ = done.await;
        }
    }

    /// Whether the client has stopped or was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    async fn relay(&self, to: Peer, content: Content) -> Result<RelayId, SendError> {
        self.ask(|reply| Command::Relay { to, content, reply })
            .await
    }

    /// Hands a command to the connection's task and waits for the answer. If the task has ended,
    /// the client is closed.
    async fn ask<T, E: CommandError>(
        &self,
        command: impl FnOnce(Reply<T, E>) -> Command,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(command(reply)).await.is_err() {
            return Err(E::CLOSED);
        }
        answer.await.unwrap_or(Err(E::CLOSED))
    }
}
