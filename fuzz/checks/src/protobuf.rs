//! Decoding and encoding protobuf.

use united_voice_proto::{Codec, DecodeError, decode, encode_protobuf, is_voice_frame};

use crate::input::Input;

/// Reads the bytes as a frame, and as the description of an envelope.
///
/// # Panics
///
/// If the wire format breaks a rule.
pub fn check(bytes: &[u8]) {
    any_frame(bytes);
    let envelope = Input::new(bytes).envelope();
    let frame = encode_protobuf(&envelope);
    assert!(is_voice_frame(&frame));
    assert_eq!(decode(Codec::Protobuf, &frame, frame.len()), Ok(envelope));
    any_frame(&frame);
}

/// Any bytes give an envelope that can be written again, or an error that can be answered.
fn any_frame(frame: &[u8]) {
    refused_if_over_the_limit(Codec::Protobuf, frame);
    let decoded = decode(Codec::Protobuf, frame, frame.len());
    // A field that only the host knows changes nothing, except that nothing becomes foreign.
    let with_a_hosts_field = [frame, b"\xa2\x01\x00"].concat();
    let then = decode(Codec::Protobuf, &with_a_hosts_field, usize::MAX);
    match &decoded {
        Ok(envelope) => {
            assert!(envelope.payload.is_some());
            assert!(is_voice_frame(frame));
            assert_eq!(then, decoded);
            let written = encode_protobuf(envelope);
            assert_eq!(decode(Codec::Protobuf, &written, usize::MAX), decoded);
        }
        Err(DecodeError::Empty { request_id }) => {
            assert!(!is_voice_frame(frame));
            let request_id = request_id.clone();
            // An empty id may stand for one that is too long. Such a foreign frame is malformed.
            if !request_id.is_empty() {
                assert_eq!(then, Err(DecodeError::Foreign { request_id }));
            }
        }
        Err(DecodeError::Foreign { .. }) => assert_eq!(then, decoded),
        Err(_) => {}
    }
    if let Err(error) = decoded {
        assert!(error.request_id().len() <= 128);
        assert!(!error.to_string().is_empty());
    }
}

/// A frame that is one byte over the limit is not read.
pub(crate) fn refused_if_over_the_limit(codec: Codec, frame: &[u8]) {
    if let Some(limit) = frame.len().checked_sub(1) {
        let size = frame.len();
        let refused = Err(DecodeError::TooLarge { size, limit });
        assert_eq!(decode(codec, frame, limit), refused);
    }
}
