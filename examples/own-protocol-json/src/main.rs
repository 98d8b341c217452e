//! Tavern on a loopback port, with two accounts and a voice channel.

use std::io::{self, Write as _};

use tokio::net::TcpListener;
use united_voice_own_protocol_json::{Chat, Server};

#[tokio::main]
async fn main() -> io::Result<()> {
    let chat = Chat::default()
        .with_account("alice-token", "Alice")
        .with_account("bob-token", "Bob")
        .with_channel("lounge");
    let server = Server::new(
        chat,
        Default::default(), // +voice
    );
    let listener = TcpListener::bind("127.0.0.1:9001").await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on ws://{}/ws", listener.local_addr()?)?;
    let stop = async {
        // An error means that nobody can ask for the end by Ctrl-C. Then the server ends at once.
        let _ = tokio::signal::ctrl_c().await;
    };
    server.serve(listener, stop).await
}
