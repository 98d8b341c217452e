//! What the host says about the channels.

use std::{collections::HashSet, num::NonZeroU32};

use async_trait::async_trait;
use parking_lot::Mutex;
use united_voice_core::{Admission, AdmitError, ChannelId, Profile, UserId, VoiceDirectory};

/// The voice channels.
pub(super) const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// Limits and bans, which change during a run.
#[derive(Debug, Default)]
pub(super) struct Host(Mutex<Policy>);

#[derive(Debug, Default)]
struct Policy {
    limits: [u32; CHANNELS.len()],
    bans: HashSet<(String, usize)>,
}

impl Host {
    pub(super) fn set_limit(&self, channel: usize, limit: u32) {
        self.0.lock().limits[channel] = limit;
    }

    /// Bans the user, or lifts the ban.
    pub(super) fn toggle_ban(&self, user: &str, channel: usize) {
        let ban = (user.to_owned(), channel);
        let bans = &mut self.0.lock().bans;
        if !bans.remove(&ban) {
            bans.insert(ban);
        }
    }

    /// The limit of the channel, or 0.
    pub(super) fn limit(&self, channel: usize) -> u32 {
        self.0.lock().limits[channel]
    }

    pub(super) fn is_banned(&self, user: &str, channel: usize) -> bool {
        self.0.lock().bans.contains(&(user.to_owned(), channel))
    }
}

#[async_trait]
impl VoiceDirectory for Host {
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        let Some(place) = CHANNELS.iter().position(|name| *name == channel.as_str()) else {
            return Err(match channel.as_str() {
                "text" => AdmitError::NotAVoiceChannel,
                _ => AdmitError::ChannelNotFound,
            });
        };
        if self.is_banned(user.as_str(), place) {
            return Err(AdmitError::Forbidden);
        }
        let admission = Admission::new(Profile::new(user.as_str()));
        Ok(admission.with_max_participants(NonZeroU32::new(self.limit(place))))
    }
}
