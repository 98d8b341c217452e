//! What the database knows of a user and a channel.

use std::num::NonZeroU32;

use super::{ChannelKind, limit};

/// The facts that decide whether a user may join a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admittance {
    /// The channel's kind.
    pub kind: ChannelKind,
    /// The channel's hard limit, if there is one.
    pub max_participants: Option<NonZeroU32>,
    /// The user's name and public key; `None` for an unknown user.
    pub user: Option<(String, String)>,
    /// Whether the user is banned from the channel, or from every channel.
    pub banned: bool,
}

/// The answer to one question.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether there is such a user.
    pub(super) has_user: bool,
    /// What decides whether the user may join. `None` if there is no such channel.
    pub(super) admittance: Option<Admittance>,
}

/// An answer as it is selected: the user's name and public key, the channel's kind and limit, and
/// whether the user is banned. What is not there is null.
pub(super) type AnswerRow = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    bool,
);

impl From<AnswerRow> for Answer {
    fn from((name, pubkey, kind, max_participants, banned): AnswerRow) -> Self {
        let user = name.zip(pubkey);
        Self {
            has_user: user.is_some(),
            admittance: kind.map(|kind| Admittance {
                kind: ChannelKind::from_text(&kind),
                max_participants: limit(max_participants),
                user,
                banned,
            }),
        }
    }
}
