//! Socket.IO 5 over a WebSocket (Engine.IO 4), for the small server in `floor/socketioxide.rs`.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, http::Request};

use super::{
    protocol::{Dialect, Event, Ticket, broadcast_text, from_member, text_of, websocket_request},
    roster::Roster,
};

/// One connection to a Socket.IO server.
#[derive(Debug)]
pub(crate) struct SocketIo {
    ticket: Ticket,
    roster: Roster,
}

impl SocketIo {
    /// Not connected yet.
    pub(crate) fn new(ticket: Ticket) -> Self {
        Self {
            ticket,
            roster: Roster::default(),
        }
    }

    fn event(&mut self, event: &Value) -> anyhow::Result<Event> {
        match text_of(&event[0])? {
            "seated" => {
                self.roster.take_seat()?;
                let others = event[1].as_array().context("no list of members")?;
                for other in others {
                    self.roster.tell(text_of(other)?)?;
                }
                Ok(Event::Presence)
            }
            "arrived" => {
                self.roster.tell(text_of(&event[1])?)?;
                Ok(Event::Presence)
            }
            "signal" => {
                let (sender, data) = (text_of(&event[1])?, text_of(&event[2])?);
                let place = self.roster.index(sender);
                if place.is_none() && sender != self.ticket.user {
                    bail!("a stranger's signal");
                }
                from_member(&self.ticket, place, data)
            }
            other => bail!("the server says {other}"),
        }
    }
}

impl Dialect for SocketIo {
    fn request(&self, address: &str) -> anyhow::Result<Request<()>> {
        websocket_request(&format!(
            "ws://{address}/socket.io/?EIO=4&transport=websocket"
        ))
    }

    fn opening(&self) -> Vec<Message> {
        vec![Message::text("40")]
    }

    fn receive(&mut self, message: Message, out: &mut Vec<Message>) -> anyhow::Result<Event> {
        let Message::Text(text) = message else {
            return Ok(Event::Nothing);
        };
        // The first digit is the kind of Engine.IO packet, the second the kind of Socket.IO packet.
        if let Some(event) = text.strip_prefix("42") {
            return self.event(&serde_json::from_str(event).context("not JSON")?);
        }
        if text.starts_with("40") {
            let Ticket { room, user, .. } = &self.ticket;
            out.push(packet(&json!(["join", room, user])));
        } else if text.starts_with('2') {
            out.push(Message::text("3"));
        }
        Ok(Event::Nothing)
    }

    fn roster(&self) -> &Roster {
        &self.roster
    }

    fn relay(&self, payload: &str) -> Message {
        let receiver = self.roster.others().first().map_or("", String::as_str);
        packet(&json!(["relay", receiver, payload]))
    }

    fn broadcast(&self, number: u64, out: &mut Vec<Message>) {
        out.push(packet(&json!(["broadcast", broadcast_text(number)])));
    }
}

fn packet(event: &Value) -> Message {
    Message::text(format!("42{event}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::protocol::{Purpose, ticket},
        payload::Stamp,
    };

    #[test]
    fn a_seat_is_asked_for_once_connected_and_pings_are_answered() {
        let mut socket = SocketIo::new(ticket(Purpose::Relay));
        let mut out = Vec::new();
        for packet in ["0{\"sid\":\"x\"}", "40{\"sid\":\"y\"}", "2"] {
            let event = socket.receive(Message::text(packet), &mut out).unwrap();
            assert_eq!(event, Event::Nothing);
        }
        let join = packet(&json!(["join", "r0", "u0"]));
        assert_eq!(out, [join, Message::text("3")]);
        let seated = packet(&json!(["seated", ["u1"]]));
        socket.receive(seated, &mut out).unwrap();
        assert!(socket.roster().is_seated());
        assert_eq!(socket.roster().others(), ["u1"]);
    }

    #[test]
    fn signals_carry_stamps() {
        let mut socket = SocketIo::new(ticket(Purpose::Broadcast));
        let data = Stamp { number: 2, due: 0 }.text(64);
        let signal = packet(&json!(["signal", "u0", data]));
        let event = socket.receive(signal, &mut Vec::new()).unwrap();
        assert_eq!(event, Event::Broadcast(None, 2));
    }
}
