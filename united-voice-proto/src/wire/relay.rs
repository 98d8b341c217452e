//! A message that one participant sends to another, borrowed from the frame it came in.

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

/// A frame with an offer, an answer or a candidate, borrowed as it came in.
///
/// A server reads the route and writes the sender, and passes the content on as it is. So it does
/// not need the message itself, and rewriting the frame takes one allocation.
/// [`Incoming::decode`](crate::Incoming::decode) makes these.
///
/// A relay stands for the envelope that [`decode`](crate::decode) would make of the frame: it has
/// the same texts, and all of them are checked UTF-8.
#[derive(Clone, Copy)]
pub struct Relay<'a> {
    pub(super) frame: &'a [u8],
    pub(super) kind: RelayKind,
    pub(super) request_id: &'a str,
    pub(super) target_user_id: &'a str,
    pub(super) channel_id: &'a str,
    pub(super) target_session_id: &'a str,
    pub(super) content_len: usize,
    pub(super) form: Form<'a>,
}

/// The parts of the frame that are passed on as they are, in the encoding of the frame.
#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    Protobuf(RelayFrame<'a>),
    #[cfg(feature = "json")]
    Json(RelayText<'a>),
}

/// The fields of the message on the wire, except the sender's.
#[derive(Clone, Copy)]
pub(super) struct RelayFrame<'a> {
    pub(super) before_sender: &'a [u8],
    pub(super) behind_sender: &'a [u8],
}

/// The content of the message as a JSON string, with its quotes and escapes.
#[cfg(feature = "json")]
#[derive(Clone, Copy)]
pub(super) struct RelayText<'a> {
    pub(super) content: &'a str,
}

impl<'a> Relay<'a> {
    /// Which of the three messages it is.
    #[must_use]
    pub const fn kind(&self) -> RelayKind {
        self.kind
    }

    /// The request id as the client wrote it, however long.
    #[must_use]
    pub const fn request_id(&self) -> &'a str {
        self.request_id
    }

    /// The user that the message is for.
    #[must_use]
    pub const fn target_user_id(&self) -> &'a str {
        self.target_user_id
    }

    /// The channel that sender and target are in.
    #[must_use]
    pub const fn channel_id(&self) -> &'a str {
        self.channel_id
    }

    /// The session of the target that the message is for; empty for the one that is present.
    #[must_use]
    pub const fn target_session_id(&self) -> &'a str {
        self.target_session_id
    }

    /// The length of the `sdp` or the `candidate_json` in bytes of UTF-8, without JSON escapes.
    #[must_use]
    pub const fn content_len(&self) -> usize {
        self.content_len
    }
}
