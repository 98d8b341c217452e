//! What a server reads of a relayed message, in either encoding.

/// The three messages that are relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayKind {
    /// `voice_sdp_offer`.
    Offer,
    /// `voice_sdp_answer`.
    Answer,
    /// `voice_ice_candidate`.
    Candidate,
}

/// Where a message goes, and how long its content is. The texts are the client's, checked UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Route<'a> {
    pub(super) kind: RelayKind,
    pub(super) request_id: &'a str,
    pub(super) target_user_id: &'a str,
    pub(super) channel_id: &'a str,
    pub(super) target_session_id: &'a str,
    /// Bytes of UTF-8, without JSON escapes.
    pub(super) content_len: usize,
}
