//! The facts about one client that several parts of the relay share.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use parking_lot::Mutex;
use turn::auth::AuthHandler;

use crate::credentials::Credentials;

/// The user of a client, and the sockets that the client has.
///
/// The `turn` crate checks the user in one callback and makes a socket in another, which is not
/// told the user. But the crate handles one message of a client at a time, and makes a socket only
/// for a request that has just passed the check. So the socket is for the user that was checked
/// last.
#[derive(Debug, Default)]
pub(crate) struct Session {
    user: Mutex<Option<String>>,
    allocations: Arc<AtomicUsize>,
}

/// A socket of the client, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Allocated(Arc<AtomicUsize>);

impl Session {
    /// The user that was checked last.
    pub(crate) fn user(&self) -> Option<String> {
        self.user.lock().clone()
    }

    pub(crate) fn allocated(&self) -> Allocated {
        self.allocations.fetch_add(1, Ordering::Relaxed);
        Allocated(Arc::clone(&self.allocations))
    }

    pub(crate) fn has_allocation(&self) -> bool {
        self.allocations.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Allocated {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Checks the user of each request of a client.
pub(crate) struct Checkpoint {
    pub(crate) credentials: Credentials,
    pub(crate) session: Arc<Session>,
}

impl AuthHandler for Checkpoint {
    fn auth_handle(
        &self,
        username: &str,
        realm: &str,
        _: SocketAddr,
    ) -> Result<Vec<u8>, turn::Error> {
        let claim = self.credentials.claim(username, realm, SystemTime::now());
        let claim = claim.map_err(|refusal| {
            tracing::debug!(%refusal, "a request is refused");
            turn::Error::ErrNoSuchUser
        })?;
        *self.session.user.lock() = Some(claim.user.to_owned());
        Ok(claim.key)
    }
}
