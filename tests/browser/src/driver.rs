//! The chromedriver process.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};
use united_voice_scenarios::soon;

/// A running chromedriver. Dropping it kills the process. Close its browsers before, or they go on
/// running.
#[derive(Debug)]
pub(crate) struct Driver {
    url: String,
    _process: Child,
    // Kept open: the driver would end if it could not write its log.
    _log: Lines<BufReader<ChildStdout>>,
    // Driver and browser write all their files here. Dropping it removes them.
    _home: TempDir,
}

impl Driver {
    pub(crate) async fn start() -> Self {
        let home = TempDir::new().expect("a temporary directory can be made");
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", home.path())
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "chromedriver can't be started ({error}). These tests need Chromium and its driver: \
                     on Debian, apt-get install chromium chromium-driver"
                )
            });
        let stdout = process.stdout.take().expect("stdout is a pipe");
        let mut log = BufReader::new(stdout).lines();
        let port = soon("chromedriver to listen", port(&mut log)).await;
        Self {
            url: format!("http://127.0.0.1:{port}"),
            _process: process,
            _log: log,
            _home: home,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

async fn port(log: &mut Lines<BufReader<ChildStdout>>) -> u16 {
    while let Some(line) = log.next_line().await.expect("chromedriver writes UTF-8") {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            let digits = port.trim_end_matches('.');
            return digits.parse().expect("a port is a number");
        }
    }
    panic!("chromedriver ended before it listened")
}
