//! Voice-channel signaling.
