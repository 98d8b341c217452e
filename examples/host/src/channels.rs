//! The routes of channels.

use std::num::NonZeroU32;

use http::{StatusCode, request::Parts};
use serde::{Deserialize, Deserializer, Serialize};
use united_voice_core::ChannelId;

use crate::{Channel, ChannelKind, Host, Response, error::ApiError, response, rest};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewChannel {
    name: String,
    kind: ChannelKind,
    #[serde(default)]
    max_participants: Option<NonZeroU32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewLimit {
    /// Has to be said, even if it is null: hence a function of its own, without which serde would take none for null.
    #[serde(deserialize_with = "said")]
    max_participants: Option<NonZeroU32>,
}

fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU32>, D::Error> {
    Option::deserialize(deserializer)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedChannel {
    id: String,
    name: String,
    kind: ChannelKind,
    max_participants: Option<NonZeroU32>,
    participant_count: usize,
}

impl Host {
    /// Who is in a voice channel. What stands in the way is told in this order: no token (401), no such channel (404),
    /// banned from it (403), no voice channel (409).
    pub(crate) async fn participants(
        &self,
        parts: &Parts,
        channel: &str,
    ) -> Result<Response, ApiError> {
        let user = self.user(&parts.headers, &parts.uri).await?;
        let channel = ChannelId::new(channel).map_err(|_| ApiError::UnknownChannel)?;
        let admittance = self
            .store()
            .admittance(&user, &channel)
            .await?
            .ok_or(ApiError::UnknownChannel)?;
        if admittance.banned {
            return Err(ApiError::Banned);
        }
        if admittance.kind != ChannelKind::Voice {
            return Err(ApiError::NotAVoiceChannel);
        }
        Ok(response::json(
            StatusCode::OK,
            &self.voice.registry().participants(&channel),
        ))
    }

    /// All channels: a ban keeps nobody from knowing of them.
    pub(crate) async fn list_channels(&self, parts: &Parts) -> Result<Response, ApiError> {
        self.user(&parts.headers, &parts.uri).await?;
        let channels = self.store().channels().await?;
        let listed: Vec<_> = channels
            .into_iter()
            .map(|channel| self.listed(channel))
            .collect();
        Ok(response::json(StatusCode::OK, &listed))
    }

    /// Makes a channel. Nobody can have looked up the policy of one that did not exist, so the registry needs no word.
    pub(crate) async fn create_channel(
        &self,
        parts: &Parts,
        body: &[u8],
    ) -> Result<Response, ApiError> {
        self.dev_only()?;
        self.user(&parts.headers, &parts.uri).await?;
        let new: NewChannel = rest::read(parts, body)?;
        let name = rest::name(&new.name)?;
        let channel = self
            .store()
            .create_channel(name, new.kind, new.max_participants)
            .await?;
        Ok(response::json(StatusCode::CREATED, &self.listed(channel)))
    }

    /// Sets or clears the hard limit of a channel. Whoever is in it stays.
    pub(crate) async fn limit_channel(
        &self,
        parts: &Parts,
        id: &str,
        body: &[u8],
    ) -> Result<Response, ApiError> {
        self.user(&parts.headers, &parts.uri).await?;
        let new: NewLimit = rest::read(parts, body)?;
        let id = ChannelId::new(id).map_err(|_| ApiError::UnknownChannel)?;
        let channel = self
            .store()
            .set_max_participants(id.as_str(), new.max_participants)
            .await?;
        // Joins that looked up the old limit and are not through yet must not go by it.
        self.voice.registry().policy_changed(&id);
        Ok(response::json(
            StatusCode::OK,
            &self.listed(channel.ok_or(ApiError::UnknownChannel)?),
        ))
    }

    fn listed(&self, channel: Channel) -> ListedChannel {
        // An id that the library would not take can have come into the database by other hands only; nobody is in it.
        let count = ChannelId::new(&channel.id)
            .map_or(0, |id| self.voice.registry().participant_count(&id));
        ListedChannel {
            id: channel.id,
            name: channel.name,
            kind: channel.kind,
            max_participants: channel.max_participants,
            participant_count: count,
        }
    }
}
