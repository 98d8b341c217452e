//! The host server: the voice channels, the users and the channels.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use united_voice_core::VoiceServer;
use united_voice_redis::RedisNode;

use crate::{DevLoginChoice, HttpLimits, Store, Tokens, gate::Gate};

/// The state that all connections of the server share.
#[derive(Debug)]
pub struct Host {
    pub(crate) voice: VoiceServer<Store>,
    pub(crate) tokens: Tokens,
    pub(crate) dev_login: DevLogin,
    pub(crate) gate: Arc<Gate>,
    pub(crate) node: Option<RedisNode>,
    stopping: AtomicBool,
}

/// Which clients may sign in without a password. This is for trying out the server.
///
/// Unless it is [`Off`](Self::Off), every signed-in user may also make channels and change their
/// limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevLogin {
    /// None: the routes do not exist.
    Off,
    /// Programs and pages of this machine, the default on a loopback address. A page of another
    /// site must not sign in, though it can reach this address through the visitor's browser (by
    /// DNS rebinding) or through a proxy.
    Local,
    /// All that can connect.
    Anybody,
}

impl DevLogin {
    /// The choice of the flags, or else the default for the addresses.
    pub fn new(choice: DevLoginChoice, bound: &[SocketAddr]) -> Self {
        let is_local = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        match choice {
            DevLoginChoice::Allow => Self::Anybody,
            DevLoginChoice::Unsaid if bound.iter().all(is_local) => Self::Local,
            DevLoginChoice::Unsaid | DevLoginChoice::Refuse => Self::Off,
        }
    }
}

impl Host {
    /// A host server with these voice channels. Their directory is also the store of users and
    /// channels.
    pub fn new(voice: VoiceServer<Store>, tokens: Tokens, dev_login: DevLogin) -> Self {
        Self {
            voice,
            tokens,
            dev_login,
            gate: Arc::new(Gate::new(HttpLimits::default())),
            node: None,
            stopping: AtomicBool::new(false),
        }
    }

    /// Sets the limits of connections and requests.
    #[must_use]
    pub fn with_http_limits(mut self, limits: HttpLimits) -> Self {
        self.gate = Arc::new(Gate::new(limits));
        self
    }

    /// Lets health checks and metrics tell of the node that the voice channels belong to.
    #[must_use]
    pub fn with_node(mut self, node: RedisNode) -> Self {
        self.node = Some(node);
        self
    }

    /// The voice channels.
    pub fn voice(&self) -> &VoiceServer<Store> {
        &self.voice
    }

    /// Makes `GET /readyz` say from now on that the server ends. [`run`](crate::run) calls it.
    pub fn stop(&self) {
        // No other memory depends on it.
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn store(&self) -> &Store {
        self.voice.directory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_for_signing_in_by_name_depends_on_the_address() {
        use DevLoginChoice::{Allow, Refuse, Unsaid};
        let cases = [
            (Unsaid, "127.0.0.1:1", DevLogin::Local),
            (Unsaid, "127.9.9.9:1", DevLogin::Local),
            (Unsaid, "[::1]:1", DevLogin::Local),
            (Unsaid, "[::ffff:127.0.0.1]:1", DevLogin::Local),
            (Unsaid, "0.0.0.0:1", DevLogin::Off),
            (Unsaid, "[::]:1", DevLogin::Off),
            (Unsaid, "192.0.2.1:1", DevLogin::Off),
            (Refuse, "127.0.0.1:1", DevLogin::Off),
            (Allow, "0.0.0.0:1", DevLogin::Anybody),
        ];
        for (choice, bound, expected) in cases {
            assert_eq!(
                DevLogin::new(choice, &[bound.parse().unwrap()]),
                expected,
                "{choice:?} on {bound}"
            );
        }
        let both = ["127.0.0.1:1", "192.0.2.1:1"].map(|text| text.parse().unwrap());
        assert_eq!(DevLogin::new(Unsaid, &both), DevLogin::Off);
    }
}
