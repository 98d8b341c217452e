//! Envelopes written from borrowed texts, byte for byte as prost writes them.

use bytes::Bytes;

/// A part of a message. A text's number is below 16.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    Text(u8, &'a str),
    /// Fields that are encoded already.
    Fields(&'a [u8]),
}

/// The key of a string field whose number is below 16.
pub(crate) const fn text_key(field: u8) -> u8 {
    field << 3 | LENGTH_DELIMITED
}

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
    // One byte to spare makes `Bytes` counted from the start, so that no clone has to find out what it is.
    let mut bytes = Vec::with_capacity(length + 1);
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
    /// Proto3 leaves out what is empty.
    #[inline]
    fn len(&self) -> usize {
        match self {
            Self::Text(_, "") => 0,
            Self::Text(_, text) => 1 + varint_len(text.len()) + text.len(),
            Self::Fields(fields) => fields.len(),
        }
    }

    #[inline]
    fn put(&self, bytes: &mut Vec<u8>) {
        match *self {
            Self::Text(_, "") => {}
            Self::Text(field, text) => {
                match u8::try_from(text.len()) {
                    // Nearly always: both at once.
                    Ok(short @ 0..0x80) => bytes.extend_from_slice(&[text_key(field), short]),
                    _ => {
                        bytes.push(text_key(field));
                        put_varint(bytes, text.len());
                    }
                }
                bytes.extend_from_slice(text.as_bytes());
            }
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
