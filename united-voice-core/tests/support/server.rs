//! A server whose directory decides by the name of the channel.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use united_voice_core::{
    Admission, AdmitError, ChannelId, IceConfig, Limits, Profile, TurnConfig, UserId,
    VoiceDirectory, VoiceServer,
};

/// A directory that admits everybody, with three exceptions. It refuses four names always. For
/// names that begin with `slow`, it waits for a permit of `gate`. For `panic`, it panics. A name
/// such as `profile 300` gives a profile of so many bytes.
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) gate: Semaphore,
    pub(crate) asked: AtomicUsize,
}

#[async_trait]
impl VoiceDirectory for Gated {
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match channel.as_str() {
            "text" => return Err(AdmitError::NotAVoiceChannel),
            "unknown" => return Err(AdmitError::ChannelNotFound),
            "banned" => return Err(AdmitError::Forbidden),
            "broken" => return Err(AdmitError::unavailable("disk failure")),
            "panic" => panic!("the host has a mistake"),
            name if name.starts_with("slow") => {
                let permit = self.gate.acquire().await;
                permit.map_err(AdmitError::unavailable)?.forget();
            }
            _ => {}
        }
        let limit = u32::from(channel.as_str() == "tiny");
        let mut profile = Profile::new(user.as_str());
        if let Some(bytes) = channel.as_str().strip_prefix("profile ") {
            let bytes: usize = bytes.parse().map_err(AdmitError::unavailable)?;
            profile = profile.with_pubkey("k".repeat(bytes - user.as_str().len()));
        }
        let admission = Admission::new(profile);
        Ok(admission.with_max_participants(NonZeroU32::new(limit)))
    }
}

pub(crate) type Server = VoiceServer<Gated>;

pub(crate) fn server() -> Server {
    server_with(|_| {})
}

pub(crate) fn server_with(change: impl FnOnce(&mut Limits)) -> Server {
    build(IceConfig::default(), change)
}

/// A server whose TURN credentials are valid for a minute.
pub(crate) fn turn_server() -> Server {
    let turn = TurnConfig::new("turn.example", 3478, "secret", 60).expect("valid");
    with_ice(IceConfig::default().with_turn(turn))
}

pub(crate) fn with_ice(ice: IceConfig) -> Server {
    build(ice, |_| {})
}

pub(crate) fn build(ice: IceConfig, change: impl FnOnce(&mut Limits)) -> Server {
    let mut limits = Limits::default();
    change(&mut limits);
    let directory = Gated {
        gate: Semaphore::new(0),
        asked: AtomicUsize::new(0),
    };
    VoiceServer::builder(directory)
        .ice(ice)
        .limits(limits)
        .build()
        .expect("built")
}
