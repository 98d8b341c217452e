//! The field numbers of the `.proto` files, and the tags that stand before the fields' values.
//!
//! Only the fields that are read or written without `prost` are here. The tests hold each of them
//! against `prost`.

use std::ops::RangeInclusive;

/// The envelope's fields that belong to voice.
pub(super) const VOICE_FIELDS: RangeInclusive<u32> = 180..=199;

/// The highest field number that protobuf has.
pub(super) const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;

/// A field of a message. Its tag takes `N` bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<const N: usize> {
    pub(super) number: u32,
    /// The field's number and its wire type as one varint.
    pub(super) tag: [u8; N],
}

impl<const N: usize> Field<N> {
    /// A text or a message.
    const fn delimited(number: u32) -> Self {
        Self::new(number, WireType::LengthDelimited)
    }

    /// A `bool`.
    const fn flag(number: u32) -> Self {
        Self::new(number, WireType::Varint)
    }

    const fn new(number: u32, wire_type: WireType) -> Self {
        let tag = varint_of_length(number << 3 | wire_type as u32);
        Self { number, tag }
    }
}

/// The envelope.
pub(super) mod envelope {
    use super::Field;

    pub(in crate::wire) const REQUEST_ID: Field<1> = Field::delimited(1);
    pub(in crate::wire) const VOICE_SDP_OFFER: Field<2> = Field::delimited(184);
    pub(in crate::wire) const VOICE_SDP_ANSWER: Field<2> = Field::delimited(185);
    pub(in crate::wire) const VOICE_ICE_CANDIDATE: Field<2> = Field::delimited(186);
    pub(in crate::wire) const VOICE_STATE_UPDATE: Field<2> = Field::delimited(187);
    pub(in crate::wire) const VOICE_SPEAKING_EVENT: Field<2> = Field::delimited(188);
}

/// An offer, an answer or a candidate: all three have the same fields.
pub(super) mod relay {
    use super::Field;

    pub(in crate::wire) const TARGET_USER_ID: Field<1> = Field::delimited(1);
    /// The `sdp` or the `candidate_json`.
    pub(in crate::wire) const CONTENT: Field<1> = Field::delimited(2);
    pub(in crate::wire) const CHANNEL_ID: Field<1> = Field::delimited(3);
    pub(in crate::wire) const SENDER_USER_ID: Field<1> = Field::delimited(4);
    pub(in crate::wire) const SENDER_SESSION_ID: Field<1> = Field::delimited(5);
    pub(in crate::wire) const TARGET_SESSION_ID: Field<1> = Field::delimited(6);
}

/// A state update or a speaking event: they share the first two fields.
pub(super) mod event {
    use super::Field;

    pub(in crate::wire) const CHANNEL_ID: Field<1> = Field::delimited(1);
    pub(in crate::wire) const USER_ID: Field<1> = Field::delimited(2);
    /// Of a state update.
    pub(in crate::wire) const MUTED: Field<1> = Field::flag(3);
    /// Of a state update.
    pub(in crate::wire) const DEAFENED: Field<1> = Field::flag(4);
    /// Of a speaking event.
    pub(in crate::wire) const SPEAKING: Field<1> = Field::flag(3);
}

/// How the value of a field is written: the low three bits of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    LengthDelimited = 2,
    StartGroup = 3,
    EndGroup = 4,
    Fixed32 = 5,
}

impl WireType {
    /// `None` for the two values that protobuf does not define.
    pub(super) const fn of_tag(tag: u64) -> Option<Self> {
        match tag & 7 {
            0 => Some(Self::Varint),
            1 => Some(Self::Fixed64),
            2 => Some(Self::LengthDelimited),
            3 => Some(Self::StartGroup),
            4 => Some(Self::EndGroup),
            5 => Some(Self::Fixed32),
            _ => None,
        }
    }
}

/// A varint that takes exactly `N` bytes. Another length is an error of the compiler.
const fn varint_of_length<const N: usize>(mut value: u32) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        let continues = if at + 1 < N { 0x80 } else { 0 };
        bytes[at] = (value & 0x7f) as u8 | continues;
        value >>= 7;
        at += 1;
    }
    assert!(value == 0, "the tag does not fit into N bytes");
    assert!(
        N == 1 || bytes[N - 1] != 0,
        "the tag needs fewer than N bytes"
    );
    bytes
}
