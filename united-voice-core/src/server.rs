//! [`VoiceServer`]: the registry, together with the host's directory, ICE servers and limits.

#[cfg(feature = "cluster")]
mod cluster;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use united_voice_proto::{
    voice::{IceServer, VoiceIceServersResponse},
    ws::envelope::Payload,
};

use crate::{
    ConnectError, IceConfig, Limits, LimitsError, Profile, SignalSink, Stats, UserId,
    VoiceConnection, VoiceDirectory, VoiceRoomRegistry,
};
#[cfg(feature = "cluster")]
use crate::{cluster::Cluster, rooms::link::ClusterLink};

/// The one value of this library that a host keeps. All its connections share it.
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
    /// It was logged that a profile of the directory is too large.
    has_warned: AtomicBool,
}

impl<D> Clone for VoiceServer<D> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<D: VoiceDirectory> VoiceServer<D> {
    /// Starts to build a server that asks `directory` whether a user may join a channel.
    pub fn builder(directory: D) -> VoiceServerBuilder<D> {
        VoiceServerBuilder {
            directory,
            ice: IceConfig::default(),
            limits: Limits::default(),
            #[cfg(feature = "cluster")]
            cluster: None,
        }
    }

    /// Registers a connection of `user`. What its client is to be told goes to `sink`. Dropping the
    /// returned connection is the disconnect.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the server is stopping, or if the user has too many connections.
    pub fn connect(
        &self,
        user: &UserId,
        sink: Arc<dyn SignalSink>,
    ) -> Result<VoiceConnection, ConnectError> {
        self.registry().connect(user, sink)
    }

    /// The registry: which users are in which channels, and how to remove them.
    pub fn registry(&self) -> &VoiceRoomRegistry {
        &self.inner.registry
    }

    /// The host's directory, as it was given to [`builder`](Self::builder).
    pub fn directory(&self) -> &D {
        &self.inner.directory
    }

    /// The limits of every connection.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The STUN and TURN servers that clients are told to use.
    pub fn ice(&self) -> &IceConfig {
        &self.inner.ice
    }

    /// The number of open connections.
    pub fn connections(&self) -> usize {
        self.registry().connections()
    }

    /// Numbers for the host's metrics.
    pub fn stats(&self) -> Stats {
        self.registry().stats()
    }

    /// Closes every connection with code 1001, and refuses new ones. To wait until all of them are
    /// gone, await [`drained`](Self::drained). The graceful shutdown of a web framework usually
    /// does not wait for WebSockets.
    pub fn shutdown(&self) {
        self.registry().shutdown();
    }

    /// Waits until no connection is left, and no closing handshake of a
    /// [`ConnectionMachine`](crate::ConnectionMachine) is under way.
    ///
    /// After [`shutdown`](Self::shutdown), [`drive`](crate::drive) takes at most
    /// [`Limits::close_timeout`] and [`Limits::linger`], 7 s by default. If a host runs connections
    /// in another way, it depends on the host how long this takes.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn drained(&self) {
        self.registry().drained().await;
    }

    /// How old a participant's TURN credentials may become before the server sends new ones. `None`
    /// if there is no TURN server.
    ///
    /// [`ConnectionMachine`](crate::ConnectionMachine) sends them by itself. A host that calls only
    /// the handlers watches [`VoiceConnection::ice_grants`], and calls
    /// [`push_ice_servers`](Self::push_ice_servers) this long after each change. It does the same
    /// if the wall clock has jumped since, because credentials expire by that clock.
    pub fn ice_refresh_after(&self) -> Option<Duration> {
        self.inner.ice.refresh_after()
    }

    /// Sends fresh TURN credentials without a request. `wall` is the present time. Returns false,
    /// and sends nothing, if the connection is in no channel.
    ///
    /// # Locking
    ///
    /// Takes the user's lock.
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

    /// Whether a profile of the directory is too large. The first one is logged. More lines would
    /// only repeat it, as often as clients try again.
    pub(crate) fn is_too_large(&self, profile: &Profile) -> bool {
        let (bytes, limit) = (profile.bytes(), self.inner.limits.max_profile_bytes);
        let is_too_large = bytes > limit;
        if is_too_large && !self.inner.has_warned.swap(true, Ordering::Relaxed) {
            tracing::error!(
                bytes,
                max_profile_bytes = limit,
                "the directory gives a profile that is too large; such users cannot join"
            );
        }
        is_too_large
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

/// Builds a [`VoiceServer`]. [`VoiceServer::builder`] makes it.
#[derive(Debug)]
pub struct VoiceServerBuilder<D> {
    directory: D,
    ice: IceConfig,
    limits: Limits,
    #[cfg(feature = "cluster")]
    cluster: Option<Backend>,
}

/// The backend of a cluster.
#[cfg(feature = "cluster")]
struct Backend(Arc<dyn Cluster>);

#[cfg(feature = "cluster")]
impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

impl<D: VoiceDirectory> VoiceServerBuilder<D> {
    /// Sets the STUN and TURN servers that clients are told to use. The default is
    /// [`IceConfig::DEFAULT_STUN_URL`], and no TURN server.
    #[must_use]
    pub fn ice(mut self, ice: IceConfig) -> Self {
        self.ice = ice;
        self
    }

    /// Sets the limits of every connection. The default is [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Makes the server a node of a cluster: `cluster` decides, and gives its decisions to
    /// [`VoiceServer::replica`].
    #[cfg(feature = "cluster")]
    #[must_use]
    pub fn cluster(mut self, cluster: Arc<dyn Cluster>) -> Self {
        self.cluster = Some(Backend(cluster));
        self
    }

    /// Makes the server.
    ///
    /// # Errors
    ///
    /// [`LimitsError`] if a limit is zero that must not be zero.
    pub fn build(self) -> Result<VoiceServer<D>, LimitsError> {
        self.limits.validate()?;
        Ok(VoiceServer {
            inner: Arc::new(ServerInner {
                registry: VoiceRoomRegistry::linked(
                    self.limits.connections_per_user,
                    #[cfg(feature = "cluster")]
                    self.cluster
                        .map(|Backend(cluster)| ClusterLink::new(cluster)),
                ),
                directory: self.directory,
                ice: self.ice,
                limits: self.limits,
                has_warned: AtomicBool::new(false),
            }),
        })
    }
}
