//! Connections that never become WebSockets, and answers that nobody reads.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::scene::Scene;

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

/// Requests one after the other on each connection, whose answers nobody reads.
pub(super) async fn unread_answers(scene: Arc<Scene>) -> anyhow::Result<String> {
    let count = scene.form.pick(20, 200);
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let mut streams = Vec::with_capacity(count);
    let mut written = 0;
    for _ in 0..count {
        let mut stream = TcpStream::connect(scene.server.address()).await?;
        // Until the server reads no more of them, or 800 KB are on their way.
        for _ in 0..300 {
            match timeout(Duration::from_millis(20), stream.write_all(&request)).await {
                Ok(Ok(())) => written += request.len(),
                _ => break,
            }
        }
        streams.push(stream);
    }
    ensure!(written > 0, "nothing could be written");
    sleep(
        scene
            .form
            .pick(Duration::from_secs(2), Duration::from_secs(30)),
    )
    .await;
    Ok(format!(
        "{count} connections, {} KiB of requests",
        written / 1024
    ))
}
