//! A sound device for a machine that has none.

use std::path::{Path, PathBuf};

use tokio::process::{Child, Command};
use united_voice_scenarios::eventually;

use super::started;

/// A PulseAudio server that plays nothing. Firefox runs no audio graph without a sound device, so
/// the page could not tell whether anybody speaks. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct SoundDevice {
    socket: PathBuf,
    _process: Child,
}

impl SoundDevice {
    /// Starts the server. It writes its files below `home`.
    pub(crate) async fn start(home: &Path) -> Self {
        let socket = home.join("sound");
        let listen = format!(
            "module-native-protocol-unix auth-anonymous=1 socket={}",
            socket.display()
        );
        let mut command = Command::new("pulseaudio");
        command
            // Read no configuration: the server has these modules and no others.
            .args(["-n", "--load=module-null-sink"])
            .arg(format!("--load={listen}"))
            .args(["--daemonize=no", "--use-pid-file=no", "--disable-shm=yes"])
            .args(["--exit-idle-time=-1", "--log-target=null"])
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home);
        let mut process = started(command);
        eventually("pulseaudio to listen", async || {
            let ended = process.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "pulseaudio ended at once: {ended:?}");
            socket.exists().then_some(())
        })
        .await;
        Self {
            socket,
            _process: process,
        }
    }

    /// The value of `PULSE_SERVER` for programs that are to use this device.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }
}
