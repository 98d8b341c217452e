//! What every client does.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use united_voice_load::payload::Stamp;
use united_voice_scenarios::{
    Incoming, Payload, request,
    voice::{VoiceErrorCode, VoiceIceCandidate, VoiceSdpAnswer, VoiceSdpOffer},
};

use super::{Kind, Life, PATIENCE, hearing::RELAY};

impl Life {
    pub(super) async fn do_something(&mut self) {
        let Some(channel) = self.channel() else {
            return self.join_somewhere().await;
        };
        let dice = self.chance.u16(..1000);
        let changes_members = dice < 120;
        let changes_state = (120..220).contains(&dice);
        if (changes_members || changes_state) && !self.world.may_change(&channel) {
            return;
        }
        match dice {
            0..40 => self.join_somewhere().await,
            40..65 => {
                self.world.tally.count("leaves");
                self.ask(Kind::Leave, request::leave(&channel)).await;
            }
            65..85 => self.crash(),
            85..100 => self.close().await,
            100..120 => self.take_over(&channel).await,
            120..220 => {
                self.world.tally.count("states");
                let (muted, deafened) = (self.chance.bool(), self.chance.bool());
                let state = request::state(&channel, muted, deafened);
                self.ask(Kind::State, state).await;
            }
            220..230 => self.ask(Kind::Join, request::join(&channel)).await,
            230..240 => {
                self.ask(Kind::IceServers, request::ice_servers(&channel))
                    .await;
            }
            240..250 => self.stop_reading(0.2..2.0).await,
            250..350 => self.speak(&channel).await,
            _ => self.relay(&channel).await,
        }
    }

    /// The channel that this client is in.
    pub(super) fn channel(&self) -> Option<String> {
        let view = self.world.view(self.number).borrow();
        view.as_ref().map(|view| view.channel.clone())
    }

    /// Joins a channel, or moves to it.
    pub(super) async fn join_somewhere(&mut self) {
        let channels = &self.world.channels;
        let channel = channels[self.chance.usize(..channels.len())].clone();
        if self.world.may_change(&channel) {
            self.ask(Kind::Join, request::join(&channel)).await;
        }
    }

    /// The connection ends without a close frame.
    fn crash(&mut self) {
        self.world.tally.count("crashes");
        self.disconnected();
    }

    async fn close(&mut self) {
        self.world.tally.count("orderly closes");
        if let Some(connection) = &mut self.connection {
            let _ = connection.socket.close(None).await;
        }
        self.disconnected();
    }

    /// Speaks or falls silent. With a request id the server answers.
    async fn speak(&mut self, channel: &str) {
        self.world.tally.count("speaking");
        let event = request::speaking(channel, self.chance.bool());
        if self.chance.bool() {
            self.ask(Kind::Speaking, event).await;
        } else {
            self.send("", event).await;
        }
    }

    /// Does not read for some seconds. What comes meanwhile waits in the kernel and in the server.
    pub(super) async fn stop_reading(&mut self, seconds: std::ops::Range<f64>) {
        self.world.tally.count("pauses in reading");
        let span = seconds.end - seconds.start;
        let pause = seconds.start + span * self.chance.f64();
        sleep(Duration::from_secs_f64(pause)).await;
    }

    /// Another connection of the user takes the seat, as after a change of networks.
    async fn take_over(&mut self, channel: &str) {
        self.world.tally.count("takeovers");
        let Some(newer) = self.connect().await else {
            return;
        };
        let Some(mut older) = self.connection.replace(newer) else {
            return;
        };
        self.ask(Kind::Join, request::join(channel)).await;
        // First everything that came for the older connection, up to the notice that ends its stay.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match older.incoming_within(left).await {
                Some(Incoming::Envelope(envelope)) => {
                    if let Some(Payload::VoiceError(error)) = &envelope.payload
                        && error.code() == VoiceErrorCode::SessionReplaced
                    {
                        return self.world.end_stay(self.number, true);
                    }
                    self.hear(Incoming::Envelope(envelope));
                }
                end => {
                    let complaint = anyhow::anyhow!("no SESSION_REPLACED, but {end:?}");
                    self.world.check(self.number, Err(complaint));
                    return self.disconnected();
                }
            }
        }
    }

    /// Relays a numbered message to one of the others.
    async fn relay(&mut self, channel: &str) {
        let (from, others) = {
            let view = self.world.view(self.number).borrow();
            let Some(view) = view.as_ref() else { return };
            (view.session.clone(), view.others.clone())
        };
        let Some(target) = self.chance.choice(&others) else {
            return;
        };
        self.world.tally.count("relays sent");
        let now = Instant::now();
        let number = (self.world.ledger.borrow_mut()).send(&from, &target.session_id, now);
        let stamp = Stamp { number, due: 0 };
        let target_user_id = target.user_id.clone();
        let target_session_id = target.session_id.clone();
        let channel_id = channel.to_owned();
        let payload = match self.chance.u8(..4) {
            0 => Payload::VoiceSdpOffer(VoiceSdpOffer {
                target_user_id,
                target_session_id,
                channel_id,
                sdp: stamp.text(self.chance.usize(300..3000)),
                ..VoiceSdpOffer::default()
            }),
            1 => Payload::VoiceSdpAnswer(VoiceSdpAnswer {
                target_user_id,
                target_session_id,
                channel_id,
                sdp: stamp.text(self.chance.usize(300..2000)),
                ..VoiceSdpAnswer::default()
            }),
            _ => Payload::VoiceIceCandidate(VoiceIceCandidate {
                target_user_id,
                target_session_id,
                channel_id,
                candidate_json: stamp.text(200),
                ..VoiceIceCandidate::default()
            }),
        };
        self.send(&format!("{RELAY}{number}"), payload).await;
    }
}
