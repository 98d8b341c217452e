//! What a node asks the engine to change.

use std::num::NonZeroU32;

use crate::{Flags, Member, Nid};

/// The most seats of one [`Operation::Reassert`].
pub const REASSERT_SEATS: usize = 50;

/// About how many bytes of seats one [`Operation::Reassert`] carries. An entry has at most 256 KiB,
/// and the other nodes get these seats in one entry.
const REASSERT_BYTES: usize = 192 << 10;

/// A change that a node asks for. It has a number, and its outcome comes out of the inbox: exactly
/// one [`Entry`](crate::Entry) with that number in [`asked`](crate::Entry::asked).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// A user takes a seat. The user's old seat, wherever it is, ends in the same step.
    ///
    /// Outcome: [`Joined`](crate::Record::Joined), or refused as full, as decided under an old
    /// policy, as stale, or because the engine recovers.
    Join {
        /// The new stay. It must be new: the engine refuses an id that the user or the channel has.
        session: u64,
        /// 1 to 128 bytes, any text.
        user: String,
        /// 1 to 128 bytes, any text.
        channel: String,
        /// The hard limit; `None` for none.
        limit: Option<NonZeroU32>,
        /// Under which policy the directory was asked.
        epoch: u64,
        /// What the others see of the member. The engine does not read it.
        profile: Vec<u8>,
    },
    /// A seat of this node ends.
    ///
    /// Outcome: [`Left`](crate::Record::Left), or refused as stale.
    Leave {
        /// The stay that ends. A newer one of the same user is not touched.
        session: u64,
        /// Whose it is.
        user: String,
        /// The number of a `VoiceLeaveReason`.
        reason: u8,
    },
    /// A member of this node sets its own flags.
    ///
    /// Outcome: [`State`](crate::Record::State), or refused as stale.
    State {
        /// The stay.
        session: u64,
        /// Whose it is.
        user: String,
        /// [`Flags::own`]. Other bits are ignored.
        flags: Flags,
    },
    /// The host ends the seats of a user. Those that the engine lost and that are put back later end,
    /// too.
    ///
    /// Outcome: [`Left`](crate::Record::Left) with the seats that ended, perhaps none, or
    /// [`Refused`](crate::Record::Refused) if seats may be missing, because the engine lost all data.
    Kick {
        /// Whose.
        user: String,
        /// Only in this channel; `None` for all.
        channel: Option<String>,
        /// The number of a `VoiceLeaveReason`.
        reason: u8,
        /// Only seats up to this version. For what an engine may have lost: such an end is not
        /// refused while seats may be missing.
        before: Option<u64>,
    },
    /// The host ends the seats of a channel, 50 of them at most. Those that the engine lost and that
    /// are put back later end, too.
    ///
    /// Outcome: [`Left`](crate::Record::Left), with `more` if members are left, or
    /// [`Refused`](crate::Record::Refused), as of [`Kick`](Self::Kick).
    Clear {
        /// The channel.
        channel: String,
        /// The number of a `VoiceLeaveReason`.
        reason: u8,
        /// As for [`Kick`](Self::Kick).
        before: Option<u64>,
    },
    /// A node that registered anew puts seats back.
    ///
    /// Outcome: [`Reasserted`](crate::Record::Reasserted), with a result for each seat.
    Reassert {
        /// The earlier registrations of this process. If one of them was reaped, no seat that the
        /// engine lacks comes back.
        earlier: Vec<Nid>,
        /// This is the last chunk: the node has put all seats back.
        last: bool,
        /// As many as [`reassert_chunk`] says.
        seats: Vec<Seat>,
    },
    /// Takes the number of a join that failed with [`ScriptError::NoMemory`](crate::ScriptError).
    /// Without it, all later numbers would be gaps.
    ///
    /// Outcome: refused, because there is no memory.
    Skip,
}

/// A seat of this node, to be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The channel.
    pub channel: String,
    /// The member with the version, flags and limit that the node knows. Its `nid` is not sent.
    pub member: Member,
}

/// How many of the first `seats` fit into one [`Operation::Reassert`]. It is 0 only if there are
/// none.
pub fn reassert_chunk(seats: &[Seat]) -> usize {
    let mut bytes = 0;
    seats
        .iter()
        .take(REASSERT_SEATS)
        .enumerate()
        .take_while(|(place, seat)| {
            bytes += seat.member.weight();
            *place == 0 || bytes <= REASSERT_BYTES
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(profile: usize) -> Seat {
        Seat {
            channel: "c".into(),
            member: Member {
                session: 1,
                version: 1,
                nid: Nid::new(1, 1),
                flags: Flags::default(),
                limit: None,
                user: "u".into(),
                profile: vec![0; profile],
            },
        }
    }

    #[test]
    fn a_chunk_has_a_limit_of_seats_and_one_of_bytes() {
        assert_eq!(reassert_chunk(&[]), 0);
        assert_eq!(reassert_chunk(&vec![seat(100); 200]), REASSERT_SEATS);
        assert_eq!(reassert_chunk(&vec![seat(8 << 10); 200]), 23);
        assert_eq!(reassert_chunk(&[seat(1 << 20)]), 1);
    }
}
