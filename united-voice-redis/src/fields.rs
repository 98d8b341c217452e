//! Reads what the scripts packed: big-endian numbers, texts behind their length, tagged fields.

use crate::EntryError;

/// The longest user or channel id, in bytes, as everywhere in united-voice.
pub(crate) const MAX_ID_BYTES: usize = 128;

/// Takes from the front of some bytes. Nothing here panics, whatever the bytes are.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], EntryError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(EntryError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(EntryError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, EntryError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, EntryError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, EntryError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, EntryError> {
        self.array().map(u64::from_be_bytes)
    }

    /// An id of `length` bytes.
    pub(crate) fn id(&mut self, length: usize) -> Result<String, EntryError> {
        id(self.take(length)?)
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The next field: a byte of tag, four of length, the value. `None` at the end.
    pub(crate) fn field(&mut self) -> Result<Option<(u8, Self)>, EntryError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.u8()?;
        let length = usize::try_from(self.u32()?).map_err(|_| EntryError::Short)?;
        Ok(Some((tag, Self(self.take(length)?))))
    }
}

/// A user or channel id.
pub(crate) fn id(bytes: &[u8]) -> Result<String, EntryError> {
    if bytes.is_empty() || bytes.len() > MAX_ID_BYTES {
        return Err(EntryError::Id);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| EntryError::Id)?;
    Ok(text.into())
}
