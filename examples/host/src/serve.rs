//! How a server starts, announces its address, and ends.

use std::{
    future::Future,
    io::{self, IsTerminal as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{runtime::Runtime, sync::watch, time::timeout};
use tracing_subscriber::EnvFilter;
use united_voice_core::{UserId, VoiceServer};
use united_voice_embedded_turn::EmbeddedTurn;

use crate::{
    Cli, Command, Config, DevLogin, Host, Options, Relay, Secrets, Shutdown, Store, TEMPLATE,
    Tokens, files, signals::Signals,
};

/// How long the server waits until clients have taken their close frames. Then it ends in any case.
/// The library's own limits for a connection, 5 s for the frame and 2 s for the client's answer,
/// fit in.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(8);

/// How long requests that are not yet answered, or not yet received, may delay the end.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

/// How long the database may take to merge its write-ahead log. Without that it does so at the next
/// start.
const DATABASE_PATIENCE: Duration = Duration::from_millis(500);

/// How long the embedded relay may take to end.
const RELAY_PATIENCE: Duration = Duration::from_millis(500);

/// Connections that may wait to be accepted. With the usual 128, many clients that come at once
/// have to try again, and lose a second.
const BACKLOG: i32 = 4096;

/// The parts that a framework needs to serve.
#[derive(Debug)]
pub struct Serving {
    /// The state that the connections share.
    pub host: Arc<Host>,
    /// The listener, which is bound, listens, and does not block.
    pub listener: TcpListener,
    /// Resolves when the server should stop accepting connections.
    pub shutdown: Shutdown,
}

/// The whole program. It reads the command line; for a server, it runs `serve` on a tokio runtime
/// until SIGTERM or SIGINT. Then `serve` should stop accepting connections, and return when its
/// requests are answered. This function waits for the upgraded connections. A second signal ends
/// the program at once.
///
/// The exit code is 1 for an error, which is one line on standard error, and 2 for a mistake in a
/// flag or an environment variable.
pub fn run<S, F>(program: &'static str, serve: S) -> ExitCode
where
    S: FnOnce(Serving) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let cli = match Cli::parse_from(program, std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    start_log();
    match execute(&cli, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not a log line, since no filter must hide it.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute<S, F>(cli: &Cli, serve: S) -> anyhow::Result<()>
where
    S: FnOnce(Serving) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let options = cli.options();
    match &cli.command {
        Some(Command::PrintConfig) => say(TEMPLATE.trim_end()),
        Some(Command::Token { user, name }) => {
            let token = runtime()?.block_on(make_token(&options, user, name.as_deref()))?;
            say(&token)
        }
        None => {
            let runtime = runtime()?;
            let result = runtime.block_on(run_server(&options, serve));
            // Requests that were not received completely must not keep the program running.
            runtime.shutdown_background();
            result
        }
    }
}

/// Logs go to standard error. `RUST_LOG` filters them; without it they are `info` and above.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Writes a line to standard output. If no program reads it, the server runs on.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

struct Opened {
    config: Config,
    secrets: Secrets,
    store: Store,
}

impl Opened {
    /// Opens all files of the data folder, and makes those that are missing.
    async fn open(options: &Options) -> anyhow::Result<Self> {
        let dir = &options.data_dir;
        files::create_dir(dir)
            .with_context(|| format!("cannot create the folder {}", dir.display()))?;
        let relay = options.relay;
        let config = match &options.config {
            Some(path) => Config::load(path, relay)?,
            None => Config::load_or_create(&dir.join("united.toml"), relay)?,
        };
        let secrets = Secrets::load_or_create(&dir.join("secrets.toml"))?;
        let database = dir.join("united.db");
        let store = Store::open(&database)
            .await
            .with_context(|| format!("cannot open the database {}", database.display()))?;
        Ok(Self {
            config,
            secrets,
            store,
        })
    }

    fn tokens(&self) -> Tokens {
        Tokens::new(&self.config.jwt_secret(&self.secrets))
    }

    /// Starts the embedded relay beside the server.
    async fn start_relay(&self, server: IpAddr) -> anyhow::Result<EmbeddedTurn> {
        let (config, secret) = self.config.embedded_turn(&self.secrets, server);
        let relay = EmbeddedTurn::start(config, secret).await;
        let relay = relay
            .context("cannot start the embedded TURN server ([turn] host and port say where)")?;
        tracing::info!("STUN and TURN on {}, by UDP and TCP", relay.local_addr());
        tracing::warn!(
            "the embedded TURN server is only for trying out relayed calls; run coturn in production"
        );
        Ok(relay)
    }
}

async fn make_token(
    options: &Options,
    user: &UserId,
    name: Option<&str>,
) -> anyhow::Result<String> {
    let opened = Opened::open(options).await?;
    opened
        .store
        .put_user(user, name)
        .await
        .context("cannot store the user")?;
    opened.store.close().await;
    Ok(opened.tokens().issue(user, SystemTime::now()))
}

async fn run_server<S, F>(options: &Options, serve: S) -> anyhow::Result<()>
where
    S: FnOnce(Serving) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let opened = Opened::open(options).await?;
    let listener =
        listen(options.bind).with_context(|| format!("cannot listen on {}", options.bind))?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let relay = match options.relay {
        Relay::Embedded => Some(opened.start_relay(address.ip()).await?),
        Relay::External => None,
    };
    let ice = match &relay {
        Some(relay) => opened
            .config
            .embedded_ice(&opened.secrets, relay.local_addr()),
        None => opened.config.ice(&opened.secrets),
    };
    let voice = VoiceServer::builder(opened.store.clone())
        .ice(ice.context("cannot offer the TURN relay")?)
        .limits(opened.config.limits().clone())
        .build()
        .context("cannot start the voice channels")?;
    let dev_login = DevLogin::new(options.dev_login, address);
    let host = Arc::new(Host::new(voice, opened.tokens(), dev_login));
    let (stop, shutdown) = Shutdown::new();
    let server = serve(Serving {
        host: Arc::clone(&host),
        listener,
        shutdown,
    });
    announce(address, dev_login)?;
    until_ended(server, host.voice(), &stop, &mut signals).await?;
    if let Some(relay) = relay {
        let _ = timeout(RELAY_PATIENCE, relay.close()).await;
    }
    let _ = timeout(DATABASE_PATIENCE, opened.store.close()).await;
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Without this option a restart has to wait until the system forgets the connections of the
    // last run.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn announce(address: SocketAddr, dev_login: DevLogin) -> anyhow::Result<()> {
    say(&format!("listening on http://{address}"))?;
    let page = reachable(address);
    say(&match dev_login {
        DevLogin::Off => format!("the page is http://{page}/ (signing in by name is off)"),
        DevLogin::Local | DevLogin::Anybody => format!("open http://{page}/ in two tabs and talk"),
    })
}

/// An address that a browser on this machine can open.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

async fn until_ended(
    server: impl Future<Output = anyhow::Result<()>>,
    voice: &VoiceServer<Store>,
    stop: &watch::Sender<bool>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let mut server = std::pin::pin!(server);
    tokio::select! {
        ended = &mut server => return ended,
        () = signals.next() => {}
    }
    tracing::info!("ending");
    stop.send_replace(true);
    voice.shutdown();
    let ended = async {
        let (requests, ()) = tokio::join!(timeout(ANSWER_PATIENCE, server), voice.drained());
        requests.unwrap_or(Ok(()))
    };
    tokio::select! {
        result = timeout(SHUTDOWN_PATIENCE, ended) => result.unwrap_or_else(|_| {
            tracing::warn!("some clients did not take their close frame in time");
            Ok(())
        }),
        () = signals.next() => {
            tracing::warn!("ending at once");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_an_address_that_a_browser_can_open() {
        for (bound, expected) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()).to_string(), expected);
        }
    }
}
