//! The registry together with what the host adds to it: directory, ICE servers, limits.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use united_voice_proto::{
    voice::{IceServer, VoiceIceServersResponse},
    ws::envelope::Payload,
};

use crate::{
    ConnectError, IceConfig, Limits, LimitsError, SignalSink, Stats, UserId, VoiceConnection,
    VoiceDirectory, VoiceRoomRegistry,
};

/// All that a host holds: one for each server, shared by its connections.
///
/// Cloning copies a pointer.
pub struct VoiceServer<D> {
    inner: Arc<ServerInner<D>>,
}

struct ServerInner<D> {
    registry: VoiceRoomRegistry,
    directory: D,
    ice: IceConfig,
    limits: Limits,
}

impl<D> Clone for VoiceServer<D> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<D: VoiceDirectory> VoiceServer<D> {
    /// Begins a server that asks `directory` about joins.
    pub fn builder(directory: D) -> VoiceServerBuilder<D> {
        VoiceServerBuilder {
            directory,
            ice: IceConfig::default(),
            limits: Limits::default(),
        }
    }

    /// Registers a connection of `user`. Its signals go to `sink`. Dropping the connection is the
    /// disconnect.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub fn connect(
        &self,
        user: &UserId,
        sink: Arc<dyn SignalSink>,
    ) -> Result<VoiceConnection, ConnectError> {
        self.registry().connect(user, sink)
    }

    /// Who is where.
    pub fn registry(&self) -> &VoiceRoomRegistry {
        &self.inner.registry
    }

    /// What the host knows.
    pub fn directory(&self) -> &D {
        &self.inner.directory
    }

    /// What a client may ask and cost.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The STUN and TURN servers of the clients.
    pub fn ice(&self) -> &IceConfig {
        &self.inner.ice
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.registry().connections()
    }

    /// Numbers for the host's metrics.
    pub fn stats(&self) -> Stats {
        self.registry().stats()
    }

    /// Ends every connection with 1001 and lets no new one in. [`drained`](Self::drained) returns
    /// after all of them are gone.
    pub fn shutdown(&self) {
        self.registry().shutdown();
    }

    /// Waits until there is no connection left.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn drained(&self) {
        self.registry().drained().await;
    }

    /// How long after being given TURN credentials a member is to be sent new ones; `None` without TURN.
    ///
    /// [`ConnectionMachine`](crate::ConnectionMachine) does so by itself. A host that uses the handlers alone watches
    /// [`VoiceConnection::ice_grants`] and calls [`push_ice_servers`](Self::push_ice_servers) this long after each change.
    pub fn ice_refresh_after(&self) -> Option<Duration> {
        self.inner.ice.refresh_after()
    }

    /// Sends fresh TURN credentials, made at the time `wall`, without a request. Returns false, and
    /// sends nothing, if the connection has no seat.
    ///
    /// # Locking
    ///
    /// The user's lock.
    pub fn push_ice_servers(&self, connection: &VoiceConnection, wall: SystemTime) -> bool {
        let Some((channel, _)) = connection.seat() else {
            return false;
        };
        let response = VoiceIceServersResponse {
            ice_servers: self.ice_servers(connection.user(), wall),
            channel_id: channel.as_str().into(),
        };
        connection.notify(Payload::VoiceIceServersResponse(response));
        connection.granted_ice();
        true
    }

    pub(crate) fn ice_servers(&self, user: &UserId, wall: SystemTime) -> Vec<IceServer> {
        self.inner.ice.ice_servers(user, wall)
    }
}

impl<D> fmt::Debug for VoiceServer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceServer")
            .field("registry", &self.inner.registry)
            .field("ice", &self.inner.ice)
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}

/// Made by [`VoiceServer::builder`].
#[derive(Debug)]
pub struct VoiceServerBuilder<D> {
    directory: D,
    ice: IceConfig,
    limits: Limits,
}

impl<D: VoiceDirectory> VoiceServerBuilder<D> {
    /// The STUN and TURN servers of the clients; a public STUN server unless set.
    #[must_use]
    pub fn ice(mut self, ice: IceConfig) -> Self {
        self.ice = ice;
        self
    }

    /// What a client may ask and cost; [`Limits::default`] unless set.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Makes the server.
    ///
    /// # Errors
    ///
    /// [`LimitsError`] if a limit would let nothing through.
    pub fn build(self) -> Result<VoiceServer<D>, LimitsError> {
        self.limits.validate()?;
        Ok(VoiceServer {
            inner: Arc::new(ServerInner {
                registry: VoiceRoomRegistry::new(self.limits.connections_per_user),
                directory: self.directory,
                ice: self.ice,
                limits: self.limits,
            }),
        })
    }
}
