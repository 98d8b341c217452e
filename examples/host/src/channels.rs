//! The routes of channels.

use std::{collections::HashMap, num::NonZeroU32};

use http::{StatusCode, request::Parts};
use serde::{Deserialize, Deserializer, Serialize};
use united_voice_core::{ChannelId, cluster::CutOff};

use crate::{Channel, ChannelKind, Host, Response, Store, error::ApiError, response, rest};

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
    /// Required, though it may be null. Without a function of its own, serde would treat an absent
    /// key as null.
    #[serde(deserialize_with = "said")]
    max_participants: Option<NonZeroU32>,
}

fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU32>, D::Error> {
    Option::deserialize(deserializer)
}

/// Refuses a limit that not every database can hold.
fn storable(limit: Option<NonZeroU32>) -> Result<Option<NonZeroU32>, ApiError> {
    const MOST: u32 = Store::MAX_PARTICIPANTS;
    if limit.is_some_and(|limit| limit.get() > MOST) {
        return Err(ApiError::BadRequest(format!(
            "maxParticipants is at most {MOST}"
        )));
    }
    Ok(limit)
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
    /// The participants of a voice channel. The errors, in the order in which they are checked: no
    /// token (401), no such channel (404), banned from it (403), not a voice channel (409).
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
        let participants = self.voice.roster(&channel).await?;
        Ok(response::json(StatusCode::OK, &participants))
    }

    /// All channels. A ban does not hide a channel.
    pub(crate) async fn list_channels(&self, parts: &Parts) -> Result<Response, ApiError> {
        self.user(&parts.headers, &parts.uri).await?;
        let channels = self.store().channels().await?;
        let listed = self.listed(channels).await;
        Ok(response::json(StatusCode::OK, &listed))
    }

    /// Makes a channel. The registry need not be told: no join can have looked up the limit of a
    /// channel that did not exist.
    pub(crate) async fn create_channel(
        &self,
        parts: &Parts,
        body: &[u8],
    ) -> Result<Response, ApiError> {
        self.dev_only()?;
        self.user(&parts.headers, &parts.uri).await?;
        let new: NewChannel = rest::read(parts, body)?;
        let name = rest::name(&new.name)?;
        let limit = storable(new.max_participants)?;
        let channel = self.store().create_channel(name, new.kind, limit).await?;
        let listed = ListedChannel::new(channel, 0);
        Ok(response::json(StatusCode::CREATED, &listed))
    }

    /// Sets or clears the hard limit of a channel. All who are in it stay.
    pub(crate) async fn limit_channel(
        &self,
        parts: &Parts,
        id: &str,
        body: &[u8],
    ) -> Result<Response, ApiError> {
        self.user(&parts.headers, &parts.uri).await?;
        let new: NewLimit = rest::read(parts, body)?;
        let limit = storable(new.max_participants)?;
        let id = ChannelId::new(id).map_err(|_| ApiError::UnknownChannel)?;
        let channel = self
            .store()
            .set_max_participants(id.as_str(), limit)
            .await?;
        let channel = channel.ok_or(ApiError::UnknownChannel)?;
        // A join that has looked up the old limit but is not complete must look again.
        self.voice.policy_changed(&id).await?;
        let listed = self.listed(vec![channel]).await;
        Ok(response::json(StatusCode::OK, &listed[0]))
    }

    /// The channels with their counts of all nodes, or of this node alone if the engine is away.
    async fn listed(&self, channels: Vec<Channel>) -> Vec<ListedChannel> {
        // Only another program can have stored an id that the library refuses. Such a channel has
        // no participants.
        let ids = channels
            .iter()
            .filter_map(|channel| ChannelId::new(&channel.id).ok());
        let ids: Vec<ChannelId> = ids.collect();
        let registry = self.voice.registry();
        let here = |id| registry.participant_count(id);
        let counts = match self.voice.counts(&ids).await {
            Ok(counts) => counts,
            Err(CutOff) => ids.iter().map(here).collect(),
        };
        let counts: HashMap<_, _> = ids.iter().map(ChannelId::as_str).zip(counts).collect();
        let listed = channels.into_iter().map(|channel| {
            let count = counts.get(&*channel.id).copied().unwrap_or_default();
            ListedChannel::new(channel, count)
        });
        listed.collect()
    }
}

impl ListedChannel {
    fn new(channel: Channel, participant_count: usize) -> Self {
        Self {
            id: channel.id,
            name: channel.name,
            kind: channel.kind,
            max_participants: channel.max_participants,
            participant_count,
        }
    }
}
