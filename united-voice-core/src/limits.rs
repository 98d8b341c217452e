//! How much a client may send to the server, and how much it may cost.

use std::time::Duration;

/// The limits of every connection.
///
/// With the defaults, the worst-case memory of a connection is the sum of:
///
/// - 128 KiB for the message that is being read;
/// - 12 MiB of queued messages, if the client reads too slowly: twice
///   [`outbound_queue_bytes`](Self::outbound_queue_bytes) of events, and once of answers
///   that it asked for and does not read ([`outbound_queue`](crate::outbound_queue) says what is
///   counted);
/// - one answer more, which is large if it is the snapshot of a large channel;
/// - the buffers of the transport.
///
/// Fields may be added later, so a host begins with the defaults:
///
/// ```
/// use united_voice_core::Limits;
///
/// let mut limits = Limits::default();
/// limits.messages_per_second = 50;
/// limits.burst = 100;
/// ```
///
/// An idle participant takes about 300 bytes in the registry (measured in 100 000 rooms of 4, see
/// `docs/benchmarks.md`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Messages a second that a client may send in the long run. Default 100, at least 1. The
    /// library counts in whole nanoseconds, so a value over 1 000 000 000 limits nothing.
    ///
    /// A message counts once for each started 16 KiB. With the defaults a client sends at most some
    /// 1.6 MB a second in the long run. Pings count too, and so do pongs that answer no ping and
    /// the frames of a message in fragments. A join counts once for each started 16 KiB of its
    /// response, except for the first join of a connection, which counts once. A rejoin of the same
    /// channel counts once more. So snapshots are limited like messages.
    ///
    /// A leave is carried out even over the rate.
    pub messages_per_second: u32,
    /// Messages that a client may send at once after a pause. Default 200, at least 1. No message
    /// counts more often than this, so a large one passes if the client has sent nothing for a
    /// while.
    pub burst: u32,
    /// How long a client may exceed the rate before the server closes its connection with 1008. The
    /// time starts anew after a second without excess: without a dropped message, and without a
    /// ping, a fragment or a leave over the rate. Default 10 s.
    pub max_excess: Duration,
    /// Messages that may wait for a client. If the client reads, twice as many events may wait, and
    /// the senders of further relays are told to wait. If it has stalled, the next message that
    /// does not fit evicts it. Default 256, at least 1.
    pub outbound_queue: usize,
    /// Bytes that may wait for a client, in the same way. Default 4 MiB, at least 1.
    pub outbound_queue_bytes: usize,
    /// The largest message from a client, in bytes. A larger one closes the connection with 1009.
    /// Default 128 KiB.
    pub max_message_bytes: usize,
    /// The largest `sdp`, in bytes. Default 64 KiB.
    pub max_sdp_bytes: usize,
    /// The largest `candidate_json`, in bytes. Default 4 KiB.
    pub max_candidate_bytes: usize,
    /// The largest [`Profile`](crate::Profile), in bytes: display name and public key together. Each
    /// snapshot of a channel has the profiles of all its members. A join whose directory gives a
    /// larger one is answered with `INTERNAL`, and the first such join is logged as an error.
    /// Default 8 KiB, at least 1.
    pub max_profile_bytes: usize,
    /// The server pings a client that sent nothing for this long. Default 15 s.
    pub ping_interval: Duration,
    /// The server drops a client that sends nothing for this long after a ping. Default 10 s.
    pub ping_timeout: Duration,
    /// How long a directory may take to answer about a join before the client is told
    /// `UNAVAILABLE`. Default 10 s.
    pub directory_timeout: Duration,
    /// How long the server tries to send its close frame. Default 5 s.
    pub close_timeout: Duration,
    /// How long the server goes on reading after its close frame, and drops what it reads. Default
    /// 2 s.
    pub linger: Duration,
    /// Connections that one user may have at the same time. Default 1024, at least 1.
    pub connections_per_user: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages_per_second: 100,
            burst: 200,
            max_excess: Duration::from_secs(10),
            outbound_queue: 256,
            outbound_queue_bytes: 4 << 20,
            max_message_bytes: 128 << 10,
            max_sdp_bytes: 64 << 10,
            max_candidate_bytes: 4 << 10,
            max_profile_bytes: 8 << 10,
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(10),
            directory_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            linger: Duration::from_secs(2),
            connections_per_user: 1024,
        }
    }
}

impl Limits {
    /// Checks that no limit is zero that must not be zero. The limits on the size of a payload
    /// (`max_sdp_bytes`, `max_candidate_bytes`) and the times `max_excess`, `close_timeout` and
    /// `linger` may be zero.
    ///
    /// # Errors
    ///
    /// [`LimitsError`] with the name of the first limit that is zero.
    pub fn validate(&self) -> Result<(), LimitsError> {
        let zero = [
            ("messages_per_second", self.messages_per_second == 0),
            ("burst", self.burst == 0),
            ("outbound_queue", self.outbound_queue == 0),
            ("outbound_queue_bytes", self.outbound_queue_bytes == 0),
            ("max_message_bytes", self.max_message_bytes == 0),
            ("max_sdp_bytes", self.max_sdp_bytes == 0),
            ("max_candidate_bytes", self.max_candidate_bytes == 0),
            ("max_profile_bytes", self.max_profile_bytes == 0),
            ("ping_interval", self.ping_interval.is_zero()),
            ("ping_timeout", self.ping_timeout.is_zero()),
            ("directory_timeout", self.directory_timeout.is_zero()),
            ("connections_per_user", self.connections_per_user == 0),
        ];
        match zero.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(LimitsError { name }),
            None => Ok(()),
        }
    }
}

/// A limit is zero that must not be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit {name} must not be zero")]
pub struct LimitsError {
    name: &'static str,
}

impl LimitsError {
    /// The name of that limit: a field of [`Limits`].
    pub fn name(&self) -> &'static str {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_protocol_and_valid() {
        let limits = Limits::default();
        assert_eq!(limits.validate(), Ok(()));
        assert!(limits.ping_interval + limits.ping_timeout <= Duration::from_secs(30));
    }

    #[test]
    fn a_zero_is_refused_by_name() {
        let limits = Limits {
            burst: 0,
            ..Limits::default()
        };
        assert_eq!(limits.validate().unwrap_err().name(), "burst");
    }
}
