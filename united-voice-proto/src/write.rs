//! Envelopes written from borrowed texts and flags, byte for byte as prost writes them.

use bytes::Bytes;

/// A part of a message. The numbers of fields are below 16.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    Text(u8, &'a str),
    Flag(u8, bool),
    /// Fields that are encoded already.
    Fields(&'a [u8]),
}

/// The key of a string field whose number is below 16.
pub(crate) const fn text_key(field: u8) -> u8 {
    field << 3 | LENGTH_DELIMITED
}

const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;

/// An envelope with one payload, the field `payload`, that consists of these parts in this order. One allocation.
#[inline]
pub(crate) fn envelope<const N: usize>(
    request_id: &str,
    payload: u32,
    parts: &[Part<'_>; N],
) -> Bytes {
    let body: usize = parts.iter().map(Part::len).sum();
    let request_id = Part::Text(1, request_id);
    let key = payload << 3 | u32::from(LENGTH_DELIMITED);
    let length = request_id.len() + varint_len(key as usize) + varint_len(body) + body;
    // No byte more than needed: the allocation becomes the frame.
    let mut bytes = Vec::with_capacity(length);
    request_id.put(&mut bytes);
    put_varint(&mut bytes, key as usize);
    put_varint(&mut bytes, body);
    for part in parts {
        part.put(&mut bytes);
    }
    debug_assert_eq!(bytes.len(), length);
    bytes.into()
}

impl Part<'_> {
    /// Proto3 leaves out what is empty or false.
    #[inline]
    fn len(&self) -> usize {
        match self {
            Self::Text(_, "") | Self::Flag(_, false) => 0,
            Self::Text(_, text) => 1 + varint_len(text.len()) + text.len(),
            Self::Flag(..) => 2,
            Self::Fields(fields) => fields.len(),
        }
    }

    #[inline]
    fn put(&self, bytes: &mut Vec<u8>) {
        match *self {
            Self::Text(_, "") | Self::Flag(_, false) => {}
            Self::Text(field, text) => {
                bytes.push(text_key(field));
                put_varint(bytes, text.len());
                bytes.extend_from_slice(text.as_bytes());
            }
            Self::Flag(field, true) => bytes.extend_from_slice(&[field << 3 | VARINT, 1]),
            Self::Fields(fields) => bytes.extend_from_slice(fields),
        }
    }
}

#[inline]
fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[inline]
fn put_varint(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
