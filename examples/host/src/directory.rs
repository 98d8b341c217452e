//! Answers the library's question before a join from the database.

use async_trait::async_trait;
use united_voice_core::{Admission, AdmitError, ChannelId, Profile, UserId, VoiceDirectory};

use crate::{ChannelKind, Store};

#[async_trait]
impl VoiceDirectory for Store {
    /// Takes one query. The ban comes last, because it only matters if the channel exists and is a
    /// voice channel. A user that was deleted while connected is `Forbidden`.
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        let admittance = self.admittance(user, channel).await.map_err(|error| {
            error.log();
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
