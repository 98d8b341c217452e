//! The field that all payloads have in common.

use crate::{
    voice::{
        VoiceError, VoiceIceCandidate, VoiceIceServersRequest, VoiceIceServersResponse,
        VoiceJoinRequest, VoiceJoinResponse, VoiceLeaveEvent, VoiceLeaveRequest,
        VoiceParticipantJoinedEvent, VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent,
        VoiceStateUpdate,
    },
    ws::envelope::Payload,
};

impl Payload {
    /// The channel that the message names, as the sender wrote it: it may be empty or too long.
    #[must_use]
    pub fn channel_id(&self) -> &str {
        match self {
            Self::VoiceJoinRequest(VoiceJoinRequest { channel_id })
            | Self::VoiceJoinResponse(VoiceJoinResponse { channel_id, .. })
            | Self::VoiceLeaveRequest(VoiceLeaveRequest { channel_id })
            | Self::VoiceLeaveEvent(VoiceLeaveEvent { channel_id, .. })
            | Self::VoiceSdpOffer(VoiceSdpOffer { channel_id, .. })
            | Self::VoiceSdpAnswer(VoiceSdpAnswer { channel_id, .. })
            | Self::VoiceIceCandidate(VoiceIceCandidate { channel_id, .. })
            | Self::VoiceStateUpdate(VoiceStateUpdate { channel_id, .. })
            | Self::VoiceSpeakingEvent(VoiceSpeakingEvent { channel_id, .. })
            | Self::VoiceParticipantJoinedEvent(VoiceParticipantJoinedEvent {
                channel_id, ..
            })
            | Self::VoiceError(VoiceError { channel_id, .. })
            | Self::VoiceIceServersRequest(VoiceIceServersRequest { channel_id })
            | Self::VoiceIceServersResponse(VoiceIceServersResponse { channel_id, .. }) => {
                channel_id
            }
        }
    }
}
