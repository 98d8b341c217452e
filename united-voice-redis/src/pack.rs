//! Messages from node to node, several in one entry.
//!
//! A node writes them into the other's inbox itself, without a script. They are numbered per
//! process, so a message that was sent twice is dropped by its number, whatever registrations lie
//! between.

use crate::{EntryError, FORMAT, Nid, fields::Bytes};

/// The most bytes of one entry with several messages. A single message may be larger.
pub const PACK_BYTES: usize = 256 << 10;

/// Messages of one process to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Who sends them.
    pub from: Nid,
    /// All messages of the receiver up to this number have been handled by the sender.
    pub handled: u64,
    /// Number and content, in growing order.
    pub messages: Vec<(u64, Vec<u8>)>,
}

/// What stands in front of the messages: format, sender, how far the other side was handled.
const HEADER: usize = 1 + Nid::WIDTH + 8;
/// What stands in front of each message: number and length.
const MESSAGE_HEADER: usize = 8 + 4;

/// How much one message adds to an entry.
pub(crate) fn weight(message: &[u8]) -> usize {
    MESSAGE_HEADER + message.len()
}

impl Pack {
    /// Writes the value of the field `m`.
    pub(crate) fn encode<'a>(
        from: Nid,
        handled: u64,
        messages: impl Iterator<Item = (u64, &'a [u8])> + Clone,
    ) -> Vec<u8> {
        let bytes: usize = messages.clone().map(|(_, message)| weight(message)).sum();
        let mut pack = Vec::with_capacity(HEADER + bytes);
        pack.push(FORMAT);
        pack.extend(from.to_string().as_bytes());
        pack.extend(handled.to_be_bytes());
        for (number, message) in messages {
            let length = u32::try_from(message.len()).expect("`Outbox` takes no longer message");
            pack.extend(number.to_be_bytes());
            pack.extend(length.to_be_bytes());
            pack.extend(message);
        }
        pack
    }

    /// Reads the value of the field `m` of a Stream entry.
    ///
    /// # Errors
    ///
    /// The bytes are no messages of this format. No bytes make this panic.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut bytes = Bytes(bytes);
        let format = bytes.u8()?;
        if format != FORMAT {
            return Err(EntryError::Format(format));
        }
        let from = Nid::parse(bytes.take(Nid::WIDTH)?).ok_or(EntryError::Nid)?;
        let handled = bytes.u64()?;
        let mut messages = Vec::new();
        while !bytes.rest().is_empty() {
            let number = bytes.u64()?;
            let length = usize::try_from(bytes.u32()?).map_err(|_| EntryError::Short)?;
            messages.push((number, bytes.take(length)?.to_vec()));
        }
        Ok(Self {
            from,
            handled,
            messages,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_come_back() {
        let messages = [(7, &b"offer"[..]), (9, b""), (10, b"\0")];
        let from = Nid::new(1, 2);
        let bytes = Pack::encode(from, 5, messages.into_iter());
        let pack = Pack::decode(&bytes).expect("valid");
        assert_eq!((pack.from, pack.handled), (from, 5));
        let expected = messages.map(|(number, message)| (number, message.to_vec()));
        assert_eq!(pack.messages, expected);
        assert_eq!(
            bytes.len(),
            HEADER + messages.iter().map(|(_, m)| weight(m)).sum::<usize>()
        );
        for cut in [1, HEADER - 1, bytes.len() - 1] {
            assert_eq!(Pack::decode(&bytes[..cut]), Err(EntryError::Short));
        }
        assert_eq!(Pack::decode(&[9]), Err(EntryError::Format(9)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Pack::decode(&body);
            let head = Pack::encode(Nid::new(1, 1), 0, std::iter::empty());
            let _ = Pack::decode(&[head, body].concat());
        }
    }
}
