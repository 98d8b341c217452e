//! What the parts of a node share.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use united_voice_core::{
    ChannelId, SessionId, UserId,
    cluster::{Asked, ForwardedBy},
};

use super::{kicks::Kicks, metrics::Counters};
use crate::{
    Calls, Dialer, Introduction, Nid, Operation, Outbox, Pulse, RegisterError, Registered,
    Registration,
};

/// How many rosters a node asks for at once. The engine makes them in a millisecond or two, and
/// serves nobody else meanwhile.
pub(super) const ROSTERS: usize = 64;

/// What a node can do at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// Everything.
    Ok,
    /// The engine has not answered for two thirds of a lease.
    CutOff,
    /// The engine lost its data, and nodes put their seats back. Nobody can join.
    Recovering,
}

impl NodeState {
    /// The word for health checks: `ok`, `cut-off` or `recovering`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::CutOff => "cut-off",
            Self::Recovering => "recovering",
        }
    }
}

/// Who asked for an operation.
pub(super) enum Ask {
    Core {
        asked: Asked,
        is_join: bool,
    },
    /// The host.
    Host {
        operation: Operation,
        /// How many stays ended, and whether there are more.
        answer: oneshot::Sender<(usize, bool)>,
    },
    /// Nobody: the node repeats what its host ended, since the engine may have lost it.
    Again(Operation),
    /// Seats that were put back.
    Reassert {
        seats: Vec<(UserId, ChannelId, SessionId)>,
        last: bool,
    },
}

impl Ask {
    /// Whether everybody on this node has been told, since the node is cut off.
    pub(super) fn is_told(&self) -> bool {
        matches!(self, Self::Core { asked, .. } if asked.is_told())
    }
}

/// Who is told that a message did not arrive.
pub(super) type SentBy = Option<(ForwardedBy, ChannelId)>;

pub(super) struct Shared {
    /// The process.
    pub(super) me: u32,
    pub(super) name: String,
    pub(super) lease: Duration,
    pub(super) fingerprint: Vec<u8>,
    pub(super) rotated: Vec<u8>,
    pub(super) dialer: Dialer,
    pub(super) outbox: Mutex<Outbox<Ask, SentBy>>,
    /// The outbox has something to send.
    pub(super) work: Notify,
    /// Wakes the beat before its time.
    pub(super) beat_now: Notify,
    pub(super) calls: Calls,
    pub(super) kicks: Mutex<Kicks>,
    pub(super) registration: Mutex<Registration>,
    pub(super) pulse: Mutex<Pulse>,
    pub(super) epoch: AtomicU64,
    pub(super) recovering: AtomicBool,
    pub(super) state: watch::Sender<NodeState>,
    /// The last registration of each other node.
    pub(super) routes: Mutex<HashMap<u32, u32>>,
    pub(super) closed: watch::Sender<bool>,
    pub(super) counters: Counters,
    /// When the engine failed last, from the first failure of an outage to its end.
    pub(super) outage: Mutex<Option<Instant>>,
}

impl Shared {
    pub(super) fn registration(&self) -> Registration {
        self.registration.lock().clone()
    }

    pub(super) fn lease_us(&self) -> u64 {
        u64::try_from(self.lease.as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether the engine has not answered for so long that the node acts by itself.
    pub(super) fn is_cut_off(&self) -> bool {
        *self.state.borrow() == NodeState::CutOff
    }

    pub(super) fn set_state(&self, cut_off: bool) {
        let state = if cut_off {
            NodeState::CutOff
        } else if self.recovering.load(Ordering::Relaxed) {
            NodeState::Recovering
        } else {
            NodeState::Ok
        };
        self.state.send_if_modified(|present| {
            let changed = *present != state;
            if changed {
                tracing::info!(node = self.name, state = state.word(), "the node's state");
            }
            *present = state;
            changed
        });
    }

    /// Notes where messages to a node go.
    pub(super) fn route(&self, nid: Nid) {
        if nid.node != self.me {
            let mut routes = self.routes.lock();
            let registration = routes.entry(nid.node).or_default();
            if *registration < nid.registration {
                *registration = nid.registration;
                self.outbox.lock().route(nid);
            }
        }
    }

    /// Registers this process under the number `first`, or the next one that is free.
    pub(super) async fn register(
        &self,
        first: u32,
        has_seats: bool,
    ) -> Result<Registered, RegisterError> {
        let boot = random_bytes();
        let mut registration = first;
        loop {
            let nid = Nid::new(self.me, registration);
            let asked = Instant::now();
            let introduction = Introduction {
                boot: &boot,
                nid,
                name: &self.name,
                fingerprint: &self.fingerprint,
                rotated: &self.rotated,
                lease_us: self.lease_us(),
                has_seats,
            };
            let registered = match self.calls.register(&introduction).await {
                Err(RegisterError::Taken) => {
                    registration += 1;
                    continue;
                }
                registered => registered?,
            };
            tracing::info!(node = self.name, %nid, "registered");
            self.epoch.store(registered.epoch, Ordering::SeqCst);
            let recovering = registered.recovery_us > 0;
            self.recovering.store(recovering, Ordering::Relaxed);
            *self.pulse.lock() = Pulse::new(self.lease, asked);
            *self.registration.lock() = Registration {
                boot: registered.boot.clone(),
                nid,
            };
            self.set_state(false);
            return Ok(registered);
        }
    }
}

/// A random number that is not 0.
pub(super) fn random_node() -> u32 {
    getrandom::u32().unwrap_or_default().max(1)
}

fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without randomness no TLS works either, and two engines with one boot id only look alike
        // if both lose their data in one lease.
        tracing::error!("the system gives no random numbers");
    }
    bytes
}
