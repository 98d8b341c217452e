//! What `[turn]` and `[ice]` mean if the server runs the relay itself.

use std::net::{IpAddr, SocketAddr};

use united_voice_core::{IceConfig, SharedSecret, TurnConfig, TurnConfigError};
use united_voice_embedded_turn as relay;

use super::{Config, TurnSection};
use crate::Secrets;

impl Config {
    /// How to start the embedded relay beside a server that is bound to `server`.
    pub(crate) fn embedded_turn(
        &self,
        generated: &Secrets,
        server: IpAddr,
    ) -> (relay::Config, SharedSecret) {
        let secret = self.turn_shared_secret(generated);
        let mut config = relay::Config::new(SocketAddr::new(server, self.turn.port));
        config.relay_ip = self.turn.host_ip();
        (config, secret.expose().into())
    }

    /// The ICE servers that clients are told of: the embedded relay, which listens on `relay`. It
    /// replaces the STUN server of the template; other STUN servers that are configured stay.
    ///
    /// # Errors
    ///
    /// [`TurnConfigError::EmptySecret`] if there is neither a configured nor a generated secret.
    pub(crate) fn embedded_ice(
        &self,
        generated: &Secrets,
        relay: SocketAddr,
    ) -> Result<IceConfig, TurnConfigError> {
        let secret = self.turn_shared_secret(generated);
        let (host, port) = (self.turn.embedded_host(relay.ip()), relay.port());
        let ttl = self.turn.credential_ttl_secs;
        let turn = TurnConfig::new(&host, port, secret.expose(), ttl)?;
        let stun_urls = if self.stun_urls == [IceConfig::DEFAULT_STUN_URL] {
            vec![format!("stun:{host}:{port}")]
        } else {
            self.stun_urls.clone()
        };
        Ok(self.stun(stun_urls).with_turn(turn))
    }
}

impl TurnSection {
    /// The configured host, if it is an IP address.
    fn host_ip(&self) -> Option<IpAddr> {
        let host = self.host.strip_prefix('[');
        let host = host.and_then(|host| host.strip_suffix(']'));
        host.unwrap_or(&self.host).parse().ok()
    }

    /// The host by which clients reach the embedded relay, in the form that a URL needs.
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
