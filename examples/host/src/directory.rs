//! What the library asks before a join, answered from the database.

use async_trait::async_trait;
use united_voice_core::{Admission, AdmitError, ChannelId, Profile, UserId, VoiceDirectory};

use crate::{ChannelKind, Store};

#[async_trait]
impl VoiceDirectory for Store {
    /// One query. A ban matters only where there is a voice channel to be banned from, so it is looked at last. A user who was
    /// deleted while connected is `Forbidden`.
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        let admittance = self.admittance(user, channel).await.map_err(|error| {
            tracing::warn!(%error, "the database could not say who may join");
            AdmitError::unavailable(error)
        })?;
        let admittance = admittance.ok_or(AdmitError::ChannelNotFound)?;
        if admittance.kind != ChannelKind::Voice {
            return Err(AdmitError::NotAVoiceChannel);
        }
        match admittance.user {
            Some((name, pubkey)) if !admittance.banned => {
                Ok(Admission::new(Profile::new(name).with_pubkey(pubkey))
                    .with_max_participants(admittance.max_participants))
            }
            _ => Err(AdmitError::Forbidden),
        }
    }
}
