//! What only clients do that break the rules.

use std::time::Duration;

use futures::SinkExt as _;
use tokio::{
    io::AsyncWriteExt as _,
    task::spawn_local,
    time::{Instant, sleep},
};
use tokio_tungstenite::tungstenite::Message;
use united_voice_scenarios::{
    Codec, Payload, request,
    voice::{VoiceIceCandidate, VoiceJoinResponse},
};

use super::{Kind, Life};
use crate::frame::{bits, masked, unmasked};

/// The server may take 30 s to find a client that vanished. The rest is for a busy machine.
const VANISHED: Duration = Duration::from_secs(40);

/// Requests of a burst. The server takes 200 at once.
const BURST: usize = 250;

impl Life {
    pub(super) async fn do_mischief(&mut self) {
        let Some(channel) = self.channel() else {
            return self.join_somewhere().await;
        };
        self.world.tally.count("mischief");
        let dice = self.chance.u8(..12);
        // The last five may end the stay.
        if dice >= 7 && !self.world.may_change(&channel) {
            return;
        }
        let nobody = "nobody-has-this-id";
        match dice {
            0 => {
                let garbage: Vec<u8> = (0..40).map(|_| self.chance.u8(..)).collect();
                let message = match self.codec {
                    Codec::Protobuf => Message::binary(garbage),
                    Codec::Json => Message::text(String::from_utf8_lossy(&garbage).into_owned()),
                };
                self.send_message(message).await;
            }
            1 => {
                let message = match self.codec {
                    Codec::Protobuf => Message::text(r#"{"requestId":"x"}"#),
                    Codec::Json => Message::binary(vec![0x0a, 0x01, b'x']),
                };
                self.send_message(message).await;
            }
            2 => {
                let response = VoiceJoinResponse::default();
                let payload = Payload::VoiceJoinResponse(response);
                self.ask(Kind::Mischief, payload).await;
            }
            3 => {
                let user = self.user().id;
                let target = if self.chance.bool() { nobody } else { &user };
                let candidate = request::candidate(&channel, target, "{}");
                self.ask(Kind::Mischief, candidate).await;
            }
            4 => {
                let sdp = "s".repeat(70_000);
                self.ask(Kind::Mischief, request::offer(&channel, nobody, &sdp))
                    .await;
            }
            5 => self.send_to_an_old_session(&channel).await,
            6 => {
                for _ in 0..BURST {
                    self.ask(Kind::Mischief, request::ice_servers(nobody)).await;
                }
            }
            7 => {
                self.doom = Some(1009);
                self.send_message(Message::binary(vec![0; 130 * 1024]))
                    .await;
            }
            8 => {
                self.break_framing(1007, &masked(bits::FIN | bits::TEXT, &[0xff]))
                    .await;
            }
            9 => {
                self.break_framing(1002, &unmasked(bits::FIN | bits::BINARY, &[1]))
                    .await;
            }
            10 => self.vanish(),
            _ => self.stop_reading(3.0..8.0).await,
        }
    }

    async fn send_message(&mut self, message: Message) {
        if let Some(connection) = &mut self.connection {
            let _ = connection.socket.send(message).await;
        }
    }

    async fn break_framing(&mut self, doom: u16, frame: &[u8]) {
        self.doom = Some(doom);
        if let Some(connection) = &mut self.connection {
            let _ = connection.socket.get_mut().write_all(frame).await;
        }
    }

    async fn send_to_an_old_session(&mut self, channel: &str) {
        let target = {
            let view = self.world.view(self.number).borrow();
            let others = view.as_ref().map(|view| view.others.as_slice());
            self.chance.choice(others.unwrap_or_default()).cloned()
        };
        let Some(target) = target else { return };
        let candidate = VoiceIceCandidate {
            target_user_id: target.user_id,
            target_session_id: "an-old-session".to_owned(),
            channel_id: channel.to_owned(),
            candidate_json: "{}".to_owned(),
            ..VoiceIceCandidate::default()
        };
        self.ask(Kind::Mischief, Payload::VoiceIceCandidate(candidate))
            .await;
    }

    /// Falls silent without a word. The server must find that out by its pings.
    fn vanish(&mut self) {
        let settings = &self.world.settings;
        if self.world.start.elapsed() + VANISHED > settings.time {
            return;
        }
        self.world.tally.count("silent disappearances");
        let connection = self.connection.take();
        self.disconnected();
        spawn_local(async move {
            sleep(VANISHED).await;
            drop(connection);
        });
        // If the user came back before, it would take its own seat over.
        self.next_action = Instant::now() + VANISHED;
    }
}
