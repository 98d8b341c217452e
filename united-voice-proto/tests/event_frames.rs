//! Compares the events that are encoded from borrowed texts with the events that prost and serde
//! write: in protobuf and in JSON they are equal byte for byte.

mod support;

use proptest::{collection::vec, prelude::*};
use support::config;
#[cfg(feature = "json")]
use support::{TELLING, damage};
#[cfg(feature = "json")]
use united_voice_proto::{Codec, decode, encode_json, event_json};
use united_voice_proto::{
    encode_protobuf, encode_speaking_event, encode_state_update,
    voice::{VoiceSpeakingEvent, VoiceStateUpdate},
    ws::{Envelope, envelope::Payload},
};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn events_are_written_as_prost_writes_them(
        texts in vec(vec(any::<char>(), 0..200), 3),
        flags in any::<[bool; 3]>(),
    ) {
        let [request_id, channel_id, user_id] =
            [0, 1, 2].map(|number: usize| String::from_iter(&texts[number]));
        let [muted, deafened, speaking] = flags;
        let state = encode_state_update(&request_id, &channel_id, &user_id, muted, deafened);
        let told = encode_speaking_event(&request_id, &channel_id, &user_id, speaking);
        let envelope = |payload| Envelope { request_id: request_id.clone(), payload: Some(payload) };
        let update = VoiceStateUpdate {
            channel_id: channel_id.clone(),
            user_id: user_id.clone(),
            muted,
            deafened,
        };
        prop_assert_eq!(state, encode_protobuf(&envelope(Payload::VoiceStateUpdate(update))));
        let event = VoiceSpeakingEvent { channel_id, user_id, speaking };
        prop_assert_eq!(told, encode_protobuf(&envelope(Payload::VoiceSpeakingEvent(event))));
    }

    /// A frame has one JSON form, whichever way it is made.
    #[cfg(feature = "json")]
    #[test]
    fn events_have_the_json_form_that_decoding_gives(
        texts in vec(any::<String>(), 3),
        flags in any::<[bool; 3]>(),
        damage in vec(damage(TELLING), 0..3),
    ) {
        let [muted, deafened, speaking] = flags;
        let [request_id, channel_id, user_id] = [0, 1, 2].map(|number: usize| &texts[number][..]);
        for frame in [
            encode_state_update(request_id, channel_id, user_id, muted, deafened),
            encode_speaking_event(request_id, channel_id, user_id, speaking),
        ] {
            let slow = |frame: &[u8]| {
                let decoded = decode(Codec::Protobuf, frame, usize::MAX);
                decoded.map(|envelope| encode_json(&envelope))
            };
            prop_assert_eq!(event_json(&frame), slow(&frame).ok());
            let mut frame = frame.to_vec();
            for damage in &damage {
                damage.apply(&mut frame);
            }
            if let Some(json) = event_json(&frame) {
                prop_assert_eq!(Ok(json), slow(&frame));
            }
        }
    }
}

/// Short frames are stored in another way than long ones.
#[test]
fn events_of_every_length_are_written_as_prost_writes_them() {
    for length in 0..=200 {
        let user_id = "u".repeat(length);
        let update = VoiceStateUpdate {
            user_id: user_id.clone(),
            muted: true,
            ..VoiceStateUpdate::default()
        };
        let expected = encode_protobuf(&Envelope {
            request_id: String::new(),
            payload: Some(Payload::VoiceStateUpdate(update)),
        });
        let written = encode_state_update("", "", &user_id, true, false);
        assert_eq!(written, expected, "{length}");
        assert_eq!(written.clone().as_ptr(), written.as_ptr());
    }
}
