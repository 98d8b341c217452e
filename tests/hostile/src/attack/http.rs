//! Tokens, paths, requests in two readings, and requests of other sites.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::scene::Scene;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// If nothing more comes for so long, the answer is complete.
const QUIET: Duration = Duration::from_millis(500);

/// Sends bytes, and returns all that comes until the end or a pause.
async fn exchange(scene: &Scene, request: &[u8]) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(scene.server.address()).await?;
    // The server may refuse before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let mut patience = PATIENCE;
    while let Ok(Ok(1..)) = timeout(patience, stream.read_buf(&mut answer)).await {
        ensure!(answer.len() < 10_000_000, "the answer does not end");
        patience = QUIET;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The statuses of all answers.
fn statuses(answer: &str) -> Vec<u16> {
    let heads = answer.split("HTTP/1.1 ").skip(1);
    heads
        .filter_map(|head| head.get(..3)?.parse().ok())
        .collect()
}

/// One answer with one of these statuses, or none at all.
fn refused(answer: &str, allowed: &[u16]) -> anyhow::Result<()> {
    let statuses = statuses(answer);
    ensure!(
        statuses.len() <= 1 && statuses.iter().all(|it| allowed.contains(it)),
        "{statuses:?} instead of one of {allowed:?}: {answer:?}"
    );
    Ok(())
}

fn upgrade(query: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET /ws{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
    .into_bytes()
}

fn base64url(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let six = (bits >> (18 - 6 * place)) & 63;
            out.push(ALPHABET[six as usize].into());
        }
    }
    out
}

/// Tokens that are not valid. None of them may open a WebSocket or read a roster.
pub(super) async fn tokens(scene: Arc<Scene>) -> anyhow::Result<String> {
    let user = scene.attacker("Forger").await;
    let good = &user.token;
    let parts: Vec<&str> = good.split('.').collect();
    let [head, claims, signature] = parts[..] else {
        anyhow::bail!("a JWT has three parts")
    };
    let other = &scene.rooms[0].users[0].id;
    let none = base64url(r#"{"alg":"none","typ":"JWT"}"#);
    let forged = base64url(&format!(r#"{{"sub":"{other}","exp":99999999999}}"#));
    let bad = [
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        format!("{head}.{claims}."),
        format!("{none}.{claims}."),
        format!("{none}.{forged}."),
        format!("{none}.{forged}.{signature}"),
        format!("{head}.{forged}.{signature}"),
        format!("{head}.{claims}.{}", signature.to_ascii_uppercase()),
        format!("{good}.{signature}"),
        "A".repeat(5000),
        format!("{head}.{}.{signature}", "A".repeat(3000)),
    ];
    let rounds = scene.form.pick(1, 20);
    let mut sent = 0;
    for _ in 0..rounds {
        for token in &bad {
            for request in [
                upgrade("", &format!("Authorization: Bearer {token}\r\n")),
                upgrade(&format!("?access_token={token}"), ""),
                format!(
                    "GET /api/channels HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                     Authorization: Bearer {token}\r\n\r\n"
                )
                .into_bytes(),
            ] {
                let answer = exchange(&scene, &request).await?;
                refused(&answer, &[400, 401, 414, 431])
                    .with_context(|| format!("token {token:.80}"))?;
                sent += 1;
            }
        }
        // Too large for a head: the server may also end the connection.
        let huge = upgrade(
            "",
            &format!("Authorization: Bearer {}\r\n", "A".repeat(300_000)),
        );
        refused(&exchange(&scene, &huge).await?, &[400, 401, 413, 431])?;
        // The first header counts, and the header counts before the query.
        let repeated = format!("Authorization: Bearer x\r\nAuthorization: Bearer {good}\r\n");
        for request in [
            upgrade("", &repeated),
            upgrade(
                &format!("?access_token={good}"),
                "Authorization: Bearer x\r\n",
            ),
            upgrade(&format!("?access_token=x&access_token={good}"), ""),
        ] {
            refused(&exchange(&scene, &request).await?, &[400, 401])?;
        }
    }
    Ok(format!("{sent} requests, one after the other"))
}

/// Paths that lead elsewhere if they are read in the wrong way.
pub(super) async fn paths(scene: Arc<Scene>) -> anyhow::Result<String> {
    let token = &scene.attacker("Wanderer").await.token;
    let paths = [
        "/../united.toml",
        "/../../../../etc/passwd",
        "/assets/../../secrets.toml",
        "/assets/%2e%2e/%2e%2e/secrets.toml",
        "/assets/..%2f..%2fsecrets.toml",
        "/assets/..%5c..%5csecrets.toml",
        "/assets/%252e%252e%252fsecrets.toml",
        "/assets//etc/passwd",
        "//etc/passwd",
        "/%00",
        "/assets/app.js%00.html",
        "/api/voice/%2e%2e/participants",
        "/api/voice/general%2f..%2flounge/participants",
        "/api/voice/%00/participants",
        "/api/voice/%ff/participants",
        "/api/voice//participants",
        "/api/../metrics",
        "/ws/../api/channels",
        "/api/voice/'%20or%201=1--/participants",
    ];
    for path in paths {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\
             \r\n\r\n"
        );
        let answer = exchange(&scene, request.as_bytes()).await?;
        refused(&answer, &[200, 301, 308, 400, 401, 404]).with_context(|| path.to_owned())?;
        for secret in ["root:", "jwt_secret", "shared_secret"] {
            ensure!(!answer.contains(secret), "{path} shows {secret}");
        }
    }
    Ok(format!("{} paths", paths.len()))
}

/// Requests that two programs can read in two ways. The second request inside must not be answered.
pub(super) async fn smuggling(scene: Arc<Scene>) -> anyhow::Result<String> {
    let hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let post = "POST /api/dev/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let long = hidden.len();
    let shapes = [
        format!(
            "{post}Content-Length: {long}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Content-Length: 0\r\nContent-Length: {long}\r\n\r\n{hidden}"),
        format!("{post}Content-Length: 0, {long}\r\n\r\n{hidden}"),
        format!("{post}Content-Length: +0\r\n\r\n{hidden}"),
        format!("{post}Content-Length: -1\r\n\r\n{hidden}"),
        format!("{post}Content-Length: 0x0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}X-Folded: a\r\n Content-Length: 5\r\n\r\n{hidden}"),
    ];
    let token = &scene.attacker("Smuggler").await.token;
    let authorization = format!("Authorization: Bearer {token}\r\n");
    let bodies = [
        (format!("Content-Length: {long}\r\n"), hidden.to_owned()),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("{long:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ),
    ];
    for shape in &shapes {
        let answer = exchange(&scene, shape.as_bytes()).await?;
        refused(&answer, &[400, 411, 413, 415, 501]).with_context(|| shape.clone())?;
    }
    for (header, body) in &bodies {
        let mut request = upgrade("", &format!("{authorization}{header}"));
        request.extend(body.as_bytes());
        refused(&exchange(&scene, &request).await?, &[400]).with_context(|| header.clone())?;
    }
    Ok(format!("{} shapes", shapes.len() + bodies.len()))
}

/// Requests that a page of another site can have a browser send.
pub(super) async fn cross_site(scene: Arc<Scene>) -> anyhow::Result<String> {
    let token = &scene.attacker("Visitor").await.token;
    let cookie = format!("Cookie: token={token}; access_token={token}; Authorization={token}\r\n");
    let origin = "Origin: http://evil.example\r\n";
    for headers in [origin.to_owned(), format!("{origin}{cookie}")] {
        let answer = exchange(&scene, &upgrade("", &headers)).await?;
        refused(&answer, &[401, 403]).context("a WebSocket with a cookie")?;
        for (method, path, body) in [
            ("GET", "/api/channels", ""),
            ("OPTIONS", "/api/channels", ""),
            ("POST", "/api/channels", r#"{"name":"x","kind":"voice"}"#),
            ("POST", "/api/dev/login", r#"{"displayName":"x"}"#),
        ] {
            for kind in ["text/plain", "application/json"] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\
                     Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let answer = exchange(&scene, request.as_bytes()).await?;
                refused(&answer, &[400, 401, 403, 404, 405, 415])
                    .with_context(|| format!("{method} {path} as {kind}"))?;
                let allows = answer.to_ascii_lowercase().contains("access-control-allow");
                ensure!(!allows, "{method} {path} lets other sites read: {answer}");
            }
        }
    }
    Ok("18 requests with and without cookies".to_owned())
}
