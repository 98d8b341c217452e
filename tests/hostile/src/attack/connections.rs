//! Connections that never become WebSockets, and answers that nobody reads.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use united_voice_load::process::Process;

use super::scene::Scene;
use crate::peak::Peak;

/// By then the server must have given up a request that does not end, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(45);

/// The time between two bytes of a head that drips.
const DRIP: Duration = Duration::from_millis(500);

/// What comes of a request before it stops, and what drips afterwards.
const HALVES: [(&str, &str, &[u8]); 5] = [
    ("nothing", "", b""),
    (
        "half a head",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: ",
        b"",
    ),
    (
        "half an upgrade",
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        b"",
    ),
    (
        "a head that drips",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Drip: ",
        b"x",
    ),
    (
        "half a body",
        "POST /api/dev/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 500\r\n\r\n{",
        b"",
    ),
];

/// Requests that never end. The server must give each up.
pub(super) async fn half_requests(scene: Arc<Scene>) -> anyhow::Result<String> {
    let each = scene.form.pick(20, 200);
    let all = HALVES.iter().cycle().take(each * HALVES.len());
    let start = Instant::now();
    try_join_all(all.map(|half| given_up(&scene, half))).await?;
    let took = start.elapsed();
    Ok(format!(
        "{each} of {} kinds, all given up after {took:.1?}",
        HALVES.len()
    ))
}

async fn given_up(
    scene: &Scene,
    (name, begin, drip): &(&'static str, &'static str, &'static [u8]),
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(scene.server.address()).await?;
    stream.write_all(begin.as_bytes()).await?;
    let (mut read, mut write) = stream.split();
    let dripping = async {
        while !drip.is_empty() && write.write_all(drip).await.is_ok() {
            sleep(DRIP).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let ending = async {
        tokio::select! {
            // A reset is an end too.
            _ = read.read_to_end(&mut answer) => {}
            () = dripping => {}
        }
    };
    let ended = timeout(PATIENCE, ending).await;
    ended.with_context(|| format!("{name}: open after {PATIENCE:?}"))
}

/// How long a client may leave an answer unread.
const UNREAD: Duration = Duration::from_secs(20);

/// What the server and both kernels take of the requests of one connection, at most. Each request
/// has 26 bytes, and its answer thousands.
const TAKEN: usize = 1 << 20;

/// By so much the server may grow for each of these connections. What a server without a limit
/// would keep is a hundred times as much.
const GROWTH: u64 = 1024 * 1024;

/// What else may happen to its memory meanwhile: other attacks, and what allocators keep.
const OTHER_GROWTH: u64 = 64 * 1024 * 1024;

/// Requests one after the other on each connection, whose answers nobody reads. The server must
/// stop reading them, must keep few answers, and must end each connection after a while.
pub(super) async fn unread_answers(scene: Arc<Scene>) -> anyhow::Result<String> {
    let count = scene.form.pick(20, 200);
    let server = Process {
        id: scene.server.process_id(),
    };
    let (before, ended_before) = (server.resident_bytes()?, ended_unread(&scene).await?);
    let peak = Peak::watch(server);
    let ending = try_join_all((0..count).map(|_| never_read(&scene))).await;
    let grown = peak.stop().saturating_sub(before);
    let allowed = count as u64 * GROWTH + OTHER_GROWTH;
    ensure!(grown <= allowed, "the server grew by {grown} bytes");
    let written: usize = ending?.into_iter().sum();
    let ended = ended_unread(&scene).await? - ended_before;
    ensure!(ended >= count, "{ended} of {count} count as unread");
    Ok(format!(
        "{count} connections, {} KiB of requests, all ended",
        written / 1024
    ))
}

/// Asks without end and never reads. Returns how many bytes of requests went out until the server
/// ended the connection.
async fn never_read(scene: &Scene) -> anyhow::Result<usize> {
    let requests = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let socket = TcpSocket::new_v4()?;
    // Then little fits between the two, and what is written has gone to the server.
    socket.set_recv_buffer_size(4096)?;
    socket.set_send_buffer_size(4096)?;
    let mut stream = socket.connect(scene.server.address()).await?;
    let start = Instant::now();
    let mut written = 0;
    let until_reset = async {
        while let Ok(sent) = stream.write(&requests).await {
            written += sent;
            ensure!(written <= TAKEN, "the server takes requests without end");
        }
        Ok(())
    };
    let ended = timeout(PATIENCE, until_reset).await;
    ended.with_context(|| format!("unread and open after {PATIENCE:?}"))??;
    let after = start.elapsed();
    ensure!(after >= UNREAD, "ended already after {after:?}");
    Ok(written)
}

/// How many connections the server has ended because their clients did not read.
async fn ended_unread(scene: &Scene) -> anyhow::Result<usize> {
    const NAME: &str = "united_voice_http_refused_total{reason=\"unread\"} ";
    let (_, metrics) = scene.server.get_text("/metrics").await;
    let number = metrics.lines().find_map(|line| line.strip_prefix(NAME));
    Ok(number.context("no number of unread connections")?.parse()?)
}
