//! A running coturn.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use united_voice_scenarios::eventually;

use crate::{Program, free_port, needs};

/// The realm of the harness's own settings.
const REALM: &str = "turn.test";

/// How many ports to try if another program takes a free port before coturn does.
const ATTEMPTS: usize = 5;

/// How to start a coturn.
#[derive(Clone, Debug)]
pub struct CoturnOptions {
    /// The shared secrets that it accepts, the newest last. Leave it empty if `config` has a
    /// secret.
    pub secrets: Vec<String>,
    /// The address that it listens on and relays from.
    pub listening_ip: IpAddr,
    /// The port that it listens on by UDP and TCP; if `None`, a free one.
    pub port: Option<u16>,
    /// Whether it relays to 127.0.0.0/8 and `::1`. Never outside tests.
    pub allow_loopback_peers: bool,
    /// The network namespace to start it in, which must exist; if `None`, that of this process.
    pub within: Option<String>,
    /// More command-line arguments.
    pub extra: Vec<String>,
    /// A configuration file; if `None`, the harness's own settings.
    pub config: Option<PathBuf>,
    /// A program that runs turnserver with its own configuration, with the database `TURN_DATABASE`
    /// of its environment, and with the arguments that it gets. Excludes `config` and `within`.
    pub launcher: Option<PathBuf>,
    /// More environment variables.
    pub environment: Vec<(String, String)>,
}

impl Default for CoturnOptions {
    /// One secret, a free port of 127.0.0.1, and loopback peers.
    fn default() -> Self {
        Self {
            secrets: vec!["the secret of the tests".to_owned()],
            listening_ip: Ipv4Addr::LOCALHOST.into(),
            port: None,
            allow_loopback_peers: true,
            within: None,
            extra: Vec::new(),
            config: None,
            launcher: None,
            environment: Vec::new(),
        }
    }
}

/// A running coturn. Dropping it kills the process. If the test fails, coturn's log is part of the
/// output.
#[derive(Debug)]
pub struct Coturn {
    // Declared before `home`, so that the process has ended when the directory is removed.
    process: Program,
    address: SocketAddr,
    secret: Option<String>,
    // coturn writes all its files here. Dropping it removes them.
    home: TempDir,
}

impl Coturn {
    /// Starts a coturn and waits until it listens by UDP and TCP.
    ///
    /// # Panics
    /// If coturn is not installed, or does not listen.
    pub async fn start(options: CoturnOptions) -> Self {
        needs("turnserver", "coturn");
        for _ in 1..ATTEMPTS {
            let mut coturn = Self::spawn(&options);
            if coturn.listens().await {
                return coturn;
            }
            assert!(
                options.port.is_none() && coturn.is_port_taken(),
                "coturn does not listen, see what it wrote"
            );
        }
        panic!("each of {ATTEMPTS} free ports was taken before coturn was there");
    }

    /// The port that it listens on by UDP and TCP.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// The address that it listens on by UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URLs as a list of ICE servers has them: for UDP, then for TCP.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        ["udp", "tcp"]
            .map(|transport| format!("turn:{}?transport={transport}", self.address))
            .to_vec()
    }

    /// The `[turn]` section of a server that mints credentials for this coturn with its newest
    /// secret.
    ///
    /// # Panics
    /// If coturn was started without a secret.
    #[must_use]
    pub fn toml(&self, credential_ttl_secs: u64) -> String {
        let secret = self.secret.as_deref().expect("coturn was given a secret");
        self.toml_with(secret, credential_ttl_secs)
    }

    /// Like [`toml`](Self::toml), but with this secret.
    #[must_use]
    pub fn toml_with(&self, secret: &str, credential_ttl_secs: u64) -> String {
        let (host, port) = (self.address.ip(), self.port());
        format!(
            "[turn]\nenabled = true\nhost = \"{host}\"\nport = {port}\nshared_secret = {}\n\
             credential_ttl_secs = {credential_ttl_secs}\n",
            toml::Value::from(secret)
        )
    }

    /// Adds a secret while coturn runs.
    ///
    /// # Panics
    /// If `turnadmin` fails.
    pub async fn add_secret(&self, secret: &str) {
        self.administer("set-secret", secret, true).await;
    }

    /// Removes a secret that [`add_secret`](Self::add_secret) added.
    ///
    /// # Panics
    /// If `turnadmin` fails.
    pub async fn forget_secret(&self, secret: &str) {
        self.administer("delete-secret", secret, false).await;
    }

    /// Changes the secrets with `turnadmin`, and checks the result: if the database is locked,
    /// `turnadmin` writes nothing and still succeeds.
    async fn administer(&self, command: &str, secret: &str, is_known: bool) {
        let command = format!("--{command}={secret}");
        let listed = format!("{secret}[{REALM}]");
        eventually("coturn's database to be changed", async || {
            self.turnadmin(&command);
            let known = self.turnadmin("--show-secret");
            (known.lines().any(|line| line == listed) == is_known).then_some(())
        })
        .await;
    }

    fn turnadmin(&self, command: &str) -> String {
        let output = Command::new("turnadmin")
            .args([command, "--realm", REALM, "--userdb"])
            .arg(database(self.home.path()))
            .current_dir(self.home.path())
            .output()
            .expect("turnadmin is in coturn's package");
        assert!(output.status.success(), "turnadmin {command}: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let own_log = said
            .lines()
            .find_map(|line| line.split_once("log file opened: "));
        if let Some((_, file)) = own_log {
            // `turnadmin` can't be told to write no log. If it finds no writable place, there is
            // none.
            let _ = fs::remove_file(file);
        }
        said
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn spawn(options: &CoturnOptions) -> Self {
        let home = TempDir::new().expect("a temporary directory can be made");
        let port = options
            .port
            .unwrap_or_else(|| free_port(options.listening_ip));
        let address = SocketAddr::new(options.listening_ip, port);
        let command = command(options, address, home.path());
        let process = Program::start("coturn", command, home.path());
        Self {
            process,
            address,
            secret: options.secrets.last().cloned(),
            home,
        }
    }

    /// Waits until coturn listens. Returns false if it has ended, or if the port is taken, for
    /// which coturn tries again and again.
    async fn listens(&mut self) -> bool {
        let port = format!(":{}", self.port());
        eventually("coturn to listen", async || {
            let log = self.log();
            let opened = |transport| {
                log.lines()
                    .any(|line| line.contains(transport) && line.ends_with(&port))
            };
            if opened("UDP listener opened on") && opened("TCP listener opened on") {
                return Some(true);
            }
            let ended = self.process.has_ended();
            (ended || self.is_port_taken()).then_some(false)
        })
        .await
    }

    fn is_port_taken(&self) -> bool {
        self.log().contains("Address already in use")
    }
}

fn database(home: &Path) -> PathBuf {
    home.join("database")
}

fn command(options: &CoturnOptions, address: SocketAddr, home: &Path) -> Command {
    let mut command = program(options);
    command.env("TURN_DATABASE", database(home)).envs(
        options
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    let ip = address.ip();
    command.args([
        format!("--listening-ip={ip}"),
        format!("--relay-ip={ip}"),
        format!("--listening-port={}", address.port()),
    ]);
    // Not in /var, where another coturn of this machine may have its files.
    command.arg("--pidfile").arg(home.join("pid"));
    command.arg("--userdb").arg(database(home));
    // Without --verbose, the log does not say when coturn listens.
    command.args(["--log-file=stdout", "--simple-log", "--verbose"]);
    if options.allow_loopback_peers {
        command.arg("--allow-loopback-peers");
    }
    for secret in &options.secrets {
        command.arg(format!("--static-auth-secret={secret}"));
    }
    command.args(&options.extra);
    command
}

fn program(options: &CoturnOptions) -> Command {
    if let Some(launcher) = &options.launcher {
        return Command::new(launcher);
    }
    let mut command = options.within.as_ref().map_or_else(
        || Command::new("turnserver"),
        |namespace| {
            // `ip` becomes turnserver, with the same process id.
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace, "turnserver"]);
            command
        },
    );
    match &options.config {
        Some(file) => command.arg("-c").arg(file),
        None => command.args(OWN_SETTINGS).arg(format!("--realm={REALM}")),
    };
    command
}

const OWN_SETTINGS: [&str; 6] = [
    "-n",
    "--no-cli",
    "--no-tls",
    "--no-dtls",
    "--use-auth-secret",
    "--no-multicast-peers",
];
