//! What `[turn]` and `[ice]` mean where the server runs the relay itself.

use std::net::{IpAddr, SocketAddr};

use united_voice_core::{IceConfig, SharedSecret, TurnConfig};
use united_voice_embedded_turn as relay;

use super::{Config, ConfigError, Ice};
use crate::{Secret, Secrets};

/// The relay as it is known before it has a port.
const SOME_RELAY: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

impl Config {
    /// How to start the embedded relay beside a server that is bound to `server`.
    pub(crate) fn embedded_turn(
        &self,
        generated: &Secrets,
        server: IpAddr,
    ) -> (relay::Config, SharedSecret) {
        let secret = self.turn.shared_secret.or(generated.turn_shared_secret());
        let mut config = relay::Config::new(SocketAddr::new(server, self.turn.port));
        config.relay_ip = self.turn.host_ip();
        (config, secret.expose().into())
    }

    /// The ICE servers that clients are told of: the embedded relay, which listens on `relay`. It stands in for the STUN
    /// server of the template; others that are configured are left as they are.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Turn`] for a value of `[turn]` that can't be.
    pub(crate) fn embedded_ice(
        &self,
        generated: &Secrets,
        relay: SocketAddr,
    ) -> Result<IceConfig, ConfigError> {
        let secret = self.turn.shared_secret.or(generated.turn_shared_secret());
        self.embedded_ice_with(&secret, relay)
    }

    /// Checks all but the port, which is any.
    pub(super) fn check_embedded_turn(&self) -> Result<(), ConfigError> {
        self.embedded_ice_with(&Secret::new("not empty"), SOME_RELAY)?;
        Ok(())
    }

    fn embedded_ice_with(
        &self,
        secret: &Secret,
        relay: SocketAddr,
    ) -> Result<IceConfig, ConfigError> {
        let (host, port) = (self.turn.embedded_host(relay.ip()), relay.port());
        let ttl = self.turn.credential_ttl_secs;
        let turn = TurnConfig::new(&host, port, secret.expose(), ttl)?;
        let mut stun_urls = self.ice.stun_urls.clone();
        if self.ice == Ice::default() {
            stun_urls = vec![format!("stun:{host}:{port}")];
        }
        Ok(IceConfig::default()
            .with_stun_urls(stun_urls)
            .with_turn(turn))
    }
}

impl super::Turn {
    /// The configured host, where it is an IP address.
    fn host_ip(&self) -> Option<IpAddr> {
        let host = self.host.strip_prefix('[');
        let host = host.and_then(|host| host.strip_suffix(']'));
        host.unwrap_or(&self.host).parse().ok()
    }

    /// How clients reach the embedded relay, as it stands in a URL.
    fn embedded_host(&self, bound: IpAddr) -> String {
        let ip = if self.host.is_empty() {
            Some(bound)
        } else {
            self.host_ip()
        };
        match ip {
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            Some(IpAddr::V4(ip)) => ip.to_string(),
            None => self.host.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
