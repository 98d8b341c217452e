//! Envelopes written from borrowed texts and flags, byte for byte as prost writes them.

use bytes::Bytes;

/// A string field whose number is below 16.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) u8, pub(crate) &'a str);

/// A bool field whose number is below 16.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag(pub(crate) u8, pub(crate) bool);

/// An envelope with one payload, the field `payload`, that holds these fields in this order. One allocation.
pub(crate) fn envelope(
    request_id: &str,
    payload: u32,
    texts: &[Text<'_>],
    flags: &[Flag],
) -> Bytes {
    let body = texts.iter().map(Text::len).sum::<usize>()
        + flags.iter().map(|flag| flag.len()).sum::<usize>();
    let request_id = Text(1, request_id);
    let key = u64::from(payload) << 3 | LENGTH_DELIMITED;
    let length = request_id.len() + varint_len(key) + varint_len(body as u64) + body;
    let mut bytes = Vec::with_capacity(length);
    request_id.put(&mut bytes);
    put_varint(&mut bytes, key);
    put_varint(&mut bytes, body as u64);
    for text in texts {
        text.put(&mut bytes);
    }
    for flag in flags {
        flag.put(&mut bytes);
    }
    debug_assert_eq!(bytes.len(), length);
    bytes.into()
}

const VARINT: u8 = 0;
const LENGTH_DELIMITED: u64 = 2;

impl Text<'_> {
    /// Proto3 leaves out what is empty.
    fn len(&self) -> usize {
        match self.1.len() {
            0 => 0,
            length => 1 + varint_len(length as u64) + length,
        }
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        if !self.1.is_empty() {
            bytes.push(self.0 << 3 | LENGTH_DELIMITED as u8);
            put_varint(bytes, self.1.len() as u64);
            bytes.extend_from_slice(self.1.as_bytes());
        }
    }
}

impl Flag {
    fn len(self) -> usize {
        if self.1 { 2 } else { 0 }
    }

    fn put(self, bytes: &mut Vec<u8>) {
        if self.1 {
            bytes.extend_from_slice(&[self.0 << 3 | VARINT, 1]);
        }
    }
}

fn varint_len(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
