//! The wire format of united-voice.
