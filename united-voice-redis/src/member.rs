//! A member of a room, as the engine keeps it.

use std::num::NonZeroU32;

use crate::{
    EntryError, Nid,
    fields::{Bytes, MAX_ID_BYTES},
};

/// What a member's flags mean. The scripts change single bits and keep unknown ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    const MUTED: u16 = 1;
    const DEAFENED: u16 = 2;

    /// A member's own flags.
    pub const fn own(muted: bool, deafened: bool) -> Self {
        Self((muted as u16 * Self::MUTED) | (deafened as u16 * Self::DEAFENED))
    }

    /// Whether the member sends no sound.
    pub const fn muted(self) -> bool {
        self.0 & Self::MUTED != 0
    }

    /// Whether the member hears nothing.
    pub const fn deafened(self) -> bool {
        self.0 & Self::DEAFENED != 0
    }
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The stay. It survives registrations.
    pub session: u64,
    /// The version at which it took its seat. A room's order is the order of its members' versions.
    pub version: u64,
    /// Where messages to it go.
    pub nid: Nid,
    /// Muted, deafened.
    pub flags: Flags,
    /// The limit of the channel when it joined; `None` if there was none.
    pub limit: Option<NonZeroU32>,
    /// 1 to 128 bytes, any text.
    pub user: String,
    /// What else the others see of it, encoded. Neither the engine nor this crate reads it.
    pub profile: Vec<u8>,
}

impl Member {
    /// Reads session id, header, user id and profile.
    pub(crate) fn decode(mut bytes: Bytes<'_>) -> Result<Self, EntryError> {
        let session = bytes.u64()?;
        Self::decode_record(session, bytes)
    }

    /// The same without the session id, which is the name of the field in a room's hash.
    pub(crate) fn decode_record(session: u64, mut bytes: Bytes<'_>) -> Result<Self, EntryError> {
        let version = bytes.u64()?;
        let nid = Nid::parse(bytes.take(Nid::WIDTH)?).ok_or(EntryError::Nid)?;
        let flags = Flags(bytes.u16()?);
        let limit = NonZeroU32::new(bytes.u32()?);
        let length = usize::from(bytes.u8()?);
        let user = bytes.id(length)?;
        let profile = bytes.rest().to_vec();
        Ok(Self {
            session,
            version,
            nid,
            flags,
            limit,
            user,
            profile,
        })
    }

    /// The bytes that its seat takes in a chunk of [`Operation::Reassert`](crate::Operation).
    pub(crate) fn weight(&self) -> usize {
        2 * MAX_ID_BYTES + self.profile.len()
    }
}
