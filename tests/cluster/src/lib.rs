//! Three example servers that are one cluster, with a network between each of them and the engine,
//! and clients that stay in their calls whatever fails.
//!
//! A test breaks something, mends it, and waits for [`Cluster::agree`]: the engine, the REST routes
//! of all nodes and what each client was told say the same. Meanwhile two witnesses watch. The
//! [`Ledger`] knows each relayed message and what became of it. A thread reads the engine all the
//! time, and notes each sample in which a limit is exceeded or a user sits twice.

mod agreement;
mod caller;
mod cluster;
mod ledger;
mod node;
mod sampler;
mod seats;
mod view;

pub use caller::Caller;
pub use cluster::{Cluster, LEASE, Storage, promote};
pub use ledger::{Counts, Ledger};
pub use node::Node;
pub use seats::Seat;
pub use view::View;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What a machine with other work may add to a time that the contract promises.
pub const SLACK: Duration = Duration::from_secs(6);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits until `probe` finds nothing to complain about, and returns how long that took. It prints
/// this time too, so `--nocapture` shows how fast each failure heals.
///
/// # Panics
/// If it still complains after `promised` and [`SLACK`]. The last complaint is the message.
pub async fn settles(
    what: &str,
    promised: Duration,
    mut probe: impl AsyncFnMut() -> Result<(), String>,
) -> Duration {
    let begun = Instant::now();
    loop {
        match probe().await {
            Ok(()) => {
                let took = begun.elapsed();
                print_time(what, took);
                return took;
            }
            Err(why) => assert!(
                begun.elapsed() < promised + SLACK,
                "{what}: not within {promised:?} and {SLACK:?}: {why}"
            ),
        }
        sleep(LOOK_AGAIN).await;
    }
}

#[expect(clippy::print_stdout, reason = "tests keep what they print")]
fn print_time(what: &str, took: Duration) {
    println!("{what}: after {} ms", took.as_millis());
}
