//! The directory of the conformance suite.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{Admission, AdmitError, ChannelId, Profile, UserId, VoiceDirectory};

/// The directory of the suite. It admits everybody, under the limits that a check sets.
#[derive(Debug, Clone, Default)]
pub struct ClusterDirectory {
    limits: Arc<Mutex<HashMap<ChannelId, NonZeroU32>>>,
}

impl ClusterDirectory {
    /// Sets how many may be in a channel; 0 for no limit.
    pub fn limit(&self, channel: &ChannelId, limit: u32) {
        let mut limits = self.limits.lock();
        match NonZeroU32::new(limit) {
            Some(limit) => limits.insert(channel.clone(), limit),
            None => limits.remove(channel),
        };
    }
}

#[async_trait]
impl VoiceDirectory for ClusterDirectory {
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        let limit = self.limits.lock().get(channel).copied();
        let profile = Profile::new(user.as_str().to_uppercase()).with_pubkey("key");
        Ok(Admission::new(profile).with_max_participants(limit))
    }
}
