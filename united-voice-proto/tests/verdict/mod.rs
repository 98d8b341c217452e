//! Decodes a frame and checks how it is classified.

use united_voice_proto::{Codec, DecodeError, decode};

pub(crate) const LIMIT: usize = 128 * 1024;

/// The class of a frame, and the request id that its answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    Envelope,
    Malformed(&'a str),
    Empty(&'a str),
    Foreign(&'a str),
}
use self::Verdict::{Empty, Envelope, Foreign, Malformed};

pub(crate) fn check(codec: Codec, frame: &[u8], expected: Verdict<'_>) {
    let result = decode(codec, frame, LIMIT);
    let verdict = match &result {
        Ok(envelope) => {
            assert!(envelope.payload.is_some(), "no payload in {envelope:?}");
            Envelope
        }
        Err(error @ DecodeError::Malformed { .. }) => Malformed(error.request_id()),
        Err(error @ DecodeError::Empty { .. }) => Empty(error.request_id()),
        Err(error @ DecodeError::Foreign { .. }) => Foreign(error.request_id()),
        Err(error) => panic!("unexpected {error:?}"),
    };
    assert_eq!(verdict, expected, "{}", frame.escape_ascii());
}
