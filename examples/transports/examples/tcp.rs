//! Two clients meet over framed TCP on the loopback interface and print the messages that they get.
//!
//! ```text
//! cargo run -p united-voice-transports --example tcp
//! ```

use std::io::{self, Write as _};

use tokio::net::{TcpListener, TcpStream};
use united_voice_core::{
    OpenDirectory, VoiceServer,
    proto::{
        voice::{VoiceJoinRequest, VoiceSdpOffer},
        ws::envelope::Payload,
    },
};
use united_voice_transports::tcp::{self, Heard, TcpClient};

fn join() -> Payload {
    Payload::VoiceJoinRequest(VoiceJoinRequest {
        channel_id: "general".into(),
    })
}

async fn tell(who: &str, client: &mut TcpClient<TcpStream>) -> io::Result<()> {
    match client.next().await? {
        Heard::Message(message) => writeln!(io::stdout(), "{who} hears {:?}", message.payload),
        Heard::Closed(close) => writeln!(io::stdout(), "{who} is closed: {close:?}"),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = VoiceServer::builder(OpenDirectory).build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(tcp::serve(listener, server.clone()));

    let mut alice = TcpClient::connect(address, "alice").await?;
    alice.send("1", join()).await?;
    tell("alice", &mut alice).await?;
    let mut bob = TcpClient::connect(address, "bob").await?;
    bob.send("1", join()).await?;
    tell("bob", &mut bob).await?;
    tell("alice", &mut alice).await?;

    // The newcomer sends the offer.
    let offer = VoiceSdpOffer {
        channel_id: "general".into(),
        target_user_id: "alice".into(),
        sdp: "v=0\r\n".into(),
        ..VoiceSdpOffer::default()
    };
    bob.send("2", Payload::VoiceSdpOffer(offer)).await?;
    tell("alice", &mut alice).await?;

    drop(bob);
    tell("alice", &mut alice).await?;
    server.shutdown();
    tell("alice", &mut alice).await?;
    drop(alice);
    server.drained().await;
    serving.abort();
    Ok(())
}
