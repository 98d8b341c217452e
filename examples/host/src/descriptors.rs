//! How many files and sockets the process may have open, and what happens when they run out.
//!
//! A process without a free descriptor can accept no connection, so it can't even say that it is
//! alive. So the last descriptors are kept: first no more WebSockets are opened, while plain
//! requests are still answered, and then connections are closed as soon as they are accepted. That
//! leaves some for the database.
//!
//! The system gives a new descriptor the lowest number that is free. So that number says how many
//! are taken, and nothing has to be counted.

use std::time::Instant;

use crate::throttle::OncePerMinute;

/// Tells the operator, at most once a minute.
static SHORTAGES: OncePerMinute = OncePerMinute::new();

/// Allows the process as many descriptors as the system lets it have. By default it is fewer, often
/// 1024, for the sake of old programs.
#[cfg(unix)]
pub(crate) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let number = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |n| n.to_string());
    let (old, new) = (number(current), number(maximum));
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::info!("the limit of open files was {old} and is now {new}"),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files stays at {old}, though {new} are allowed");
        }
    }
}

/// Does nothing: this system has no such limit.
#[cfg(not(unix))]
pub(crate) fn raise_limit() {}

/// Whether another connection may become a WebSocket, which keeps its descriptor for long.
pub(crate) fn have_room() -> bool {
    let have_room = !are_scarce(taken());
    if !have_room {
        warn("new WebSockets are refused");
    }
    have_room
}

/// Whether the descriptor with this number is one of those that are kept for plain requests.
pub(crate) fn are_scarce(newest: u64) -> bool {
    limit().is_some_and(|limit| newest + spare(limit) >= limit)
}

/// Whether a connection that was just accepted has one of the last descriptors.
pub(crate) fn are_gone(newest: u64) -> bool {
    let are_gone = limit().is_some_and(|limit| newest + spare(limit) / 2 >= limit);
    if are_gone {
        warn("new connections are closed");
    }
    are_gone
}

pub(crate) fn warn(consequence: &str) {
    if let Some(unsaid) = SHORTAGES.pass(Instant::now()) {
        let limit = limit().unwrap_or_default();
        tracing::warn!(
            unsaid,
            "almost all of the {limit} files and sockets that this process may have are open, so \
             {consequence}; raise its limit (LimitNOFILE, ulimit -n)"
        );
    }
}

/// How many descriptors WebSockets leave to others. Half of them are for the database.
fn spare(limit: u64) -> u64 {
    (limit / 10).clamp(6, 64)
}

#[cfg(unix)]
pub(crate) fn limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current
}

#[cfg(not(unix))]
pub(crate) fn limit() -> Option<u64> {
    None
}

/// The number of the lowest free descriptor.
#[cfg(unix)]
fn taken() -> u64 {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    let copy = std::io::stdin().as_fd().try_clone_to_owned();
    copy.map_or(u64::from(u32::MAX), |copy| number(copy.as_raw_fd()))
}

#[cfg(not(unix))]
fn taken() -> u64 {
    0
}

/// The number of a connection's descriptor.
#[cfg(unix)]
pub(crate) fn of(stream: &tokio::net::TcpStream) -> u64 {
    use std::os::fd::AsRawFd as _;
    number(stream.as_raw_fd())
}

#[cfg(not(unix))]
pub(crate) fn of(_stream: &tokio::net::TcpStream) -> u64 {
    0
}

#[cfg(unix)]
fn number(descriptor: std::os::fd::RawFd) -> u64 {
    u64::try_from(descriptor).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_spared_within_bounds() {
        assert_eq!([0, 40, 100, 1024].map(spare), [6, 6, 10, 64]);
    }

    #[cfg(unix)]
    #[test]
    fn the_lowest_free_descriptor_is_one_of_this_process() {
        let before = taken();
        let limit = limit().unwrap_or(u64::MAX);
        assert!(before >= 3 && before < limit, "{before} of {limit}");
    }
}
