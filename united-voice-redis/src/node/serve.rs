//! A node's life: its loops, and a repair after each loss.

use united_voice_core::cluster::Replica;

use super::{loops::Run, shared::Shared};

/// Runs a node until its server is closed.
pub(super) async fn serve(run: &Run, shared: &Shared, replica: &Replica) {
    loop {
        let mut closed = shared.closed.subscribe();
        let trouble = tokio::select! {
            trouble = run.until_trouble(shared, replica) => trouble,
            _ = closed.wait_for(|closed| *closed) => return,
        };
        let why = trouble.words();
        tracing::warn!(node = shared.name, why = &*why, "the node registers anew");
        tokio::select! {
            () = run.repair(shared, replica, &trouble) => {}
            _ = closed.wait_for(|closed| *closed) => return,
        }
    }
}
