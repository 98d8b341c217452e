//! Between core's types and those of the engine.

use prost::Message as _;
use united_voice_core::{
    ChannelId, Profile, SessionId, UserId,
    cluster::{self, Asked, NodeId, OwnSeat, RosterMember},
    proto::voice::{VoiceLeaveReason, VoiceParticipant},
};

use crate::{Flags, Member, Nid, Operation, Refusal, Seat};

/// The operation, and who asked.
pub(super) fn operation(operation: cluster::Operation) -> Option<(Operation, Asked)> {
    match operation {
        cluster::Operation::Join {
            session,
            user,
            channel,
            profile,
            limit,
            policy,
            asked,
            ..
        } => {
            let operation = Operation::Join {
                session: session.to_u64(),
                user: user.as_str().into(),
                channel: channel.as_str().into(),
                limit,
                epoch: policy,
                profile: profile_bytes(&profile),
            };
            Some((operation, asked))
        }
        cluster::Operation::Leave {
            session,
            user,
            reason,
            asked,
            ..
        } => {
            let operation = Operation::Leave {
                session: session.to_u64(),
                user: user.as_str().into(),
                reason: reason_number(reason),
            };
            Some((operation, asked))
        }
        cluster::Operation::State {
            session,
            user,
            muted,
            deafened,
            asked,
            ..
        } => {
            let operation = Operation::State {
                session: session.to_u64(),
                user: user.as_str().into(),
                flags: Flags::own(muted, deafened),
            };
            Some((operation, asked))
        }
        _ => None,
    }
}

/// A member as this node's core sees it. `None` if the engine has what is no id, which only a fault
/// of another node can bring about.
pub(super) fn member(member: &Member, me: u32) -> Option<RosterMember> {
    let profile = VoiceParticipant::decode(&*member.profile).ok()?;
    Some(RosterMember {
        node: if member.nid.node == me {
            None
        } else {
            Some(NodeId::new(member.nid.node.try_into().ok()?))
        },
        session: SessionId::from_u64(member.session),
        user: UserId::new(&member.user).ok()?,
        profile: Profile::new(profile.display_name).with_pubkey(profile.pubkey),
        muted: member.flags.muted(),
        deafened: member.flags.deafened(),
        version: member.version,
    })
}

/// A member as clients see it.
pub(super) fn participant(member: Member) -> VoiceParticipant {
    let profile = VoiceParticipant::decode(&*member.profile).unwrap_or_default();
    VoiceParticipant {
        user_id: member.user,
        muted: member.flags.muted(),
        deafened: member.flags.deafened(),
        session_id: SessionId::from_u64(member.session).to_string(),
        ..profile
    }
}

/// A seat to be put back.
pub(super) fn seat(seat: &OwnSeat, nid: Nid) -> Seat {
    Seat {
        channel: seat.channel.as_str().into(),
        member: Member {
            session: seat.session.to_u64(),
            version: seat.version,
            nid,
            flags: Flags::own(seat.muted, seat.deafened),
            limit: seat.limit,
            user: seat.user.as_str().into(),
            profile: profile_bytes(&seat.profile),
        },
    }
}

pub(super) fn channel(text: &str) -> Option<ChannelId> {
    ChannelId::new(text).ok()
}

pub(super) fn refusal(refusal: Refusal) -> cluster::Refusal {
    match refusal {
        Refusal::Full => cluster::Refusal::Full,
        Refusal::Policy { .. } => cluster::Refusal::PolicyChanged,
        Refusal::Stale => cluster::Refusal::NotInChannel,
        Refusal::Recovering | Refusal::NoMemory | Refusal::Unknown(_) => {
            cluster::Refusal::Unavailable
        }
    }
}

pub(super) fn reason_number(reason: VoiceLeaveReason) -> u8 {
    // The protocol has a handful of them.
    u8::try_from(i32::from(reason)).unwrap_or_default()
}

pub(super) fn reason(number: u8) -> VoiceLeaveReason {
    let known = VoiceLeaveReason::try_from(i32::from(number));
    known.unwrap_or(VoiceLeaveReason::Disconnected)
}

fn profile_bytes(profile: &Profile) -> Vec<u8> {
    let participant = VoiceParticipant {
        display_name: profile.display_name().into(),
        pubkey: profile.pubkey().into(),
        ..VoiceParticipant::default()
    };
    participant.encode_to_vec()
}
