//! Requests of a client together with their answers, and the events that a client expects.

use crate::{
    Client, Codec, Server, expect_payload, request,
    voice::{
        VoiceErrorCode, VoiceIceServersResponse, VoiceJoinResponse, VoiceLeaveEvent,
        VoiceLeaveReason, VoiceParticipant, VoiceStateUpdate,
    },
    ws::Envelope,
};

/// Puts two new users, Ann and Bob, into the channel `general`. Ann joined first and has read the
/// event of Bob's join, so no message is left to read.
///
/// # Panics
/// If Ann or Bob can't sign in or join.
pub async fn pair(server: &Server, codec: Codec) -> (Client, Client) {
    let mut ann = Client::new(server, "Ann", codec).await;
    let mut bob = Client::new(server, "Bob", codec).await;
    ann.join("general").await;
    bob.join("general").await;
    ann.joined_event("general").await;
    (ann, bob)
}

impl Client {
    /// Joins a channel.
    ///
    /// # Panics
    /// If the server refuses, or answers about another channel.
    pub async fn join(&mut self, channel: &str) -> VoiceJoinResponse {
        let response = expect_payload!(self.ask(request::join(channel)).await, VoiceJoinResponse);
        assert_eq!(response.channel_id, channel);
        assert!(
            (1..=128).contains(&response.session_id.len()),
            "a session id: {:?}",
            response.session_id
        );
        self.session.clone_from(&response.session_id);
        response
    }

    /// Asks to join a channel, which the server must refuse.
    ///
    /// # Panics
    /// If the server accepts, or refuses with another code.
    pub async fn join_refused(&mut self, channel: &str, code: VoiceErrorCode) {
        self.refused_as(request::join(channel), code, channel).await;
    }

    /// Leaves a channel.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn leave(&mut self, channel: &str) -> VoiceLeaveEvent {
        let event = expect_payload!(self.ask(request::leave(channel)).await, VoiceLeaveEvent);
        assert_eq!(event.channel_id, channel);
        event
    }

    /// Sets this participant's state.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn set_state(
        &mut self,
        channel: &str,
        muted: bool,
        deafened: bool,
    ) -> VoiceStateUpdate {
        expect_payload!(
            self.ask(request::state(channel, muted, deafened)).await,
            VoiceStateUpdate
        )
    }

    /// Asks for ICE servers.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn ice_servers(&mut self, channel: &str) -> VoiceIceServersResponse {
        expect_payload!(
            self.ask(request::ice_servers(channel)).await,
            VoiceIceServersResponse
        )
    }

    /// Reads the next message, which must say that a participant joined this channel.
    ///
    /// # Panics
    /// If the next message is another.
    pub async fn joined_event(&mut self, channel: &str) -> VoiceParticipant {
        let event = expect_payload!(self.event().await, VoiceParticipantJoinedEvent);
        assert_eq!(event.channel_id, channel);
        event
            .participant
            .expect("a joined event names the participant")
    }

    /// Reads the next message, which must say that a participant left this channel for this reason.
    ///
    /// # Panics
    /// If the next message is another.
    pub async fn leave_event(
        &mut self,
        channel: &str,
        reason: VoiceLeaveReason,
    ) -> VoiceLeaveEvent {
        let event = expect_payload!(self.event().await, VoiceLeaveEvent);
        assert_eq!(
            (event.channel_id.as_str(), event.reason()),
            (channel, reason),
            "{event:?}"
        );
        event
    }

    /// Reads the next message, which must say that this connection lost its seat in this channel to
    /// another connection.
    ///
    /// # Panics
    /// If the next message is another.
    pub async fn replaced(&mut self, channel: &str) {
        let error = expect_payload!(self.event().await, VoiceError);
        assert_eq!(
            (error.code(), error.channel_id.as_str()),
            (VoiceErrorCode::SessionReplaced, channel)
        );
    }

    /// Sends a request that changes nothing, and reads up to its answer. Returns what came before
    /// the answer, and the answer's code: `NotInChannel`, or `RateLimited`. If there are several
    /// nodes, it waits a little for what others have sent. What comes later than that is not in the
    /// answer, so over nodes this shows less than over one.
    ///
    /// # Panics
    /// If the answer is no error, or if the connection ends.
    pub async fn catch_up(&mut self) -> (Vec<Envelope>, VoiceErrorCode) {
        tokio::time::sleep(self.lag).await;
        let request = request::ice_servers("nobody-is-in-this-channel");
        let id = self.send_request(request).await;
        let mut before = Vec::new();
        loop {
            let envelope = self.next().await;
            if envelope.request_id == id {
                let answer = envelope.payload.expect("decoding checks that");
                return (before, expect_payload!(answer, VoiceError).code());
            }
            before.push(envelope);
        }
    }

    /// Checks that no message waits.
    ///
    /// # Panics
    /// If one does.
    pub async fn expect_idle(&mut self) {
        assert_eq!(
            self.catch_up().await,
            (Vec::new(), VoiceErrorCode::NotInChannel),
            "{}",
            self.user.name
        );
    }
}
