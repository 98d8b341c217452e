//! The protocol of united-voice, in either encoding.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::{
    Message,
    http::{HeaderValue, Request, header},
};
use united_voice_proto::{
    Codec, decode, encode_json, encode_protobuf,
    voice::{VoiceIceCandidate, VoiceJoinRequest, VoiceSdpOffer, VoiceStateUpdate},
    ws::{Envelope, envelope::Payload},
};

use super::{
    protocol::{Dialect, Event, NUMBERS, Ticket, websocket_request},
    roster::Roster,
};
use crate::payload::Stamp;

/// A payload up to this size is sent as a candidate, a larger one as an offer.
const CANDIDATE_BYTES: usize = 1024;

/// The largest message that is read. All messages here are smaller.
const MESSAGE_BYTES: usize = 1 << 20;

/// One connection to a server of ours.
#[derive(Debug)]
pub(crate) struct Voice {
    ticket: Ticket,
    codec: Codec,
    roster: Roster,
}

impl Voice {
    /// Not connected yet.
    pub(crate) fn new(ticket: Ticket, codec: Codec) -> Self {
        Self {
            ticket,
            codec,
            roster: Roster::default(),
        }
    }
}

impl Dialect for Voice {
    fn request(&self, address: &str) -> anyhow::Result<Request<()>> {
        let mut request = websocket_request(&format!("ws://{address}/ws"))?;
        let headers = request.headers_mut();
        let token = format!("Bearer {}", self.ticket.token);
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(token)?);
        let protocol = HeaderValue::from_static(self.codec.subprotocol());
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        Ok(request)
    }

    fn opening(&self) -> Vec<Message> {
        let join = Payload::VoiceJoinRequest(VoiceJoinRequest {
            channel_id: self.ticket.room.clone(),
        });
        vec![message(self.codec, join, "join")]
    }

    fn receive(&mut self, message: Message, _: &mut Vec<Message>) -> anyhow::Result<Event> {
        let decoded = match &message {
            Message::Binary(bytes) => decode(Codec::Protobuf, bytes, MESSAGE_BYTES),
            Message::Text(text) => match traffic(text) {
                Some(Traffic::Relayed(content)) => {
                    return Ok(Event::Relayed(Stamp::parse(content)?));
                }
                Some(Traffic::State(state)) => {
                    return broadcast(&self.roster, &self.ticket.user, &state);
                }
                None => decode(Codec::Json, text.as_bytes(), MESSAGE_BYTES),
            },
            _ => return Ok(Event::Nothing),
        };
        let payload = decoded?.payload.context("an empty message")?;
        Ok(match payload {
            Payload::VoiceJoinResponse(response) => {
                self.roster.take_seat()?;
                for participant in &response.participants {
                    self.roster.tell(&participant.user_id)?;
                }
                Event::Presence
            }
            Payload::VoiceParticipantJoinedEvent(event) => {
                let participant = event.participant.context("nobody joined")?;
                self.roster.tell(&participant.user_id)?;
                Event::Presence
            }
            Payload::VoiceError(error) => bail!("the server says: {}", error.message),
            Payload::VoiceLeaveEvent(_) => bail!("somebody left"),
            traffic => received(&self.roster, &self.ticket.user, &traffic)?,
        })
    }

    fn roster(&self) -> &Roster {
        &self.roster
    }

    fn relay(&self, payload: &str) -> Message {
        let target = self.roster.others().first().map_or("", String::as_str);
        message(self.codec, relayed(&self.ticket, target, "", payload), "")
    }

    fn broadcast(&self, number: u64, out: &mut Vec<Message>) {
        let update = update(&self.ticket, "", number);
        out.push(message(self.codec, update, ""));
    }
}

/// The event that a message from another member is.
pub(super) fn received(roster: &Roster, me: &str, payload: &Payload) -> anyhow::Result<Event> {
    Ok(match payload {
        Payload::VoiceIceCandidate(candidate) => {
            Event::Relayed(Stamp::parse(&candidate.candidate_json)?)
        }
        Payload::VoiceSdpOffer(offer) => Event::Relayed(Stamp::parse(&offer.sdp)?),
        Payload::VoiceStateUpdate(update) => {
            let state = State {
                user_id: &update.user_id,
                muted: update.muted,
                deafened: update.deafened,
            };
            broadcast(roster, me, &state)?
        }
        _ => Event::Nothing,
    })
}

/// The fields that are read of a state update.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    user_id: &'a str,
    muted: bool,
    deafened: bool,
}

fn broadcast(roster: &Roster, me: &str, state: &State<'_>) -> anyhow::Result<Event> {
    let sender = roster.index(state.user_id);
    if sender.is_none() && state.user_id != me {
        bail!("an update came from somebody who is not here");
    }
    let number = u64::from(state.muted) + 2 * u64::from(state.deafened);
    Ok(Event::Broadcast(sender, number))
}

/// A candidate or an offer, which depends on the size of the payload.
pub(super) fn relayed(ticket: &Ticket, target: &str, sender: &str, payload: &str) -> Payload {
    let (channel_id, target_user_id) = (ticket.room.clone(), target.to_owned());
    let sender_user_id = sender.to_owned();
    if payload.len() <= CANDIDATE_BYTES {
        Payload::VoiceIceCandidate(VoiceIceCandidate {
            target_user_id,
            candidate_json: payload.to_owned(),
            channel_id,
            sender_user_id,
            ..VoiceIceCandidate::default()
        })
    } else {
        Payload::VoiceSdpOffer(VoiceSdpOffer {
            target_user_id,
            sdp: payload.to_owned(),
            channel_id,
            sender_user_id,
            ..VoiceSdpOffer::default()
        })
    }
}

/// A state update that carries its number modulo [`NUMBERS`].
pub(super) fn update(ticket: &Ticket, sender: &str, number: u64) -> Payload {
    Payload::VoiceStateUpdate(VoiceStateUpdate {
        channel_id: ticket.room.clone(),
        user_id: sender.to_owned(),
        muted: number % NUMBERS % 2 == 1,
        deafened: number % NUMBERS / 2 == 1,
    })
}

/// A WebSocket message in that encoding.
pub(super) fn message(codec: Codec, payload: Payload, request_id: &str) -> Message {
    let envelope = Envelope {
        request_id: request_id.to_owned(),
        payload: Some(payload),
    };
    match codec {
        Codec::Json => Message::text(as_a_page_writes_it(&envelope)),
        Codec::Protobuf => Message::Binary(encode_protobuf(&envelope)),
    }
}

/// JSON with the fields that the example servers' page writes. The other fields have the protocol's
/// defaults.
fn as_a_page_writes_it(envelope: &Envelope) -> String {
    #[derive(Default, Serialize)]
    #[serde(rename_all = "camelCase")]
    struct WrittenEnvelope<'a> {
        request_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        voice_ice_candidate: Option<WrittenRelay<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        voice_sdp_offer: Option<WrittenRelay<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        voice_state_update: Option<WrittenUpdate<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct WrittenRelay<'a> {
        channel_id: &'a str,
        target_user_id: &'a str,
        target_session_id: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        candidate_json: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        sdp: &'a str,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct WrittenUpdate<'a> {
        channel_id: &'a str,
        muted: bool,
        deafened: bool,
    }
    let mut written = WrittenEnvelope {
        request_id: &envelope.request_id,
        ..WrittenEnvelope::default()
    };
    match &envelope.payload {
        Some(Payload::VoiceIceCandidate(candidate)) => {
            written.voice_ice_candidate = Some(WrittenRelay {
                channel_id: &candidate.channel_id,
                target_user_id: &candidate.target_user_id,
                target_session_id: &candidate.target_session_id,
                candidate_json: &candidate.candidate_json,
                sdp: "",
            });
        }
        Some(Payload::VoiceSdpOffer(offer)) => {
            written.voice_sdp_offer = Some(WrittenRelay {
                channel_id: &offer.channel_id,
                target_user_id: &offer.target_user_id,
                target_session_id: &offer.target_session_id,
                candidate_json: "",
                sdp: &offer.sdp,
            });
        }
        Some(Payload::VoiceStateUpdate(update)) => {
            written.voice_state_update = Some(WrittenUpdate {
                channel_id: &update.channel_id,
                muted: update.muted,
                deafened: update.deafened,
            });
        }
        _ => return encode_json(envelope),
    }
    serde_json::to_string(&written).expect("texts and booleans are always JSON")
}

/// A message that counts in a run, read from JSON.
enum Traffic<'a> {
    Relayed(&'a str),
    State(State<'a>),
}

/// Reads only the fields that are also read of other servers' messages, so that the clients have
/// the same work.
fn traffic(text: &str) -> Option<Traffic<'_>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ReadEnvelope<'a> {
        #[serde(borrow)]
        voice_ice_candidate: Option<ReadRelay<'a>>,
        #[serde(borrow)]
        voice_sdp_offer: Option<ReadRelay<'a>>,
        #[serde(borrow)]
        voice_state_update: Option<State<'a>>,
    }
    #[derive(Deserialize)]
    struct ReadRelay<'a> {
        #[serde(alias = "candidateJson")]
        sdp: &'a str,
    }
    let read: ReadEnvelope<'_> = serde_json::from_str(text).ok()?;
    let relayed = read.voice_ice_candidate.or(read.voice_sdp_offer);
    let relayed = relayed.map(|relayed| Traffic::Relayed(relayed.sdp));
    relayed.or(read.voice_state_update.map(Traffic::State))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::protocol::{Purpose, ticket};
    use united_voice_proto::voice::{VoiceJoinResponse, VoiceParticipant};

    fn seated(codec: Codec) -> Voice {
        let mut voice = Voice::new(ticket(Purpose::Relay), codec);
        let participant = VoiceParticipant {
            user_id: "u1".to_owned(),
            ..VoiceParticipant::default()
        };
        let response = Payload::VoiceJoinResponse(VoiceJoinResponse {
            participants: vec![participant],
            ..VoiceJoinResponse::default()
        });
        let event = voice.receive(message(codec, response, "join"), &mut Vec::new());
        assert_eq!(event.unwrap(), Event::Presence);
        assert!(voice.roster().is_seated());
        voice
    }

    #[test]
    fn payloads_survive_in_both_encodings_and_sizes() {
        for codec in [Codec::Protobuf, Codec::Json] {
            for size in [300, 2048] {
                let mut voice = seated(codec);
                let stamp = Stamp { number: 5, due: 6 };
                let sent = voice.relay(&stamp.text(size));
                let event = voice.receive(sent, &mut Vec::new()).unwrap();
                assert_eq!(event, Event::Relayed(stamp));
            }
        }
    }

    #[test]
    fn updates_are_numbered_modulo_four_and_those_of_strangers_refused() {
        let mut voice = seated(Codec::Protobuf);
        for number in 0..9 {
            let sent = update(&voice.ticket, "u1", number);
            let sent = message(Codec::Protobuf, sent, "");
            let event = voice.receive(sent, &mut Vec::new()).unwrap();
            assert_eq!(event, Event::Broadcast(Some(0), number % NUMBERS));
        }
        let sent = message(Codec::Protobuf, update(&voice.ticket, "u9", 0), "");
        assert!(voice.receive(sent, &mut Vec::new()).is_err());
    }
}
