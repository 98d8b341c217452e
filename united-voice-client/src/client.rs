//! The handle.

use tokio::sync::{mpsc, oneshot};

use crate::{
    ClientBuilder, IceServer, JoinError, Peer, RelayId, RequestError, SendError, Snapshot,
    command::{Command, Content, Reply, State},
};

/// A connection to a voice server, reopened for as long as there is a handle.
///
/// Clones are handles of the same connection. When the last is dropped, what has been sent is written and the connection
/// is closed with 1000, which leaves the channel; [`close`](Self::close) does the same and waits for it.
///
/// All methods may be called from any number of tasks. Messages go out in the order of the calls.
///
/// # Cancel safety
///
/// Dropping the future of a method takes nothing back: either the command was not handed over yet and nothing is sent, or it
/// is carried out and its answer goes nowhere. What a join or a leave did is told by the events in any case.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
}

impl Client {
    /// Settings of a client of the server at this URL, for example `wss://voice.example.org/ws`.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }

    pub(crate) const fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Joins a channel, leaving the one before in the same step. A refused join changes nothing.
    ///
    /// While the connection is being restored this waits for it without limit; a later join or leave takes its place. The
    /// channel is joined again after each reconnection, until one leaves it or is put out of it.
    ///
    /// The answer comes over the connection like any event: whoever awaits it must not let the
    /// [queue of events](crate::Events#backpressure) run full.
    ///
    /// # Errors
    ///
    /// See [`JoinError`].
    pub async fn join(&self, channel_id: impl Into<String>) -> Result<Snapshot, JoinError> {
        let channel = channel_id.into();
        self.ask(|reply| Command::Join { channel, reply })
            .await
            .unwrap_or(Err(JoinError::Closed))
    }

    /// Leaves the channel. While the connection is being restored, simply does not go back into it.
    ///
    /// # Errors
    ///
    /// See [`RequestError`]; [`NotInChannel`](RequestError::NotInChannel) where one was in none.
    pub async fn leave(&self) -> Result<(), RequestError> {
        self.ask(|reply| Command::Leave { reply })
            .await
            .unwrap_or(Err(RequestError::Closed))
    }

    /// Tells the others whether one's microphone and headphones are off. Silencing the sound itself is the caller's part.
    ///
    /// The state is kept and told again in each channel joined later and after each reconnection. `Ok` says that the server
    /// knows, or that there is nobody to tell at the moment.
    ///
    /// # Errors
    ///
    /// See [`RequestError`].
    pub async fn set_state(&self, muted: bool, deafened: bool) -> Result<(), RequestError> {
        let state = State { muted, deafened };
        self.ask(|reply| Command::State { state, reply })
            .await
            .unwrap_or(Err(RequestError::Closed))
    }

    /// Fresh ICE servers, with TURN credentials of full life.
    ///
    /// # Errors
    ///
    /// See [`RequestError`].
    pub async fn ice_servers(&self) -> Result<Vec<IceServer>, RequestError> {
        self.ask(|reply| Command::IceServers { reply })
            .await
            .unwrap_or(Err(RequestError::Closed))
    }

    /// Sends an SDP offer to somebody in the channel.
    ///
    /// Success is silent: `Ok` says that the message is on its way. If the server refuses it,
    /// [`Event::Refused`](crate::Event::Refused) names it by this id. A message on its way when the connection breaks may
    /// be lost without a word.
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

    /// Sends an SDP answer: to the [`from`](crate::Description::from) of the offer, so that it reaches no other connection
    /// of that user. As for the rest, see [`offer`](Self::offer).
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

    /// Sends an ICE candidate, as `RTCIceCandidateInit` in JSON. As for the rest, see [`offer`](Self::offer).
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

    /// Tells the others that one began or stopped speaking. Send changes only, a few a second: servers limit the rate.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn speaking(&self, speaking: bool) -> Result<(), SendError> {
        self.ask(|reply| Command::Speaking { speaking, reply })
            .await
            .unwrap_or(Err(SendError::Closed))
    }

    /// Does not wait any longer for the next attempt to reconnect: the network came back, or somebody pressed a button.
    pub async fn retry_now(&self) {
        // An error says that the client has stopped, and then there is nothing to retry.
        let _ = self.commands.send(Command::RetryNow).await;
    }

    /// Closes the connection with 1000 for all handles and waits for the server's answer, 2 s at most.
    pub async fn close(self) {
        let (closed, done) = oneshot::channel();
        if self.commands.send(Command::Close { closed }).await.is_ok() {
            // An error says that another handle was quicker.
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
            .unwrap_or(Err(SendError::Closed))
    }

    /// `None` where the task is gone.
    async fn ask<T, E>(
        &self,
        command: impl FnOnce(Reply<T, E>) -> Command,
    ) -> Option<Result<T, E>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}
