//! The state of one room: its members in joining order, and what each said about itself.
//!
//! Pure: no lock, no clock, no sink. Requests are decided against it (`join.rs`, `relay.rs`), and
//! `change.rs` changes it.

use std::{hash::BuildHasher, num::NonZeroU32, ops::Range};

use foldhash::fast::FixedState;
use united_voice_proto::voice::VoiceParticipant;

use crate::{Profile, SessionId, UserId};

/// The number of participants up to which a full mesh works well (8). A join that makes one more
/// succeeds, and its response has `quality_warning`.
pub const SOFT_CAP: usize = 8;

/// Somebody in a room: the user, and what they said about themselves.
#[derive(Debug, Clone)]
pub(crate) struct Participant {
    pub(crate) user: UserId,
    pub(crate) profile: Profile,
    /// A part of the hash of the user's id. A search compares it before it compares the ids. It
    /// differs between nearly all members of a room, so a search reads few texts.
    hash: u16,
    pub(crate) muted: bool,
    pub(crate) deafened: bool,
    #[cfg(feature = "cluster")]
    pub(crate) place: Place,
}

/// Where a member's connection is, and when the member joined. Without a cluster it is here.
#[cfg(feature = "cluster")]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    /// `None` for this node.
    pub(crate) node: Option<crate::cluster::NodeId>,
    /// The limit under which a member of this node joined.
    pub(crate) limit: Option<NonZeroU32>,
    /// The engine's number for the join. 0 until the engine has decided.
    pub(crate) version: u64,
}

impl Participant {
    /// Whether the member's connection is to this process.
    #[inline]
    pub(crate) const fn is_here(&self) -> bool {
        #[cfg(feature = "cluster")]
        return self.place.node.is_none();
        #[cfg(not(feature = "cluster"))]
        true
    }
}

/// A participant with their session, and with what the owner of the room keeps for them.
#[derive(Debug, Clone)]
pub(crate) struct Member<H> {
    pub(crate) participant: Participant,
    pub(crate) session: SessionId,
    /// What the owner of the room keeps for the member. In the registry it is the sink of their
    /// connection.
    pub(crate) handle: H,
}

impl<H> Member<H> {
    /// A member as they start: neither muted nor deafened.
    pub(crate) fn new(user: UserId, session: SessionId, profile: Profile, handle: H) -> Self {
        Self {
            participant: Participant {
                hash: hash(user.as_str()),
                user,
                profile,
                muted: false,
                deafened: false,
                #[cfg(feature = "cluster")]
                place: Place::default(),
            },
            session,
            handle,
        }
    }

    pub(crate) const fn as_ref(&self) -> MemberRef<'_, H> {
        MemberRef {
            participant: &self.participant,
            session: self.session,
            handle: &self.handle,
        }
    }
}

/// A borrowed [`Member`] of a room.
#[derive(Debug)]
pub(crate) struct MemberRef<'a, H> {
    pub(crate) participant: &'a Participant,
    pub(crate) session: SessionId,
    pub(crate) handle: &'a H,
}

impl<H> Clone for MemberRef<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for MemberRef<'_, H> {}

impl<H> MemberRef<'_, H> {
    /// The wire form.
    pub(crate) fn to_proto(self) -> VoiceParticipant {
        let participant = self.participant;
        VoiceParticipant {
            user_id: participant.user.as_str().into(),
            display_name: participant.profile.display_name().into(),
            pubkey: participant.profile.pubkey().into(),
            muted: participant.muted,
            deafened: participant.deafened,
            session_id: self.session.to_text(),
        }
    }
}

/// The room has no seat left for somebody new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoomFull;

/// The members of one room, in the order in which they joined.
///
/// A user is in it at most once. Everything that changes or removes a member names the session, so
/// that what an older connection does late cannot touch its successor.
#[derive(Debug, Clone)]
pub(crate) struct RoomState<H> {
    participants: Vec<Participant>,
    /// The session and the handle of each participant, in the same order. A broadcast reads nothing
    /// else, and the list of a large room fits into the processor's first cache only because it has
    /// nothing else in it.
    recipients: Vec<Recipient<H>>,
}

#[derive(Debug, Clone)]
struct Recipient<H> {
    session: SessionId,
    handle: H,
}

impl<H> Default for RoomState<H> {
    fn default() -> Self {
        Self {
            participants: Vec::new(),
            recipients: Vec::new(),
        }
    }
}

impl<H> RoomState<H> {
    pub(crate) fn len(&self) -> usize {
        self.participants.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.participants.is_empty()
    }

    /// Whether a member is connected to this process. A room without one is removed.
    pub(crate) fn is_attended(&self) -> bool {
        self.participants.iter().any(Participant::is_here)
    }

    /// Whether the member at this position is connected to this process.
    pub(crate) fn is_here(&self, position: usize) -> bool {
        let member = self.participants.get(position);
        member.is_some_and(Participant::is_here)
    }

    /// The members in the order in which they joined.
    pub(crate) fn members(&self) -> impl ExactSizeIterator<Item = MemberRef<'_, H>> {
        let both = self.participants.iter().zip(&self.recipients);
        both.map(|(participant, recipient)| MemberRef {
            participant,
            session: recipient.session,
            handle: &recipient.handle,
        })
    }

    /// The member that is this user.
    pub(crate) fn find(&self, user: &str) -> Option<MemberRef<'_, H>> {
        let position = self.position(hash(user), user)?;
        let recipient = &self.recipients[position];
        Some(MemberRef {
            participant: &self.participants[position],
            session: recipient.session,
            handle: &recipient.handle,
        })
    }

    /// Whether `user` may take or keep a seat under `limit`. A user who is in the room may always
    /// stay in it.
    ///
    /// # Errors
    ///
    /// [`RoomFull`] if there are `limit` members or more.
    pub(crate) fn check_seat(&self, user: &str, limit: Option<NonZeroU32>) -> Result<(), RoomFull> {
        let has_room = limit.is_none_or(|limit| self.len() < limit.get() as usize);
        if has_room || self.find(user).is_some() {
            Ok(())
        } else {
            Err(RoomFull)
        }
    }

    /// Seats a member behind all others. If the same user is in the room by another session, that
    /// member gives up the seat and is handed back.
    pub(crate) fn seat(&mut self, member: Member<H>) -> Option<Member<H>> {
        let participant = member.participant;
        let replaced = self
            .position(participant.hash, participant.user.as_str())
            .map(|position| self.remove(position));
        self.participants.push(participant);
        self.recipients.push(Recipient {
            session: member.session,
            handle: member.handle,
        });
        replaced
    }

    /// Takes this session out. Nothing happens if its user is in the room by another session.
    pub(crate) fn unseat(&mut self, session: SessionId) -> Option<Member<H>> {
        let position = self.position_of(session)?;
        Some(self.remove(position))
    }

    /// Where in the room a session sits: its place in the order of joining.
    pub(crate) fn position_of(&self, session: SessionId) -> Option<usize> {
        let mut recipients = self.recipients.iter();
        recipients.position(|recipient| recipient.session == session)
    }

    /// Records what the member at this position said about itself.
    pub(crate) fn set_state(&mut self, position: usize, muted: bool, deafened: bool) {
        if let Some(participant) = self.participants.get_mut(position) {
            (participant.muted, participant.deafened) = (muted, deafened);
        }
    }

    /// The nodes of the members that are connected to other processes.
    #[cfg(feature = "cluster")]
    pub(crate) fn nodes(&self) -> impl Iterator<Item = crate::cluster::NodeId> {
        self.participants
            .iter()
            .filter_map(|participant| participant.place.node)
    }

    /// Notes the engine's number for the join of the member at this position.
    #[cfg(feature = "cluster")]
    pub(crate) fn set_version(&mut self, position: usize, version: u64) {
        if let Some(participant) = self.participants.get_mut(position) {
            participant.place.version = version;
        }
    }

    /// Puts the members into the order of the engine's numbers.
    #[cfg(feature = "cluster")]
    pub(crate) fn sort_by_version(&mut self) {
        let version = |participant: &Participant| participant.place.version;
        if self.participants.is_sorted_by_key(version) {
            return;
        }
        let participants = std::mem::take(&mut self.participants);
        let recipients = std::mem::take(&mut self.recipients);
        let mut both: Vec<_> = participants.into_iter().zip(recipients).collect();
        both.sort_by_key(|(participant, _)| participant.place.version);
        (self.participants, self.recipients) = both.into_iter().unzip();
    }

    /// Notes where the member at this position is.
    #[cfg(feature = "cluster")]
    pub(crate) fn set_place(&mut self, position: usize, place: Place) {
        if let Some(participant) = self.participants.get_mut(position) {
            participant.place = place;
        }
    }

    /// Puts another handle in the place of a session's.
    #[cfg(feature = "cluster")]
    pub(crate) fn set_handle(&mut self, session: SessionId, handle: H) {
        let mut recipients = self.recipients.iter_mut();
        if let Some(recipient) = recipients.find(|recipient| recipient.session == session) {
            recipient.handle = handle;
        }
    }

    /// The member at this position.
    #[cfg(feature = "cluster")]
    pub(crate) fn at(&self, position: usize) -> Option<MemberRef<'_, H>> {
        let recipient = self.recipients.get(position)?;
        Some(MemberRef {
            participant: self.participants.get(position)?,
            session: recipient.session,
            handle: &recipient.handle,
        })
    }

    /// The handles of the members at these positions.
    #[inline]
    pub(crate) fn handles(&self, positions: Range<usize>) -> impl Iterator<Item = &H> {
        let recipients = self.recipients.get(positions).unwrap_or_default();
        recipients.iter().map(|recipient| &recipient.handle)
    }

    /// The user at this position.
    pub(crate) fn user_at(&self, position: usize) -> Option<&UserId> {
        self.participants.get(position).map(|member| &member.user)
    }

    /// The wire form of everybody but `user`, in the order in which they joined.
    pub(crate) fn others(&self, user: &str) -> Vec<VoiceParticipant> {
        self.members()
            .filter(|member| member.participant.user.as_str() != user)
            .map(MemberRef::to_proto)
            .collect()
    }

    fn remove(&mut self, position: usize) -> Member<H> {
        let recipient = self.recipients.remove(position);
        Member {
            participant: self.participants.remove(position),
            session: recipient.session,
            handle: recipient.handle,
        }
    }

    fn position(&self, hash: u16, user: &str) -> Option<usize> {
        self.participants
            .iter()
            .position(|member| member.hash == hash && member.user.as_str() == user)
    }
}

/// The seed may be public. If somebody makes ids that collide, searches in their room compare more
/// texts, and nothing else happens.
const HASHER: FixedState = FixedState::with_seed(0);

fn hash(user: &str) -> u16 {
    HASHER.hash_one(user) as u16
}
