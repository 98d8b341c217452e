//! Waiting for what a page or a connection does in its own time.

use std::{fmt::Display, time::Duration};

use tokio::time::{Instant, sleep};

/// How long anything may take before a test gives it up. Generous, because tests share the processor.
pub const PATIENCE: Duration = Duration::from_secs(20);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Looks again and again until the probe is content. Its error says what it saw instead.
///
/// # Panics
/// With what it saw last, if that takes longer than [`PATIENCE`].
pub async fn until<T, E: Display>(what: &str, probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    until_within(PATIENCE, what, probe).await
}

/// [`until`] with a patience of one's own.
///
/// # Panics
/// With what it saw last, if that takes longer than `patience`.
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
