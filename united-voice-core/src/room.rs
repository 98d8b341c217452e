//! The state of one room: who is in it, in which order, and what each told about itself.
//!
//! Pure: no lock, no clock, no sink. It decides and says what happened; the registry locks, tells and sends.

use std::num::NonZeroU32;

use united_voice_proto::voice::VoiceParticipant;

use crate::{Profile, SessionId, UserId};

/// The number of participants from which on a full mesh is warned about: the join that makes one more succeeds with
/// `quality_warning`.
pub const SOFT_CAP: usize = 8;

/// Somebody in a room, and what the owner of the room keeps with them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Member<H> {
    /// Who it is.
    pub user: UserId,
    /// This stay of this connection.
    pub session: SessionId,
    /// How the host introduces them.
    pub profile: Profile,
    /// The owner's: in the registry, the way to the member's connection.
    pub handle: H,
    /// A hash of the user's id, equal for equal ids: compared before the id is.
    pub hash: u32,
    /// The microphone is off.
    pub muted: bool,
    /// The headphones are off.
    pub deafened: bool,
}

impl<H> Member<H> {
    /// A member as they start: neither muted nor deafened.
    pub fn new(hash: u32, user: UserId, session: SessionId, profile: Profile, handle: H) -> Self {
        Self {
            user,
            session,
            profile,
            handle,
            hash,
            muted: false,
            deafened: false,
        }
    }

    /// The wire form.
    pub fn to_proto(&self) -> VoiceParticipant {
        VoiceParticipant {
            user_id: self.user.as_str().into(),
            display_name: self.profile.display_name().into(),
            pubkey: self.profile.pubkey().into(),
            muted: self.muted,
            deafened: self.deafened,
            session_id: self.session.to_text(),
        }
    }
}

/// The room has no seat left for somebody new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel is full")]
pub struct RoomFull;

/// The members of one room, in the order in which they joined.
///
/// A user is in it at most once, and all that changes or removes a member names the session, which is nobody else's.
#[derive(Debug, Clone)]
pub struct RoomState<H> {
    members: Vec<Member<H>>,
}

impl<H> Default for RoomState<H> {
    fn default() -> Self {
        Self {
            members: Vec::new(),
        }
    }
}

impl<H> RoomState<H> {
    /// How many are in the room.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is in the room.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members in the order in which they joined.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member<H>> {
        self.members.iter()
    }

    /// The member who is this user.
    pub fn find(&self, hash: u32, user: &str) -> Option<&Member<H>> {
        self.members.get(self.position(hash, user)?)
    }

    /// Whether `user` may take or keep a seat under `limit`: whoever is in the room already always may.
    ///
    /// # Errors
    ///
    /// [`RoomFull`] where there are `limit` members or more.
    pub fn check_seat(
        &self,
        hash: u32,
        user: &str,
        limit: Option<NonZeroU32>,
    ) -> Result<(), RoomFull> {
        let has_seat = limit.is_none_or(|limit| self.len() < limit.get() as usize);
        if has_seat || self.position(hash, user).is_some() {
            Ok(())
        } else {
            Err(RoomFull)
        }
    }

    /// Seats a member behind all others. A member who is the same user gives up the seat and is handed back.
    pub fn seat(&mut self, member: Member<H>) -> Option<Member<H>> {
        let replaced = self
            .position(member.hash, member.user.as_str())
            .map(|position| self.members.remove(position));
        self.members.push(member);
        replaced
    }

    /// Takes this session out. Nothing happens where its user is in the room by another session.
    pub fn unseat(&mut self, session: SessionId) -> Option<Member<H>> {
        let mut members = self.members.iter();
        let position = members.position(|member| member.session == session)?;
        Some(self.members.remove(position))
    }

    /// Records what this session told about itself; says whether it is in the room.
    pub fn set_state(&mut self, session: SessionId, muted: bool, deafened: bool) -> bool {
        let mut members = self.members.iter_mut();
        let member = members.find(|member| member.session == session);
        member.is_some_and(|member| {
            (member.muted, member.deafened) = (muted, deafened);
            true
        })
    }

    /// The wire form of everybody but `user`, in the order in which they joined.
    pub fn others(&self, user: &str) -> Vec<VoiceParticipant> {
        let members = self.members.iter();
        members
            .filter(|member| member.user.as_str() != user)
            .map(Member::to_proto)
            .collect()
    }

    fn position(&self, hash: u32, user: &str) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.hash == hash && member.user.as_str() == user)
    }
}
