//! What the server says to one client, and whether it may.

use anyhow::{Context as _, bail, ensure};
use united_voice_load::payload::Stamp;
use united_voice_scenarios::{
    Incoming, Payload,
    voice::{VoiceError, VoiceErrorCode},
    ws::Envelope,
};

use super::{Kind, Life};
use crate::soak::view::View;

/// The request ids of relayed messages begin with this, and the message's number follows.
pub(super) const RELAY: char = 'r';

impl Life {
    pub(super) fn hear(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Envelope(envelope) => {
                let heard = self.hear_envelope(envelope);
                self.world.check(self.number, heard);
            }
            end => {
                let expected = self.expects(&end);
                self.world.check(self.number, expected);
                self.disconnected();
            }
        }
    }

    /// The server closes only clients that break the rules, each with the code for what it did.
    fn expects(&self, end: &Incoming) -> anyhow::Result<()> {
        match (self.doom, end) {
            (Some(doom), Incoming::Closed(code)) => ensure!(
                doom == *code,
                "the server closes with {code} instead of {doom}"
            ),
            // It may stall for long enough to be evicted.
            (None, Incoming::Closed(1013)) if self.breaks_rules => {
                self.world.tally.count("evictions of stalled clients");
            }
            _ => bail!("the connection ends: {end:?}, doom {:?}", self.doom),
        }
        Ok(())
    }

    fn hear_envelope(&mut self, envelope: Envelope) -> anyhow::Result<()> {
        let payload = envelope.payload.context("an envelope without a payload")?;
        let id = envelope.request_id.as_str();
        if id.is_empty() {
            self.event(&payload)
        } else if let Some(number) = id.strip_prefix(RELAY) {
            let Payload::VoiceError(error) = payload else {
                bail!("a relayed message is answered with {payload:?}")
            };
            self.relay_refused(number.parse()?, &error)
        } else {
            let Some(question) = self.asked.remove(id) else {
                // Garbage may have a request id, by chance or not.
                ensure!(
                    self.breaks_rules && is_mistake(&payload),
                    "an answer to {id}, which waits for none: {payload:?}"
                );
                return Ok(());
            };
            self.answer(question.kind, payload)
                .with_context(|| format!("the answer to {id}"))
        }
    }

    fn event(&mut self, payload: &Payload) -> anyhow::Result<()> {
        let relayed = match payload {
            Payload::VoiceSdpOffer(it) => Some((
                (&it.channel_id, &it.sender_user_id, &it.sender_session_id),
                &it.sdp,
            )),
            Payload::VoiceSdpAnswer(it) => Some((
                (&it.channel_id, &it.sender_user_id, &it.sender_session_id),
                &it.sdp,
            )),
            Payload::VoiceIceCandidate(it) => Some((
                (&it.channel_id, &it.sender_user_id, &it.sender_session_id),
                &it.candidate_json,
            )),
            Payload::VoiceIceServersResponse(_) => return Ok(()),
            // What is not even an envelope is answered without a request id.
            Payload::VoiceError(_) if self.breaks_rules => return Ok(()),
            Payload::VoiceError(error) => bail!("an unasked error: {error:?}"),
            _ => None,
        };
        let mut view = self.world.view(self.number).borrow_mut();
        let view = view
            .as_mut()
            .with_context(|| format!("an event for a client in no channel: {payload:?}"))?;
        let Some(((channel, user, session), text)) = relayed else {
            self.world.tally.count("events");
            return view.apply(payload);
        };
        view.relayed(channel, user, session)?;
        let stamp = Stamp::parse(text)?;
        self.world.tally.count("relays arrived");
        let mut ledger = self.world.ledger.borrow_mut();
        ledger.arrived(stamp.number, session, &view.session)
    }

    fn relay_refused(&self, number: u64, error: &VoiceError) -> anyhow::Result<()> {
        use VoiceErrorCode as Code;
        let name = match error.code() {
            Code::TargetNotInChannel => "relays refused: target not in the channel",
            Code::StaleSession => "relays refused: stale session",
            // The target reads too slowly for the moment.
            Code::RateLimited => "relays refused: rate",
            _ => bail!("a relay is refused: {error:?}"),
        };
        self.world.tally.count(name);
        self.world.ledger.borrow_mut().refused(number)
    }

    fn answer(&mut self, kind: Kind, payload: Payload) -> anyhow::Result<()> {
        let view = self.world.view(self.number);
        match (kind, payload) {
            (Kind::Join, Payload::VoiceJoinResponse(response)) => {
                let is_rejoin = (view.borrow().as_ref())
                    .is_some_and(|view| view.channel == response.channel_id);
                if is_rejoin {
                    self.world.tally.count("rejoins");
                    let view = view.borrow();
                    return view.as_ref().map_or(Ok(()), |it| it.rejoined(&response));
                }
                self.world.tally.count("joins and moves");
                self.world.end_stay(self.number, false);
                let user = &self.world.users[self.number].id;
                *view.borrow_mut() = Some(View::new(user, response));
            }
            (Kind::Join, Payload::VoiceError(error)) => {
                let full = error.code() == VoiceErrorCode::ChannelFull;
                ensure!(full, "a join is refused: {error:?}");
                self.world.tally.count("joins refused: full");
            }
            (Kind::Leave, Payload::VoiceLeaveEvent(_)) => self.world.end_stay(self.number, false),
            (Kind::State, payload @ Payload::VoiceStateUpdate(_)) => {
                let mut view = view.borrow_mut();
                let view = view.as_mut().context("a state outside of a channel")?;
                view.apply(&payload)?;
            }
            (Kind::Speaking, Payload::VoiceSpeakingEvent(_))
            | (Kind::IceServers, Payload::VoiceIceServersResponse(_)) => {}
            (Kind::Mischief, Payload::VoiceError(_)) => self.world.tally.count("mischief refused"),
            (kind, payload) => bail!("{kind:?} is answered with {payload:?}"),
        }
        Ok(())
    }
}

fn is_mistake(payload: &Payload) -> bool {
    use VoiceErrorCode::{Malformed, Unsupported};
    matches!(payload, Payload::VoiceError(error) if matches!(error.code(), Malformed | Unsupported))
}
