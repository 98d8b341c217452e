//! Waiting for a page or a connection.

use std::{fmt::Display, time::Duration};

use tokio::time::{Instant, sleep};

/// How long a test waits before it fails. Generous, because tests share the processor.
pub const PATIENCE: Duration = Duration::from_secs(20);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Runs the probe until it succeeds. Its error says what it saw instead.
///
/// # Panics
/// If that takes longer than [`PATIENCE`]; the message has the last error of the probe.
pub async fn until<T, E: Display>(what: &str, probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    until_within(PATIENCE, what, probe).await
}

/// [`until`] with another patience.
///
/// # Panics
/// If that takes longer than `patience`; the message has the last error of the probe.
pub async fn until_within<T, E: Display>(
    patience: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= deadline => {
                panic!("{what}: not within {patience:?}, but {seen}")
            }
            Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
}
