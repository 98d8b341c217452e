//! What fails, and what clients of three servers notice.

mod engine;
mod limits;
mod nodes;
mod random;
mod start;
mod ways;

use std::time::Duration;

use united_voice_cluster_tests::{Caller, Storage, settles};
use united_voice_scenarios::ServerKind;

/// Clusters of one kind share a folder, and clusters of both kinds a database.
const AXUM: Storage = Storage::Sqlite(ServerKind::Axum);
const ACTIX: Storage = Storage::Sqlite(ServerKind::Actix);
const MIXED: Storage = Storage::Postgres;

/// What the others are told at once is told within this time.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How long after a failure everybody knows what it cost.
const AFTER_THAW: Duration = Duration::from_secs(5);

/// A node refuses a message by itself if the target's node has not acknowledged it for this time.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

fn sessions(callers: &[Caller]) -> Vec<Option<String>> {
    let views = callers.iter().map(Caller::view);
    views.map(|view| view.session).collect()
}

/// Waits until each of these callers was told at least this much, which must be exactly this.
async fn hear(callers: &[Caller], expected: &[&str], within: Duration) -> Duration {
    let took = settles("what they are told", within, async || {
        for caller in callers {
            let told = caller.view().told;
            if told.len() < expected.len() {
                return Err(format!(
                    "{} heard {told:?}, not {expected:?}",
                    caller.user.name
                ));
            }
        }
        Ok(())
    })
    .await;
    for caller in callers {
        assert_eq!(caller.told(), expected, "{}", caller.user.name);
    }
    took
}

/// Nobody was told anything that they did not ask for.
fn heard_nothing(callers: &[Caller]) {
    for caller in callers {
        let told = caller.told();
        assert!(told.is_empty(), "{} heard {told:?}", caller.user.name);
    }
}
