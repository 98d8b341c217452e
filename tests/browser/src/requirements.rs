//! The programs of the system, and an explanation if a program or the permission to use it is
//! missing.

use std::{
    fmt,
    io::Write,
    process::{Command, Stdio},
};

/// How to get missing programs and permissions.
const WAYS_OUT: &str = "\
These tests make network namespaces of their own. They need
- the commands ip and tc (on Debian: apt-get install iproute2) and nft (apt-get install nftables),
- root, or CAP_NET_ADMIN and CAP_SYS_ADMIN: `sudo ./scripts/test`.
Without root, if users may make namespaces, and after everything is built (`cargo test --no-run --workspace`):
    unshare --map-root-user --net --mount sh -c 'mount -t tmpfs tmpfs /run && ip link set lo up && \
cargo test --offline -p united-voice-browser -p united-voice-networks -- --test-threads=1'";

/// A system command that could not start, or failed.
#[derive(Debug)]
pub struct Failure {
    command: String,
    reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed: {}.\n{WAYS_OUT}", self.command, self.reason)
    }
}

/// Runs a command, which is words separated by spaces. Returns its output.
pub(crate) fn run(command: &str) -> Result<String, Failure> {
    run_with_input(command, "")
}

/// Like [`run`], with `input` on its standard input.
pub(crate) fn run_with_input(command: &str, input: &str) -> Result<String, Failure> {
    let failed = |reason: String| Failure {
        command: command.to_owned(),
        reason,
    };
    let mut words = command.split_whitespace();
    let program = words.next().expect("a command has a first word");
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("{program} can't be started ({error})")))?;
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // If a program ends without reading, its own error says why.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(failed(said.trim().trim_end_matches('.').to_owned()))
    }
}
