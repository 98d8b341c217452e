//! A bot that joins a voice channel and prints what happens there.
//!
//! ```sh
//! cargo run -p axum-server &                                   # a server
//! TOKEN=$(cargo run -q -p axum-server -- token --user bot --name Bot)
//! cargo run -p united-voice-client --example bot -- ws://127.0.0.1:8080/ws "$TOKEN" general
//! ```
//!
//! It has no audio and answers no offers. Ctrl-C leaves.

#![expect(clippy::print_stdout, reason = "printing is its purpose")]

use std::{env, error::Error};

use united_voice_client::{Client, Event, Roster};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [url, token, channel] = arguments.as_slice() else {
        return Err("usage: bot URL TOKEN CHANNEL".into());
    };
    let (client, mut events) = Client::builder(url).token(token).connect().await?;
    client.join(channel).await?;
    // The bot neither speaks nor hears.
    client.set_state(true, true).await?;

    let mut roster = Roster::new();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => tell(&event, &mut roster),
                None => return Ok(()),
            },
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                client.close().await;
                return Ok(());
            }
        }
    }
}

fn tell(event: &Event, roster: &mut Roster) {
    match event {
        Event::Entered { snapshot, .. } => println!("in {}", snapshot.channel_id),
        Event::Exited { channel_id, reason } => println!("out of {channel_id}: {reason:?}"),
        Event::Joined { participant, .. } => println!("{} joined", participant.display_name),
        Event::Left {
            display_name,
            reason,
            ..
        } => println!("{display_name} left: {}", reason.as_str_name()),
        Event::Speaking { user_id, speaking } => {
            let name = roster
                .get(user_id)
                .map_or(user_id.as_str(), |participant| &participant.display_name);
            println!("{name} {}", if *speaking { "speaks" } else { "is silent" });
        }
        other => println!("{other:?}"),
    }
    if roster.apply(event) {
        let names: Vec<_> = roster
            .participants()
            .iter()
            .map(|participant| participant.display_name.as_str())
            .collect();
        println!("  with {names:?}");
    }
}
