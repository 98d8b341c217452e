//! The data folder, and who uses it.
//!
//! Any number of processes may open the folder at the same time, and one of them may be a server.
//! Two locks say so. Both end with their process, however it ends.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio::time::sleep;

use crate::{Options, files};

/// Held while a process generates secrets and brings the file of SQLite up to date. Two that did so
/// at the same time would find each other's half-made files.
const OPENING: &str = "opening.lock";

/// Held while a server runs. Two servers on one folder would each have half of every channel, unless
/// they are nodes of one cluster.
const SERVING: &str = "server.lock";

/// How long another process may take to open the folder.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the lock is tried. The standard library has no wait with a time limit.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The data folder, which is there.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// While it lives, no other process makes files in the folder.
#[derive(Debug)]
pub(crate) struct Opening {
    _lock: Option<File>,
}

/// Which servers may use a folder at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// One.
    Sole,
    /// Any number of nodes of a cluster.
    Nodes,
}

/// The right to serve from a folder.
#[derive(Debug)]
pub(crate) struct ServingLock {
    _serving: Option<File>,
}

impl Folder {
    /// Makes the folder if it is not there.
    pub(crate) fn open(options: &Options) -> anyhow::Result<Self> {
        let path = options.data_dir.clone();
        files::create_dir(&path)
            .with_context(|| format!("cannot create the folder {}", path.display()))?;
        Ok(Self { path })
    }

    /// As [`open`](Self::open), for a command that works beside a server. If no flag names the
    /// folder, it must be there already: a command that makes one has most likely missed the one
    /// that the server uses.
    pub(crate) fn open_beside_server(options: &Options) -> anyhow::Result<Self> {
        let path = &options.data_dir;
        let is_new = !path.exists();
        if is_new && !options.data_dir_is_named {
            bail!(
                "there is no data folder {}; name the server's with --data-dir or UNITED_DATA_DIR",
                path.display()
            );
        }
        if is_new {
            tracing::warn!(
                "the data folder {} is new; start the server with the same --data-dir",
                path.display()
            );
        }
        Self::open(options)
    }

    /// Waits until no other process is making files in the folder.
    pub(crate) async fn lock(&self) -> anyhow::Result<Opening> {
        let lock = self.file(OPENING);
        let begun = Instant::now();
        loop {
            match try_lock(&lock, Share::Sole)? {
                Locked::Ours(lock) => return Ok(Opening { _lock: lock }),
                Locked::Others if begun.elapsed() < PATIENCE => sleep(LOOK_AGAIN).await,
                Locked::Others => bail!(
                    "another process has been opening the data folder {} for {} s",
                    self.path.display(),
                    PATIENCE.as_secs()
                ),
            }
        }
    }

    /// Claims the folder for this server, or for the nodes of its cluster.
    pub(crate) fn serve(&self, share: Share) -> anyhow::Result<ServingLock> {
        match (try_lock(&self.path.join(SERVING), share)?, share) {
            (Locked::Ours(serving), _) => Ok(ServingLock { _serving: serving }),
            (Locked::Others, Share::Sole) => bail!(
                "another server uses the data folder {}; stop it, or give this one another \
                 --data-dir",
                self.path.display()
            ),
            (Locked::Others, Share::Nodes) => bail!(
                "a server without --cluster uses the data folder {}; stop it, or give this one \
                 another --data-dir",
                self.path.display()
            ),
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

enum Locked {
    /// `None` if the file system has no locks.
    Ours(Option<File>),
    Others,
}

fn try_lock(path: &Path, share: Share) -> anyhow::Result<Locked> {
    let file =
        files::open_lock(path).with_context(|| format!("{}: cannot be opened", path.display()))?;
    let locked = match share {
        Share::Sole => file.try_lock(),
        Share::Nodes => file.try_lock_shared(),
    };
    match locked {
        Ok(()) => Ok(Locked::Ours(Some(file))),
        Err(TryLockError::WouldBlock) => Ok(Locked::Others),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            tracing::warn!(
                "{}: this file system has no locks; do not run two servers on it",
                path.display()
            );
            Ok(Locked::Ours(None))
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{}: cannot be locked", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_share_a_folder_and_a_server_that_is_alone_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder {
            path: dir.path().to_owned(),
        };
        let refused = |share| folder.serve(share).unwrap_err().to_string();
        let nodes = [(); 2].map(|()| folder.serve(Share::Nodes).unwrap());
        assert!(refused(Share::Sole).starts_with("another server uses the data folder "));
        drop(nodes);
        let _alone = folder.serve(Share::Sole).unwrap();
        assert!(refused(Share::Sole).starts_with("another server uses the data folder "));
        assert!(refused(Share::Nodes).starts_with("a server without --cluster uses "));
    }
}
