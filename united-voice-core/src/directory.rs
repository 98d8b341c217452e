//! The questions that the library asks the host: may this user join this channel, under which name,
//! and how many may be in it?

use std::{error::Error, num::NonZeroU32};

use async_trait::async_trait;

use crate::{ChannelId, UserId};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The host's knowledge: which user may join which channel.
///
/// The library asks for each join. It asks again if the host has called
/// [`VoiceRoomRegistry::policy_changed`](crate::VoiceRoomRegistry::policy_changed) meanwhile, and
/// at most five times in all. Then the join fails with `UNAVAILABLE`.
///
/// The library asks before it takes any lock, so the answer may wait for a database. Meanwhile the
/// connection goes on sending to its client. It handles no further message of that client, so that
/// the client's messages keep their order.
///
/// # Cancel safety
///
/// The library drops the future if the connection ends, or if the answer takes longer than
/// [`Limits::directory_timeout`](crate::Limits::directory_timeout). A dropped future should leave
/// nothing behind.
#[async_trait]
pub trait VoiceDirectory: Send + Sync + 'static {
    /// Whether `user` may join `channel`, and under what name and limit.
    ///
    /// The library compares ids byte by byte. If `7` and `07` are one channel to the host, the host
    /// must refuse one of the two spellings here. Otherwise they become two rooms.
    ///
    /// After you have stored a new limit or a ban, call
    /// [`VoiceRoomRegistry::policy_changed`](crate::VoiceRoomRegistry::policy_changed). A join that
    /// asked before that call and is not decided yet then asks again.
    ///
    /// # Errors
    ///
    /// [`AdmitError`]; each variant says what the client is told.
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError>;
}

/// The directory's permission to join.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admission {
    /// How the other participants see the user.
    pub profile: Profile,
    /// The most participants that the channel may have; a join over it is refused. With `None`
    /// there is no such limit, and only [`SOFT_CAP`](crate::SOFT_CAP) remains, which warns and
    /// refuses nobody.
    pub max_participants: Option<NonZeroU32>,
}

impl Admission {
    /// An admission to a channel without a hard limit.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            max_participants: None,
        }
    }

    /// Sets the most participants that the channel may have; `None` for no limit.
    #[must_use]
    pub fn with_max_participants(mut self, limit: Option<NonZeroU32>) -> Self {
        self.max_participants = limit;
        self
    }
}

/// How the other participants see a user. It may have
/// [`Limits::max_profile_bytes`](crate::Limits::max_profile_bytes), 8 KiB by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    display_name: Box<str>,
    pubkey: Box<str>,
}

impl Profile {
    /// A profile with the name to show and without a public key.
    pub fn new(display_name: impl Into<Box<str>>) -> Self {
        Self {
            display_name: display_name.into(),
            pubkey: Box::default(),
        }
    }

    /// Sets the public key: opaque text that the client chose.
    #[must_use]
    pub fn with_pubkey(mut self, pubkey: impl Into<Box<str>>) -> Self {
        self.pubkey = pubkey.into();
        self
    }

    /// The name to show.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// The public key; empty if the client chose none.
    pub fn pubkey(&self) -> &str {
        &self.pubkey
    }

    /// The size of the display name and the public key, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.display_name.len() + self.pubkey.len()
    }
}

/// Why a user may not join a channel.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// There is no such channel, or the user must not know of it.
    #[error("no such channel")]
    ChannelNotFound,
    /// The channel carries no voice.
    #[error("not a voice channel")]
    NotAVoiceChannel,
    /// The user is banned from the channel or lacks the right to join it.
    #[error("not allowed to join this channel")]
    Forbidden,
    /// The directory could not answer; the same request may succeed later.
    #[error("the directory did not answer")]
    Unavailable(#[source] BoxError),
}

impl AdmitError {
    /// The directory could not answer because of `source`.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(source.into())
    }
}

#[async_trait]
impl<T: VoiceDirectory + ?Sized> VoiceDirectory for std::sync::Arc<T> {
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        (**self).admit(user, channel).await
    }
}

/// Admits every user to every channel, with the user's id as display name: for tests and first
/// steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenDirectory;

#[async_trait]
impl VoiceDirectory for OpenDirectory {
    async fn admit(&self, user: &UserId, _channel: &ChannelId) -> Result<Admission, AdmitError> {
        Ok(Admission::new(Profile::new(user.as_str())))
    }
}
