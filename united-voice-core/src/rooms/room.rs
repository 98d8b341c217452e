//! The state of one room: who is in it, in which order, and what each told about itself.
//!
//! Pure: no lock, no clock, no sink. It decides and says what happened; the registry locks, tells and sends.

use std::num::NonZeroU32;

use united_voice_proto::voice::VoiceParticipant;

use crate::{Profile, SessionId, UserId};

/// The number of participants from which on a full mesh is warned about: the join that makes one more succeeds with
/// `quality_warning`.
pub const SOFT_CAP: usize = 8;

/// Somebody in a room: who they are, and what they told about themselves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Participant {
    /// Who it is.
    pub user: UserId,
    /// A hash of the user's id, equal for equal ids: compared before the id is.
    pub hash: u16,
    /// The microphone is off.
    pub muted: bool,
    /// The headphones are off.
    pub deafened: bool,
    /// How the host introduces them, in parts that leave no gap.
    profile_text: Box<str>,
    name_bytes: u32,
}

impl Participant {
    /// The name to show.
    pub fn display_name(&self) -> &str {
        Profile::split(&self.profile_text, self.name_bytes).0
    }

    /// The public key; empty where the client chose none.
    pub fn pubkey(&self) -> &str {
        Profile::split(&self.profile_text, self.name_bytes).1
    }
}

/// A participant, their stay, and what the owner of the room keeps with them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Member<H> {
    /// Who it is.
    pub participant: Participant,
    /// This stay of this connection.
    pub session: SessionId,
    /// The owner's: in the registry, the way to the member's connection.
    pub handle: H,
}

impl<H> Member<H> {
    /// A member as they start: neither muted nor deafened.
    pub fn new(hash: u16, user: UserId, session: SessionId, profile: Profile, handle: H) -> Self {
        let (profile_text, name_bytes) = profile.into_parts();
        Self {
            participant: Participant {
                user,
                hash,
                muted: false,
                deafened: false,
                profile_text,
                name_bytes,
            },
            session,
            handle,
        }
    }

    /// The member as one in a room is seen.
    pub const fn as_ref(&self) -> MemberRef<'_, H> {
        MemberRef {
            participant: &self.participant,
            session: self.session,
            handle: &self.handle,
        }
    }
}

/// A [`Member`] in a room.
#[derive(Debug)]
#[non_exhaustive]
pub struct MemberRef<'a, H> {
    /// Who it is.
    pub participant: &'a Participant,
    /// This stay of this connection.
    pub session: SessionId,
    /// The owner's.
    pub handle: &'a H,
}

impl<H> Clone for MemberRef<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for MemberRef<'_, H> {}

impl<H> MemberRef<'_, H> {
    /// The wire form.
    pub fn to_proto(&self) -> VoiceParticipant {
        let participant = self.participant;
        VoiceParticipant {
            user_id: participant.user.as_str().into(),
            display_name: participant.display_name().into(),
            pubkey: participant.pubkey().into(),
            muted: participant.muted,
            deafened: participant.deafened,
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
    participants: Vec<Participant>,
    /// Of each participant the session and the handle. They have a list of their own since a broadcast looks at nothing else,
    /// and in a large room should find all of them in the processor's first cache.
    ways: Vec<(SessionId, H)>,
}

impl<H> Default for RoomState<H> {
    fn default() -> Self {
        Self {
            participants: Vec::new(),
            ways: Vec::new(),
        }
    }
}

impl<H> RoomState<H> {
    /// How many are in the room.
    pub fn len(&self) -> usize {
        self.participants.len()
    }

    /// Whether nobody is in the room.
    pub fn is_empty(&self) -> bool {
        self.participants.is_empty()
    }

    /// The members in the order in which they joined.
    pub fn members(&self) -> impl ExactSizeIterator<Item = MemberRef<'_, H>> {
        let both = self.participants.iter().zip(&self.ways);
        both.map(|(participant, (session, handle))| MemberRef {
            participant,
            session: *session,
            handle,
        })
    }

    /// The member who is this user.
    pub fn find(&self, hash: u16, user: &str) -> Option<MemberRef<'_, H>> {
        let position = self.position(hash, user)?;
        let (session, handle) = &self.ways[position];
        Some(MemberRef {
            participant: &self.participants[position],
            session: *session,
            handle,
        })
    }

    /// Whether `user` may take or keep a seat under `limit`: whoever is in the room already always may.
    ///
    /// # Errors
    ///
    /// [`RoomFull`] where there are `limit` members or more.
    pub fn check_seat(
        &self,
        hash: u16,
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
        let participant = member.participant;
        let replaced = self
            .position(participant.hash, participant.user.as_str())
            .map(|position| self.remove(position));
        self.participants.push(participant);
        self.ways.push((member.session, member.handle));
        replaced
    }

    /// Takes this session out. Nothing happens where its user is in the room by another session.
    pub fn unseat(&mut self, session: SessionId) -> Option<Member<H>> {
        let position = self.position_of(session)?;
        Some(self.remove(position))
    }

    /// Records what this session told about itself; says whether it is in the room.
    pub fn set_state(&mut self, session: SessionId, muted: bool, deafened: bool) -> bool {
        let position = self.position_of(session);
        position.is_some_and(|position| {
            let participant = &mut self.participants[position];
            (participant.muted, participant.deafened) = (muted, deafened);
            true
        })
    }

    /// The wire form of everybody but `user`, in the order in which they joined.
    pub fn others(&self, user: &str) -> Vec<VoiceParticipant> {
        self.members()
            .filter(|member| member.participant.user.as_str() != user)
            .map(|member| member.to_proto())
            .collect()
    }

    fn remove(&mut self, position: usize) -> Member<H> {
        let (session, handle) = self.ways.remove(position);
        Member {
            participant: self.participants.remove(position),
            session,
            handle,
        }
    }

    fn position(&self, hash: u16, user: &str) -> Option<usize> {
        self.participants
            .iter()
            .position(|member| member.hash == hash && member.user.as_str() == user)
    }

    fn position_of(&self, session: SessionId) -> Option<usize> {
        self.ways.iter().position(|way| way.0 == session)
    }
}
