//! What comes out of an inbox.
//!
//! The scripts write entries, and [`Entry::decode`] reads them: a header of fixed width, then tagged
//! fields. A field that this version does not know is skipped, and an entry of an unknown kind is
//! [`Record::Unknown`]. So nodes of different minor versions may share an engine. Another major
//! number is an error; `register` keeps such nodes apart.

use thiserror::Error;

use crate::{
    Flags, Member, Nid,
    fields::{self, Bytes},
};

/// The major number of the entries' format.
pub const FORMAT: u8 = 1;

/// One entry of an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The place among the changes of this inbox: 1, 2 and so on. A tick is not counted and has the
    /// number of the last change.
    pub number: u64,
    /// The number of the operation that this entry answers. `None` if another node asked.
    pub asked: Option<u64>,
    /// The version of the change, or of the last change if this is none. Versions grow.
    pub version: u64,
    /// What happened.
    pub record: Record,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// The node's own beat came out of its own inbox.
    Tick {
        /// The number that the node gave the beat; 0 for the entry that made the inbox.
        beat: u64,
        /// How many entries of any kind the inbox has ever had, this one included.
        added: u64,
    },
    /// Somebody took a seat.
    Joined(Joined),
    /// Seats ended.
    Left(Left),
    /// A member's flags changed.
    State {
        /// The channel.
        channel: String,
        /// The member.
        session: u64,
        /// The flags as they are now.
        flags: Flags,
    },
    /// The operation was refused and has changed nothing.
    Refused(Refusal),
    /// Another node put seats back.
    Seats(Vec<Joined>),
    /// This node put seats back.
    Reasserted {
        /// What became of each, in its order.
        results: Vec<(u64, Restored)>,
        /// The nodes with members in the channels of those that are seated. They may have registered
        /// anew while this node heard nothing.
        nodes: Vec<Nid>,
    },
    /// A newer node wrote something that this version does not know.
    Unknown(u8),
}

/// A seat was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The channel.
    pub channel: String,
    /// The newcomer.
    pub member: Member,
    /// The seats of the same user that ended in this step: session and channel.
    pub replaces: Vec<(u64, String)>,
    /// All others in the channel, in the order in which they joined. Only the node that asked gets
    /// them, and only if it had no member there.
    pub others: Option<Vec<Member>>,
}

/// Seats ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The number of a `VoiceLeaveReason`.
    pub reason: u8,
    /// The seats in rooms of this node. The node that asked gets all of them.
    pub seats: Vec<LeftSeat>,
    /// A room was to be closed, and some members are left.
    pub more: bool,
    /// This node reaped the seats of another one. So it is the one that tells its host.
    pub reaped: bool,
}

/// A seat that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftSeat {
    /// The stay.
    pub session: u64,
    /// Whose it was.
    pub user: String,
    /// The channel.
    pub channel: String,
}

/// Why an operation changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The channel has reached its limit.
    Full,
    /// A limit has changed since the node asked its directory. It has to ask again.
    Policy {
        /// The epoch that a join needs now.
        epoch: u64,
    },
    /// The session has no seat with this node, or the id of a new one is in use.
    Stale,
    /// The engine lost its data, and nodes are putting seats back.
    Recovering,
    /// The engine has no memory left.
    NoMemory,
    /// A newer engine script gave a reason that this version does not know.
    Unknown(u8),
}

/// What became of a seat that was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restored {
    /// It has its old place.
    Seated,
    /// The user has a newer seat, over another node.
    Superseded,
    /// The channel was filled meanwhile.
    Full,
    /// Another node ended it, and its host has heard of that.
    Reaped,
    /// The same, and the user has a newer seat.
    ReapedAndBack,
    /// It ended in another way while its node was silent, or by a join of which its node does not know.
    /// No host has heard of that.
    Ended,
    /// A host ended it with this reason, the number of a `VoiceLeaveReason`, while the engine lacked it
    /// or before the node had put it back.
    ByHost(u8),
}

/// Bytes that no script writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Another major number than [`FORMAT`].
    #[error("an entry of format {0}, not {FORMAT}")]
    Format(u8),
    /// The bytes end in the middle of something.
    #[error("an entry that ends too early")]
    Short,
    /// A user or channel id is empty, over 128 bytes or not UTF-8.
    #[error("an entry with an impossible id")]
    Id,
    /// Not 17 bytes of the form that a node id has.
    #[error("an entry with an impossible node id")]
    Nid,
    /// A field that this kind of entry needs is missing.
    #[error("an entry of kind {0} without a field that it needs")]
    Missing(u8),
}

const TICK: u8 = 1;
const JOINED: u8 = 2;
const LEFT: u8 = 3;
const STATE: u8 = 4;
const REFUSED: u8 = 5;
const SEATS: u8 = 6;
const REASSERTED: u8 = 7;

impl Entry {
    /// Reads the value of the field `e` of a Stream entry.
    ///
    /// # Errors
    ///
    /// The bytes are not an entry of this format. No bytes make this panic.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut bytes = Bytes(bytes);
        let format = bytes.u8()?;
        if format != FORMAT {
            return Err(EntryError::Format(format));
        }
        let kind = bytes.u8()?;
        let number = bytes.u64()?;
        let asked = bytes.u64()?;
        let version = bytes.u64()?;
        let record = match kind {
            TICK => tick(bytes)?,
            JOINED => Record::Joined(joined(bytes)?),
            LEFT => Record::Left(left(bytes)?),
            STATE => state(bytes)?,
            REFUSED => Record::Refused(refusal(bytes)?),
            SEATS => seats(bytes)?,
            REASSERTED => reasserted(bytes)?,
            other => Record::Unknown(other),
        };
        Ok(Self {
            number,
            asked: (asked != 0).then_some(asked),
            version,
            record,
        })
    }
}

fn tick(mut body: Bytes<'_>) -> Result<Record, EntryError> {
    let (mut beat, mut added) = (None, None);
    while let Some((tag, mut value)) = body.field()? {
        match tag {
            1 => beat = Some(value.u64()?),
            2 => added = Some(value.u64()?),
            _ => {}
        }
    }
    Ok(Record::Tick {
        beat: beat.ok_or(EntryError::Missing(TICK))?,
        added: added.ok_or(EntryError::Missing(TICK))?,
    })
}

fn joined(mut body: Bytes<'_>) -> Result<Joined, EntryError> {
    let (mut channel, mut member) = (None, None);
    let (mut replaces, mut roster, mut is_new_here) = (Vec::new(), Vec::new(), false);
    while let Some((tag, mut value)) = body.field()? {
        match tag {
            1 => channel = Some(fields::id(value.rest())?),
            2 => member = Some(Member::decode(value)?),
            3 => replaces.push((value.u64()?, fields::id(value.rest())?)),
            4 => roster.push(Member::decode(value)?),
            5 => is_new_here = true,
            _ => {}
        }
    }
    // The engine's hash has no order.
    roster.sort_by_key(|member| member.version);
    Ok(Joined {
        channel: channel.ok_or(EntryError::Missing(JOINED))?,
        member: member.ok_or(EntryError::Missing(JOINED))?,
        replaces,
        others: is_new_here.then_some(roster),
    })
}

fn left(mut body: Bytes<'_>) -> Result<Left, EntryError> {
    let (mut reason, mut seats, mut more, mut reaped) = (None, Vec::new(), false, false);
    while let Some((tag, mut value)) = body.field()? {
        match tag {
            1 => reason = Some(value.u8()?),
            2 => {
                let session = value.u64()?;
                let length = usize::from(value.u8()?);
                seats.push(LeftSeat {
                    session,
                    user: value.id(length)?,
                    channel: fields::id(value.rest())?,
                });
            }
            3 => more = true,
            4 => reaped = true,
            _ => {}
        }
    }
    Ok(Left {
        reason: reason.ok_or(EntryError::Missing(LEFT))?,
        seats,
        more,
        reaped,
    })
}

fn state(mut body: Bytes<'_>) -> Result<Record, EntryError> {
    let (mut channel, mut change) = (None, None);
    while let Some((tag, mut value)) = body.field()? {
        match tag {
            1 => channel = Some(fields::id(value.rest())?),
            2 => change = Some((value.u64()?, Flags(value.u16()?))),
            _ => {}
        }
    }
    let (session, flags) = change.ok_or(EntryError::Missing(STATE))?;
    Ok(Record::State {
        channel: channel.ok_or(EntryError::Missing(STATE))?,
        session,
        flags,
    })
}

fn refusal(mut body: Bytes<'_>) -> Result<Refusal, EntryError> {
    let (mut reason, mut epoch) = (None, None);
    while let Some((tag, mut value)) = body.field()? {
        match tag {
            1 => reason = Some(value.u8()?),
            2 => epoch = Some(value.u64()?),
            _ => {}
        }
    }
    Ok(match reason.ok_or(EntryError::Missing(REFUSED))? {
        1 => Refusal::Full,
        2 => Refusal::Policy {
            epoch: epoch.ok_or(EntryError::Missing(REFUSED))?,
        },
        3 => Refusal::Stale,
        4 => Refusal::Recovering,
        5 => Refusal::NoMemory,
        other => Refusal::Unknown(other),
    })
}

fn seats(mut body: Bytes<'_>) -> Result<Record, EntryError> {
    let mut seats = Vec::new();
    while let Some((tag, value)) = body.field()? {
        if tag == 1 {
            seats.push(joined(value)?);
        }
    }
    Ok(Record::Seats(seats))
}

fn reasserted(mut body: Bytes<'_>) -> Result<Record, EntryError> {
    let (mut results, mut nodes) = (Vec::new(), Vec::new());
    while let Some((tag, mut value)) = body.field()? {
        if tag == 2 {
            nodes.push(Nid::parse(value.rest()).ok_or(EntryError::Nid)?);
        } else if tag == 1 {
            let session = value.u64()?;
            let restored = match value.u8()? {
                0 => Restored::Seated,
                1 => Restored::Superseded,
                2 => Restored::Full,
                3 => Restored::Reaped,
                4 => Restored::ReapedAndBack,
                6 => Restored::ByHost(value.u8()?),
                // Whatever a newer script says, the seat has not been put back.
                _ => Restored::Ended,
            };
            results.push((session, restored));
        }
    }
    Ok(Record::Reasserted { results, nodes })
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
