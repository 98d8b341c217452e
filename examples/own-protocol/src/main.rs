//! Parley on a loopback port, with two accounts, a text channel and a voice channel.

use std::io::{self, Write as _};

use tokio::net::TcpListener;
use united_voice_core::IceConfig; // +voice
use united_voice_own_protocol::{
    Account,
    Channel,
    Chat,
    Limits,
    Server,
    VoiceSettings, // +voice
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chat = Chat::default()
        .with_account("alice-token", Account::new(1, "Alice"))
        .with_account("bob-token", Account::new(2, "Bob"))
        .with_channel(1, Channel::new("lobby"))
        .with_channel(2, Channel::new("talk").with_voice(VoiceSettings::default())); // +voice
    let server = Server::new(
        chat,
        Limits::default(),
        IceConfig::default(), // +voice
    );
    let listener = TcpListener::bind("127.0.0.1:9000").await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on ws://{}", listener.local_addr()?)?;
    server
        .serve(listener, async {
            // An error means that nobody can ask for the end by Ctrl-C. Then the server ends at
            // once.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await;
    Ok(())
}
