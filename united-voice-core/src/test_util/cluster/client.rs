//! The clients of the conformance suite, and what they send.

use std::{sync::Arc, time::SystemTime};

use parking_lot::{Mutex, MutexGuard};
use united_voice_proto::{
    voice::{
        VoiceIceCandidate, VoiceJoinRequest, VoiceLeaveReason as Reason, VoiceLeaveRequest,
        VoiceStateUpdate,
    },
    ws::{Envelope, envelope::Payload},
};

use super::directory::ClusterDirectory;
use crate::{
    ChannelId, UserId, VoiceConnection, VoiceServer, signaling::dispatch, test_util::RecordingSink,
};

/// A client without a transport.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) server: VoiceServer<ClusterDirectory>,
    pub(super) connection: VoiceConnection,
    pub(super) sink: Arc<RecordingSink>,
    pub(super) heard: Mutex<Vec<Envelope>>,
}

impl Client {
    pub(super) async fn send(&self, request_id: &str, payload: Payload) {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        };
        dispatch(&self.server, &self.connection, envelope, SystemTime::now()).await;
    }

    fn read(&self) -> MutexGuard<'_, Vec<Envelope>> {
        let mut heard = self.heard.lock();
        heard.extend(self.sink.take());
        heard
    }

    pub(super) fn take_reply(&self, request_id: &str) -> Option<Payload> {
        let mut heard = self.read();
        let is_it = |envelope: &Envelope| envelope.request_id == request_id;
        let position = heard.iter().position(is_it)?;
        heard.remove(position).payload
    }

    /// Everything unasked so far, one line each.
    pub(super) fn events(&self) -> Vec<String> {
        let heard = self.read();
        let unasked = heard
            .iter()
            .filter(|envelope| envelope.request_id.is_empty());
        unasked
            .filter_map(|envelope| Some(line(envelope.payload.as_ref()?)))
            .collect()
    }

    pub(super) fn forget_events(&self) {
        self.read()
            .retain(|envelope| !envelope.request_id.is_empty());
    }
}

pub(super) fn line(payload: &Payload) -> String {
    match payload {
        Payload::VoiceParticipantJoinedEvent(event) => {
            let who = event.participant.as_ref();
            format!(
                "joined {}",
                who.map_or("nobody", |who| who.user_id.as_str())
            )
        }
        Payload::VoiceLeaveEvent(event) => {
            let reason = event.reason().as_str_name();
            let reason = reason.trim_start_matches("VOICE_LEAVE_REASON_");
            format!("left {} {reason}", event.user_id)
        }
        Payload::VoiceStateUpdate(update) => {
            format!(
                "state {} {} {}",
                update.user_id, update.muted, update.deafened
            )
        }
        Payload::VoiceSpeakingEvent(event) => {
            format!("speaking {} {}", event.user_id, event.speaking)
        }
        Payload::VoiceIceCandidate(candidate) => {
            format!(
                "candidate {} {}",
                candidate.sender_user_id, candidate.candidate_json
            )
        }
        Payload::VoiceError(error) => {
            let code = error.code().as_str_name();
            format!("error {}", code.trim_start_matches("VOICE_ERROR_CODE_"))
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn short(reason: Reason) -> &'static str {
    reason
        .as_str_name()
        .trim_start_matches("VOICE_LEAVE_REASON_")
}

pub(super) fn user(id: &str) -> UserId {
    UserId::new(id).expect("a valid id")
}

pub(super) fn channel(id: &str) -> ChannelId {
    ChannelId::new(id).expect("a valid id")
}

pub(super) fn join(channel: &str) -> Payload {
    Payload::VoiceJoinRequest(VoiceJoinRequest {
        channel_id: channel.into(),
    })
}

pub(super) fn leave(channel: &str) -> Payload {
    Payload::VoiceLeaveRequest(VoiceLeaveRequest {
        channel_id: channel.into(),
    })
}

pub(super) fn state(channel: &str, muted: bool, deafened: bool) -> Payload {
    Payload::VoiceStateUpdate(VoiceStateUpdate {
        channel_id: channel.into(),
        muted,
        deafened,
        ..VoiceStateUpdate::default()
    })
}

pub(super) fn candidate(channel: &str, to: &str, number: usize) -> Payload {
    Payload::VoiceIceCandidate(VoiceIceCandidate {
        channel_id: channel.into(),
        target_user_id: to.into(),
        candidate_json: number.to_string(),
        ..VoiceIceCandidate::default()
    })
}
