//! How large a server becomes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use united_voice_load::process::Process;

/// Watches the server's memory for its peak.
pub(crate) struct Peak {
    bytes: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl Peak {
    /// Begins to watch.
    pub(crate) fn watch(server: Process) -> Self {
        let (bytes, stopped) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (of_thread, until) = (Arc::clone(&bytes), Arc::clone(&stopped));
        std::thread::spawn(move || {
            while !until.load(Relaxed) {
                let Ok(now) = server.resident_bytes() else {
                    return;
                };
                of_thread.fetch_max(now, Relaxed);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Self { bytes, stopped }
    }

    /// The largest size so far, in bytes.
    pub(crate) fn stop(self) -> u64 {
        self.stopped.store(true, Relaxed);
        self.bytes.load(Relaxed)
    }
}
