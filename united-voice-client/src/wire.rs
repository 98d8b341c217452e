//! Types of the wire that this crate shows as they are, under shorter names.

pub use united_voice_proto::voice::{
    IceServer, VoiceErrorCode as ErrorCode, VoiceLeaveReason as LeaveReason,
    VoiceParticipant as Participant,
};
