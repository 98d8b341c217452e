//! What a client asks for and what it is told, beyond single messages.

use crate::{
    Client, Codec, Server, expect_payload, request,
    voice::{
        VoiceErrorCode, VoiceIceServersResponse, VoiceJoinResponse, VoiceLeaveEvent,
        VoiceLeaveReason, VoiceParticipant, VoiceStateUpdate,
    },
};

/// Ann and Bob, new users in the channel `general`. Ann joined first and has received the event of
/// Bob's join, so neither of them has a message left to read.
///
/// # Panics
/// If one of them can't sign in or join.
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
    /// If that is refused, or answered about another channel.
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

    /// Asks to join a channel and is refused.
    ///
    /// # Panics
    /// If it is let in or the refusal is another.
    pub async fn join_refused(&mut self, channel: &str, code: VoiceErrorCode) {
        self.refused_as(request::join(channel), code, channel).await;
    }

    /// Leaves a channel.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn leave(&mut self, channel: &str) -> VoiceLeaveEvent {
        let event = expect_payload!(self.ask(request::leave(channel)).await, VoiceLeaveEvent);
        assert_eq!(event.channel_id, channel);
        event
    }

    /// Sets one's state.
    ///
    /// # Panics
    /// If that is refused.
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
    /// If that is refused.
    pub async fn ice_servers(&mut self, channel: &str) -> VoiceIceServersResponse {
        expect_payload!(
            self.ask(request::ice_servers(channel)).await,
            VoiceIceServersResponse
        )
    }

    /// The next message: a participant joined this channel.
    ///
    /// # Panics
    /// If it is another.
    pub async fn joined_event(&mut self, channel: &str) -> VoiceParticipant {
        let event = expect_payload!(self.event().await, VoiceParticipantJoinedEvent);
        assert_eq!(event.channel_id, channel);
        event
            .participant
            .expect("a joined event names the participant")
    }

    /// The next message: somebody left this channel for this reason.
    ///
    /// # Panics
    /// If it is another.
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

    /// The next message: this connection lost its seat in this channel to another one.
    ///
    /// # Panics
    /// If it is another.
    pub async fn replaced(&mut self, channel: &str) {
        let error = expect_payload!(self.event().await, VoiceError);
        assert_eq!(
            (error.code(), error.channel_id.as_str()),
            (VoiceErrorCode::SessionReplaced, channel)
        );
    }

    /// Nothing has come since the last message: a question of one's own is answered next.
    ///
    /// # Panics
    /// If something else comes first.
    pub async fn expect_idle(&mut self) {
        let error = self
            .refused(request::ice_servers("nobody-is-in-this-channel"))
            .await;
        assert_eq!(error.code(), VoiceErrorCode::NotInChannel);
    }
}
