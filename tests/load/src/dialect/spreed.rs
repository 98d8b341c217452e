//! Nextcloud's signaling server, as one of its "internal" clients. They need no Nextcloud behind
//! the server.

use anyhow::{Context as _, bail};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio_tungstenite::tungstenite::{Message, http::Request};

use super::{
    protocol::{
        Dialect, Event, Ticket, broadcast_text, from_member, json as parse, text_of,
        websocket_request,
    },
    roster::Roster,
};

/// The secret that the server and its internal clients share.
pub(crate) const SECRET: &str = "a secret for a server that lives for seconds";

/// The server never calls it, so any address will do.
const BACKEND: &str = "http://127.0.0.1/";

/// One connection to a signaling server of Nextcloud.
#[derive(Debug)]
pub(crate) struct Spreed {
    ticket: Ticket,
    roster: Roster,
    session: String,
}

impl Spreed {
    /// Not connected yet.
    pub(crate) fn new(ticket: Ticket) -> Self {
        Self {
            ticket,
            roster: Roster::default(),
            session: String::new(),
        }
    }

    fn room_event(&mut self, event: &Value) -> anyhow::Result<Event> {
        if event["target"] != "room" || event["type"] != "join" {
            return Ok(Event::Nothing);
        }
        let joined = event["join"].as_array().context("nobody joined")?;
        let told = self.roster.told();
        for member in joined {
            let session = text_of(&member["sessionid"])?;
            // In a storm of joins the server announces some members twice.
            if session != self.session && self.roster.index(session).is_none() {
                self.roster.tell(session)?;
            }
        }
        let news = self.roster.told() > told;
        Ok(if news {
            Event::Presence
        } else {
            Event::Nothing
        })
    }

    fn message(&self, message: &Value) -> anyhow::Result<Event> {
        let sender = text_of(&message["sender"]["sessionid"])?;
        let place = self.roster.index(sender).context("a stranger's message")?;
        from_member(&self.ticket, Some(place), text_of(&message["data"])?)
    }
}

impl Dialect for Spreed {
    fn request(&self, address: &str) -> anyhow::Result<Request<()>> {
        websocket_request(&format!("ws://{address}/spreed"))
    }

    fn opening(&self) -> Vec<Message> {
        // The server asks for at least 32 characters.
        let random = format!("{:>32}", self.ticket.user);
        let mut mac =
            Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
        mac.update(random.as_bytes());
        let proof = mac.finalize().into_bytes();
        let token: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
        let params = json!({ "random": random, "token": token, "backend": BACKEND });
        let auth = json!({ "type": "internal", "params": params });
        let hello = json!({ "version": "1.0", "auth": auth });
        vec![packet(
            &json!({ "id": "1", "type": "hello", "hello": hello }),
        )]
    }

    fn receive(&mut self, message: Message, out: &mut Vec<Message>) -> anyhow::Result<Event> {
        let Message::Text(text) = message else {
            return Ok(Event::Nothing);
        };
        let message = parse(&text)?;
        match text_of(&message["type"])? {
            "hello" => {
                text_of(&message["hello"]["sessionid"])?.clone_into(&mut self.session);
                let room = json!({ "roomid": self.ticket.room, "sessionid": self.ticket.user });
                out.push(packet(&json!({ "id": "2", "type": "room", "room": room })));
                Ok(Event::Nothing)
            }
            "room" => {
                self.roster.take_seat()?;
                Ok(Event::Presence)
            }
            "event" => self.room_event(&message["event"]),
            "message" => self.message(&message["message"]),
            "error" => bail!("the server says {}", message["error"]),
            _ => Ok(Event::Nothing),
        }
    }

    fn roster(&self) -> &Roster {
        &self.roster
    }

    fn relay(&self, payload: &str) -> Message {
        let session = self.roster.others().first().map_or("", String::as_str);
        let recipient = json!({ "type": "session", "sessionid": session });
        send(&recipient, payload)
    }

    fn broadcast(&self, number: u64, out: &mut Vec<Message>) {
        out.push(send(&json!({ "type": "room" }), &broadcast_text(number)));
    }
}

fn send(recipient: &Value, data: &str) -> Message {
    let message = json!({ "recipient": recipient, "data": data });
    packet(&json!({ "type": "message", "message": message }))
}

fn packet(packet: &Value) -> Message {
    Message::text(packet.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::protocol::{Purpose, ticket},
        payload::Stamp,
    };

    #[test]
    fn a_seat_is_asked_for_after_the_hello_and_signals_carry_stamps() {
        let mut spreed = Spreed::new(ticket(Purpose::Relay));
        assert_eq!(spreed.opening().len(), 1);
        let mut out = Vec::new();
        let hello = json!({ "type": "hello", "hello": { "sessionid": "me" } });
        spreed.receive(packet(&hello), &mut out).unwrap();
        let room = json!({ "roomid": "r0", "sessionid": "u0" });
        assert_eq!(
            out,
            [packet(&json!({ "id": "2", "type": "room", "room": room }))]
        );
        let room = json!({ "type": "room", "room": { "roomid": "r0" } });
        spreed.receive(packet(&room), &mut out).unwrap();
        let members = json!([{ "sessionid": "me" }, { "sessionid": "b" }]);
        let event = json!({ "target": "room", "type": "join", "join": members });
        let event = json!({ "type": "event", "event": event });
        spreed.receive(packet(&event), &mut out).unwrap();
        assert!(spreed.roster().is_seated());
        assert_eq!(spreed.roster().others(), ["b"]);
        let stamp = Stamp { number: 1, due: 2 };
        let message = json!({ "sender": { "sessionid": "b" }, "data": stamp.text(300) });
        let message = json!({ "type": "message", "message": message });
        let event = spreed.receive(packet(&message), &mut out).unwrap();
        assert_eq!(event, Event::Relayed(stamp));
    }
}
