//! The PeerJS server: it knows peers by the names that they chose. It knows no rooms, so it tells
//! nobody of anybody.

use anyhow::{Context as _, bail};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Message, http::Request};

use super::{
    protocol::{
        Dialect, Event, Ticket, broadcast_text, from_member, json as parse, text_of,
        websocket_request,
    },
    roster::Roster,
};

/// One connection to a PeerJS server.
#[derive(Debug)]
pub(crate) struct PeerJs {
    ticket: Ticket,
    roster: Roster,
}

impl PeerJs {
    /// Not connected yet.
    pub(crate) fn new(ticket: Ticket) -> Self {
        let mut roster = Roster::default();
        for other in ticket.users.iter().filter(|it| **it != ticket.user) {
            roster.meet(other);
        }
        Self { ticket, roster }
    }
}

impl Dialect for PeerJs {
    fn request(&self, address: &str) -> anyhow::Result<Request<()>> {
        let user = &self.ticket.user;
        websocket_request(&format!(
            "ws://{address}/peerjs?key=peerjs&id={user}&token={user}"
        ))
    }

    fn opening(&self) -> Vec<Message> {
        Vec::new()
    }

    fn receive(&mut self, message: Message, _: &mut Vec<Message>) -> anyhow::Result<Event> {
        let Message::Text(text) = message else {
            return Ok(Event::Nothing);
        };
        let message = parse(&text)?;
        match text_of(&message["type"])? {
            "OPEN" => {
                self.roster.take_seat()?;
                Ok(Event::Presence)
            }
            "OFFER" => {
                let sender = self.roster.index(text_of(&message["src"])?);
                let place = sender.context("a stranger's offer")?;
                from_member(&self.ticket, Some(place), text_of(&message["payload"])?)
            }
            other => bail!("the server says {other}"),
        }
    }

    fn roster(&self) -> &Roster {
        &self.roster
    }

    fn relay(&self, payload: &str) -> Message {
        let receiver = self.roster.others().first().map_or("", String::as_str);
        offer(receiver, payload)
    }

    fn broadcast(&self, number: u64, out: &mut Vec<Message>) {
        let text = broadcast_text(number);
        out.extend(self.roster.others().iter().map(|it| offer(it, &text)));
    }
}

fn offer(receiver: &str, payload: &str) -> Message {
    let offer = json!({ "type": "OFFER", "dst": receiver, "payload": payload });
    Message::text(offer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::protocol::{Purpose, ticket},
        payload::Stamp,
    };

    #[test]
    fn offers_carry_stamps_and_refusals_are_errors() {
        let mut peer = PeerJs::new(ticket(Purpose::Relay));
        let mut tell = |message: serde_json::Value| {
            peer.receive(Message::text(message.to_string()), &mut Vec::new())
        };
        assert_eq!(tell(json!({ "type": "OPEN" })).unwrap(), Event::Presence);
        let stamp = Stamp { number: 3, due: 4 };
        let offer = json!({ "type": "OFFER", "src": "u1", "payload": stamp.text(300) });
        assert_eq!(tell(offer).unwrap(), Event::Relayed(stamp));
        assert!(tell(json!({ "type": "ID-TAKEN" })).is_err());
        assert_eq!(peer.roster().others(), ["u1"]);
    }
}
