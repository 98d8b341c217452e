//! How a server starts, announces its address, and ends.

use std::{
    future::Future,
    io::{self, Write as _},
    net::{IpAddr, SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, anyhow};
use tokio::{runtime::Runtime, sync::watch, time::timeout};
use united_voice_core::{UserId, VoiceServer};
use united_voice_embedded_turn::EmbeddedTurn;
use united_voice_redis::{NodeState, NodeTask, RedisNode};

use crate::{
    Cli, Command, Config, DevLogin, Host, Options, Relay, Secret, Secrets, Shutdown, Store,
    TEMPLATE, Tokens, descriptors,
    folder::{Folder, ServingLock, Share},
    listening::{bind, listen, local_addresses, reachable},
    log,
    signals::Signals,
};

/// How long the server waits until clients have taken their close frames. Then it ends in any case.
/// The library's own limits for a connection, 5 s for the frame and 2 s for the client's answer,
/// fit in.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(7_500);

/// How long requests that are not yet answered, or not yet received, may delay the end.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

/// How long everything else may take to end, at the same time. A node gives up its seats, as far as
/// its connections have not: otherwise the other nodes end them. The database merges its write-ahead
/// log: otherwise it does so at the next start.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// The parts that a framework needs to serve.
#[derive(Debug)]
pub struct Serving {
    /// The state that the connections share.
    pub host: Arc<Host>,
    /// The listeners, which are bound, listen, and do not block.
    pub listeners: Vec<TcpListener>,
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
    log::start();
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

/// What a process opens a data folder for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Serve,
    /// A command that works beside a server.
    Command,
}

struct Opened {
    config: Config,
    secrets: Secrets,
    store: Store,
    _serving: Option<ServingLock>,
}

impl Opened {
    /// Opens the configuration, the secrets and the database, and makes the files that are missing.
    ///
    /// If the database is PostgreSQL and all secrets are given, the folder needs nothing but its
    /// configuration: no other process is kept waiting, and the folder may be read-only.
    async fn open(options: &Options, folder: &Folder, purpose: Purpose) -> anyhow::Result<Self> {
        let relay = options.relay;
        let config = match &options.config {
            Some(path) => Config::load(path, relay)?,
            None => Config::load_or_create(&folder.file("united.toml"), relay)?,
        };
        let config = config.with_options(options);
        let url = config.database_url();
        let opening = match url {
            Some(_) if config.has_secrets() => None,
            _ => Some(folder.lock().await?),
        };
        let share = match config.cluster().url {
            None => Share::Sole,
            Some(_) => Share::Nodes,
        };
        // Servers on one PostgreSQL database may have one folder too.
        let is_lock = purpose == Purpose::Serve && url.is_none();
        let serving = is_lock.then(|| folder.serve(share)).transpose()?;
        let secrets = if config.has_secrets() {
            Secrets::default()
        } else {
            Secrets::load_or_create(&folder.file("secrets.toml"))?
        };
        let store = match url {
            Some(url) => {
                drop(opening);
                let store = Store::connect(url).await;
                store.context("cannot open the PostgreSQL database")?
            }
            None => {
                let database = folder.file("united.db");
                let store = Store::open(&database).await;
                store.with_context(|| format!("cannot open the database {}", database.display()))?
            }
        };
        Ok(Self {
            config,
            secrets,
            store,
            _serving: serving,
        })
    }

    fn tokens(&self) -> Tokens {
        self.config.tokens(&self.secrets)
    }

    /// Makes this process a node of its cluster, if it has one.
    async fn join_cluster(&self, relay: Relay) -> anyhow::Result<Option<(RedisNode, NodeTask)>> {
        let jwt_secret = self.config.jwt_secret(&self.secrets);
        let turn_secret = match relay {
            Relay::External => self.config.turn_shared_secret(&self.secrets),
            // Each node has a relay of its own, and tells its clients of no other.
            Relay::Embedded => Secret::default(),
        };
        let cluster = self.config.cluster();
        cluster.connect(&jwt_secret, &turn_secret).await
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
    let folder = Folder::open_beside_server(options)?;
    let opened = Opened::open(options, &folder, Purpose::Command).await?;
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
    let folder = Folder::open(options)?;
    let opened = Opened::open(options, &folder, Purpose::Serve).await?;
    descriptors::raise_limit();
    let listeners = bind(&options.bind)?;
    let addresses = local_addresses(&listeners)?;
    let relay = match options.relay {
        Relay::Embedded => Some(opened.start_relay(addresses[0].ip()).await?),
        Relay::External => None,
    };
    let ice = match &relay {
        Some(relay) => opened
            .config
            .embedded_ice(&opened.secrets, relay.local_addr()),
        None => opened.config.ice(&opened.secrets),
    };
    let ice = ice.context("cannot offer the TURN relay")?;
    let joined = tokio::select! {
        joined = opened.join_cluster(options.relay) => joined?,
        () = signals.next() => return Ok(()),
    };
    let (node, task) = joined.unzip();
    let mut voice = VoiceServer::builder(opened.store.clone())
        .ice(ice)
        .limits(opened.config.limits().clone());
    if let Some(node) = &node {
        voice = voice.cluster(Arc::new(node.clone()));
    }
    let voice = voice.build().context("cannot start the voice channels")?;
    let task = task.map(|task| tokio::spawn(task.serve(voice.replica())));
    let mut cluster_ended = std::pin::pin!(async {
        let what = "the part of this server that talks to its cluster has ended";
        match task {
            Some(task) => match task.await {
                Ok(()) => anyhow!(what),
                Err(error) => anyhow!(error).context(what),
            },
            None => std::future::pending().await,
        }
    });
    let dev_login = DevLogin::new(options.dev_login, &addresses);
    let mut host = Host::new(voice, opened.tokens(), dev_login)
        .with_http_limits(opened.config.http_limits().clone());
    if let Some(node) = &node {
        host = host.with_node(node.clone());
    }
    let host = Arc::new(host);
    let served = async {
        if let Some(node) = &node {
            tokio::select! {
                is_ready = until_ready(node, &mut signals) => {
                    if !is_ready {
                        return Ok(());
                    }
                }
                error = &mut cluster_ended => return Err(error),
            }
        }
        listen(&listeners)?;
        let (stop, shutdown) = Shutdown::new();
        let server = serve(Serving {
            host: Arc::clone(&host),
            listeners,
            shutdown,
        });
        announce(&addresses, dev_login)?;
        until_ended(server, &host, &stop, &mut signals, cluster_ended).await
    }
    .await;
    let close_relay = async {
        if let Some(relay) = relay {
            relay.close().await;
        }
    };
    let closing = async {
        tokio::join!(host.voice().close(), close_relay, opened.store.close());
    };
    let _ = timeout(CLOSE_PATIENCE, closing).await;
    served
}

/// Waits until the node can do everything: other nodes may hold seats that an engine which lost its
/// data does not know. Returns false if the program should end before that.
async fn until_ready(node: &RedisNode, signals: &mut Signals) -> bool {
    if node.state() != NodeState::Ok {
        tracing::info!("waiting until the cluster has put its seats back");
    }
    tokio::select! {
        () = node.ready() => true,
        () = signals.next() => false,
    }
}

fn announce(addresses: &[SocketAddr], dev_login: DevLogin) -> anyhow::Result<()> {
    for address in addresses {
        say(&format!("listening on http://{address}"))?;
    }
    let page = reachable(addresses[0]);
    say(&match dev_login {
        DevLogin::Off => format!("the page is http://{page}/ (signing in by name is off)"),
        DevLogin::Local | DevLogin::Anybody => format!("open http://{page}/ in two tabs and talk"),
    })
}

async fn until_ended(
    server: impl Future<Output = anyhow::Result<()>>,
    host: &Host,
    stop: &watch::Sender<bool>,
    signals: &mut Signals,
    cluster_ended: impl Future<Output = anyhow::Error>,
) -> anyhow::Result<()> {
    let mut server = std::pin::pin!(server);
    let reason = tokio::select! {
        ended = &mut server => return ended,
        () = signals.next() => Ok(()),
        error = cluster_ended => Err(error),
    };
    // Whoever reads this line finds that the server is not ready.
    host.stop();
    tracing::info!("ending");
    stop.send_replace(true);
    host.voice().shutdown();
    let ended = async {
        let (requests, ()) = tokio::join!(timeout(ANSWER_PATIENCE, server), host.voice().drained());
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
    .and(reason)
}
