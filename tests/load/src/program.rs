//! A server under load. It is a process of its own, on a free port of the loopback interface.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use united_voice_redis_server::Engine;

use crate::{
    dialect::SPREED_SECRET, floor::Framework, process::Process, site::Site, target::Target,
};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(15);

/// Lifts the limits of rates and connections, because the runs ask what the server can do, and all
/// clients have one address.
const UNITED_TOML: &str = "[limits]\nmessages_per_second = 1000000000\nburst = 1000000000\n\
                           max_connections_per_address = 65536\n\
                           requests_per_minute_per_address = 1000000000\n\
                           sign_ins_per_minute_per_address = 1000000000\n";

/// Where the executables are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The executables of this project, this program among them.
    pub(crate) programs: PathBuf,
    /// The other projects' servers, where `scripts/install-peers` puts them.
    pub(crate) peers: PathBuf,
}

impl Places {
    /// The folder of this program, and `peers` in the folder above.
    pub(crate) fn around_this_program() -> anyhow::Result<Self> {
        let own = env::current_exe()?;
        let programs = own.parent().context("a program is in a folder")?.to_owned();
        let target = programs.parent().context("a profile has a target folder")?;
        Ok(Self {
            peers: target.join("peers"),
            programs,
        })
    }

    /// Builds the example servers that are among the `targets`, with the profile of this program
    /// and into its target folder. So no run measures an old build or one of another profile.
    pub(crate) fn build_servers(&self, targets: &[Target]) -> anyhow::Result<()> {
        let mut names: Vec<&str> = targets.iter().filter_map(|it| it.executable()).collect();
        names.dedup();
        if names.is_empty() {
            return Ok(());
        }
        let (target_dir, profile) = (self.programs.parent(), self.programs.file_name());
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--target-dir"])
            .arg(target_dir.context("a profile has a target folder")?)
            .arg("--profile")
            .arg(match profile {
                Some(debug) if debug == "debug" => OsStr::new("dev"),
                Some(profile) => profile,
                None => bail!("a profile has a name"),
            })
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        for name in names {
            // Actix Web depends on a package that is called `actix-server` too. The version tells
            // them apart.
            let package = format!("{name}@{}", env!("CARGO_PKG_VERSION"));
            cargo.args(["--package", &package]);
        }
        let status = cargo.status().context("cannot start cargo")?;
        ensure!(status.success(), "cargo could not build the servers");
        Ok(())
    }
}

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    address: String,
    /// The folder for its files, if it has one of its own. It is removed when dropped.
    own_home: Option<TempDir>,
}

impl Program {
    /// Starts the server and waits until it listens. A bare relay reads up to `floor_read_buffer`
    /// bytes at once.
    pub(crate) fn start(
        target: Target,
        places: &Places,
        floor_read_buffer: usize,
    ) -> anyhow::Result<Self> {
        let home = TempDir::new()?;
        let port = free_port()?;
        let command = command(target, places, floor_read_buffer, home.path(), port)?;
        let mut program = Self::spawn(command, home.path(), port)?;
        program.own_home = Some(home);
        Ok(program)
    }

    /// Starts a node of a cluster. All nodes share the folder `home`, which outlives them.
    pub(crate) fn start_node(
        executable: &Path,
        home: &Path,
        engine: &Engine,
        prefix: &str,
        name: &str,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let address = format!("{}:{port}", Ipv4Addr::LOCALHOST);
        let more = format!("[cluster]\nprefix = \"{prefix}\"\n");
        let mut command = ours(executable, &address, home, &more)?;
        command.args(["--cluster", &engine.url(), "--node-name", name]);
        Self::spawn(command, home, port)
    }

    fn spawn(mut command: Command, home: &Path, port: u16) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir(home)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut program = Self {
            child,
            address: format!("{}:{port}", Ipv4Addr::LOCALHOST),
            own_home: None,
        };
        program.drain_output()?;
        program.wait_until_listening()?;
        Ok(program)
    }

    /// Where clients connect to it, and its process to be watched.
    pub(crate) fn site(&self) -> Site {
        Site {
            addresses: vec![self.address.clone()],
            servers: vec![Process {
                id: self.child.id(),
            }],
            engine: None,
        }
    }

    /// Reads and drops what the server prints, because a full pipe would stop it.
    fn drain_output(&mut self) -> anyhow::Result<()> {
        let output = self.child.stdout.take().context("stdout is a pipe")?;
        thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).count());
        Ok(())
    }

    fn wait_until_listening(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(&self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended instead of listening: {status}");
            }
            ensure!(Instant::now() < deadline, "the server does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn command(
    target: Target,
    places: &Places,
    floor_read_buffer: usize,
    home: &Path,
    port: u16,
) -> anyhow::Result<Command> {
    let address = format!("{}:{port}", Ipv4Addr::LOCALHOST);
    let floor = |framework| floor(framework, &address, floor_read_buffer);
    Ok(match target {
        Target::FloorTokio => floor(Framework::Tokio)?,
        Target::FloorAxum => floor(Framework::Axum)?,
        Target::FloorActix => floor(Framework::Actix)?,
        Target::Socketioxide => floor(Framework::Socketioxide)?,
        Target::Axum | Target::AxumJson | Target::Actix | Target::ActixJson => {
            let name = target.executable().context("one of ours")?;
            ours(&places.programs.join(name), &address, home, "")?
        }
        Target::Matchbox => {
            let mut command = Command::new(installed(places.peers.join("bin/matchbox_server"))?);
            command.arg(&address).env("RUST_LOG", "error");
            command
        }
        Target::Peerjs => peerjs(&places.peers, port)?,
        Target::Spreed => spreed(&places.peers, home, &address)?,
    })
}

fn floor(framework: Framework, address: &str, read_buffer: usize) -> anyhow::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(["floor", "--framework", framework.name(), "--bind", address])
        .args(["--read-buffer", &read_buffer.to_string()]);
    Ok(command)
}

fn ours(program: &Path, address: &str, home: &Path, more: &str) -> anyhow::Result<Command> {
    std::fs::write(home.join("united.toml"), format!("{UNITED_TOML}{more}"))?;
    let mut command = Command::new(program);
    command
        .args(["--bind", address, "--data-dir"])
        .arg(home)
        .env("RUST_LOG", "error");
    Ok(command)
}

fn peerjs(peers: &Path, port: u16) -> anyhow::Result<Command> {
    let script = installed(peers.join("node_modules/peer/dist/bin/peerjs.js"))?;
    let mut command = Command::new("node");
    command.arg(script).args(["--host", "127.0.0.1", "--port"]);
    command
        .arg(port.to_string())
        .args(["--concurrent_limit", "100000"])
        .env("NODE_ENV", "production");
    Ok(command)
}

fn spreed(peers: &Path, home: &Path, address: &str) -> anyhow::Result<Command> {
    let program = installed(peers.join("bin/nextcloud-spreed-signaling-server"))?;
    let config = home.join("server.conf");
    let text = format!(
        "[http]\nlisten = {address}\n[app]\ndebug = false\n\
         [sessions]\nhashkey = {:x>32}\nblockkey = {:x>32}\n\
         [clients]\ninternalsecret = {SPREED_SECRET}\n\
         [backend]\nallowall = true\n[nats]\nurl = :loopback:\n",
        "hash", "block"
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.args([OsString::from("-config"), config.into()]);
    Ok(command)
}

fn installed(path: PathBuf) -> anyhow::Result<PathBuf> {
    ensure!(
        path.exists(),
        "{} is not there: `scripts/install-peers` installs it",
        path.display()
    );
    Ok(path)
}
