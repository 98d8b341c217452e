//! Two clients meet inside one process and print the signals that they get.
//!
//! ```text
//! cargo run -p united-voice-transports --example in_process
//! ```

use std::io::{self, Write as _};

use united_voice_core::{
    OpenDirectory, UserId, VoiceServer,
    proto::{voice::VoiceJoinRequest, ws::envelope::Payload},
};
use united_voice_transports::in_process::{self, LocalClient};

async fn tell(who: &str, client: &mut LocalClient) -> io::Result<()> {
    match client.hear().await {
        Ok(signal) => writeln!(io::stdout(), "{who} hears {:?}", signal.payload()),
        Err(reason) => writeln!(io::stdout(), "{who} is closed: {reason}"),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = VoiceServer::builder(OpenDirectory).build()?;
    let join = Payload::VoiceJoinRequest(VoiceJoinRequest {
        channel_id: "general".into(),
    });

    let (mut alice, served) = in_process::connect(&server, &UserId::new("alice")?)?;
    tokio::spawn(served);
    let (mut bob, served) = in_process::connect(&server, &UserId::new("bob")?)?;
    tokio::spawn(served);
    let gone = |_| "the server has gone";
    alice.say("1", join.clone()).await.map_err(gone)?;
    tell("alice", &mut alice).await?;
    bob.say("1", join).await.map_err(gone)?;
    tell("bob", &mut bob).await?;
    tell("alice", &mut alice).await?;

    drop(bob);
    tell("alice", &mut alice).await?;
    server.shutdown();
    tell("alice", &mut alice).await?;
    server.drained().await;
    Ok(())
}
