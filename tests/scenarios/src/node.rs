//! One process of a server.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;

use crate::{eventually, log::Log, soon};

/// A running process. Dropping it kills it, and shows its output if the test has failed.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Log,
}

impl Node {
    /// Starts a program and waits until it listens.
    pub(crate) async fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let mut log = Log::default();
        log.collect(child.stderr.take().expect("stderr is a pipe"), None);
        let (ready, listening) = oneshot::channel();
        log.collect(child.stdout.take().expect("stdout is a pipe"), Some(ready));
        // From here on, dropping the node kills the process, even if the next line panics.
        let mut node = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
        };
        node.address = soon("the line with the address of the server", listening)
            .await
            .expect("the server ended before it listened");
        node
    }

    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn open_sockets(&self) -> usize {
        let descriptors =
            fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the server runs");
        let is_socket = |path: &Path| {
            fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        };
        descriptors
            .filter_map(Result::ok)
            .filter(|entry| is_socket(&entry.path()))
            .count()
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        eventually("the server to end", async || {
            self.child.try_wait().expect("a child can be waited for")
        })
        .await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server runs");
    }

    /// Kills the process, if it still runs, and returns all that it has written.
    pub(crate) fn end(&mut self) -> String {
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log.finish();
        self.log.text()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            self.log.show();
        }
    }
}
