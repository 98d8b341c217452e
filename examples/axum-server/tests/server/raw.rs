//! Requests as bytes, and what comes back.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};

use crate::process::{PATIENCE, Server};

/// The smallest request that is answered with a small body.
pub(crate) const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

pub(crate) async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(&server.address).await.unwrap()
}

/// Connects from another address of this machine.
pub(crate) async fn connect_from(server: &Server, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(format!("{address}:0").parse().unwrap())
        .unwrap();
    let server = server.address.parse().unwrap();
    socket.connect(server).await.unwrap()
}

/// Sends bytes, and reads up to the end of the head of the answer.
pub(crate) async fn ask(stream: &mut TcpStream, request: &str) -> String {
    // The server may have closed the connection already.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let read = async {
        while !answer.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) => break,
            }
        }
    };
    timeout(PATIENCE, read)
        .await
        .expect("an answer, or the end");
    String::from_utf8(answer).unwrap()
}

/// The status of the answer. 0 if there is none.
pub(crate) async fn status(stream: &mut TcpStream, request: &str) -> u16 {
    let answer = ask(stream, request).await;
    let status = answer.split(' ').nth(1);
    status.map_or(0, |status| status.parse().unwrap())
}

/// Whether the server answers over this connection.
pub(crate) async fn is_served(stream: &mut TcpStream) -> bool {
    status(stream, HEALTHZ).await == 200
}

/// Sends bytes and no more, and reads everything until the server closes the connection.
pub(crate) async fn exchange(server: &Server, request: &str) -> String {
    let mut stream = connect(server).await;
    // Both fail if the server has closed already. What it sent before counts.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A reset after the answer is an end too.
    let _ = read.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until the server closes the connection, and returns what it sent before.
pub(crate) async fn end(stream: &mut TcpStream, patience: Duration) -> String {
    let mut answer = Vec::new();
    let read = timeout(patience, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The counter of refusals for this reason.
pub(crate) async fn refused(server: &Server, reason: &str) -> u64 {
    let name = format!("united_voice_http_refused_total{{reason=\"{reason}\"}} ");
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let begun = Instant::now();
    loop {
        // The server may not have seen the ends of earlier connections, and refuse this one.
        let metrics = exchange(server, request).await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        if let Some(value) = value {
            return value.parse().unwrap();
        }
        assert!(begun.elapsed() < PATIENCE, "{metrics}");
        sleep(Duration::from_millis(20)).await;
    }
}
