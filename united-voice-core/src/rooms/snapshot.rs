//! What a join found, and what it brought.

use united_voice_proto::voice::VoiceParticipant;

use crate::{
    SessionId,
    rooms::{cell::Members, room::SOFT_CAP},
};

/// What a join found: the material of its response.
#[derive(Debug)]
pub(crate) struct JoinSnapshot {
    /// The others, in the order in which they joined.
    pub(crate) participants: Vec<VoiceParticipant>,
    /// More than [`SOFT_CAP`] are in the channel now.
    pub(crate) quality_warning: bool,
    /// The joiner's session.
    pub(crate) session: SessionId,
    /// The connection sat in the channel already.
    pub(crate) is_rejoin: bool,
}

impl JoinSnapshot {
    /// The room as `user` finds it. The room is locked until the response is on its way.
    pub(crate) fn of(members: &Members, user: &str, session: SessionId, is_rejoin: bool) -> Self {
        let participants = members.others(user);
        Self {
            quality_warning: participants.len() >= SOFT_CAP,
            participants,
            session,
            is_rejoin,
        }
    }
}

/// What a join brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joined {
    pub(crate) session: SessionId,
    /// The connection sat in the channel already.
    pub(crate) is_rejoin: bool,
    /// The size of the response in protobuf, if the join is charged.
    pub(crate) response_bytes: Option<usize>,
}
