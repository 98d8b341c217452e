//! What a server writes.

use std::{
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio::sync::oneshot;

/// The output of the process. One thread per stream collects it until the stream closes.
#[derive(Debug, Default)]
pub(crate) struct Log {
    text: Arc<Mutex<String>>,
    collectors: Vec<thread::JoinHandle<()>>,
}

impl Log {
    pub(crate) fn collect(
        &mut self,
        stream: impl Read + Send + 'static,
        mut ready: Option<oneshot::Sender<SocketAddr>>,
    ) {
        let text = Arc::clone(&self.text);
        let collector = thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
                drop(text);
                if let (Some(address), true) = (listening_on(&line), ready.is_some()) {
                    let _ = ready.take().map(|ready| ready.send(address));
                }
            }
        });
        self.collectors.push(collector);
    }

    /// Waits for the last lines of a process that has ended.
    pub(crate) fn finish(&mut self) {
        for collector in self.collectors.drain(..) {
            // It fails only if the collector panicked, and its lines are there all the same.
            let _ = collector.join();
        }
    }

    pub(crate) fn text(&self) -> String {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    #[expect(
        clippy::print_stderr,
        reason = "the harness of the failing test shows it"
    )]
    pub(crate) fn show(&self) {
        eprintln!("--- output of the server ---\n{}---", self.text());
    }
}

fn listening_on(line: &str) -> Option<SocketAddr> {
    let mut address: SocketAddr = line
        .strip_prefix("listening on http://")?
        .trim_end_matches('/')
        .parse()
        .ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Some(address)
}
