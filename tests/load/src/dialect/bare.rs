//! The bare relay: a line of text names room and member, and then the relay forwards united-voice
//! messages as they are.

use anyhow::Context as _;
use tokio_tungstenite::tungstenite::{Message, http::Request};
use united_voice_proto::{Codec, decode};

use super::{
    protocol::{Dialect, Event, Purpose, Ticket, websocket_request},
    roster::Roster,
    voice::{message, received, relayed, update},
};

/// One connection to a bare relay.
///
/// Clients send the message that a voice server would have made of theirs. So both servers move the
/// same bytes.
#[derive(Debug)]
pub(crate) struct Bare {
    ticket: Ticket,
    roster: Roster,
}

impl Bare {
    /// Not connected yet.
    pub(crate) fn new(ticket: Ticket) -> Self {
        Self {
            ticket,
            roster: Roster::default(),
        }
    }
}

impl Dialect for Bare {
    fn request(&self, address: &str) -> anyhow::Result<Request<()>> {
        websocket_request(&format!("ws://{address}/ws"))
    }

    fn opening(&self) -> Vec<Message> {
        let kind = match self.ticket.purpose {
            Purpose::Relay => "pair",
            Purpose::Broadcast | Purpose::Joining => "room",
        };
        let Ticket { room, user, .. } = &self.ticket;
        vec![Message::text(format!("{kind} {room} {user}"))]
    }

    fn receive(&mut self, message: Message, _: &mut Vec<Message>) -> anyhow::Result<Event> {
        match message {
            Message::Text(line) => {
                let mut words = line.split(' ');
                if words.next() == Some("seated") {
                    self.roster.take_seat()?;
                }
                words.try_for_each(|member| self.roster.tell(member))?;
                Ok(Event::Presence)
            }
            Message::Binary(bytes) => {
                let envelope = decode(Codec::Protobuf, &bytes, usize::MAX)?;
                let payload = envelope.payload.context("an empty message")?;
                received(&self.roster, &self.ticket.user, &payload)
            }
            _ => Ok(Event::Nothing),
        }
    }

    fn roster(&self) -> &Roster {
        &self.roster
    }

    fn relay(&self, payload: &str) -> Message {
        let target = self.roster.others().first().map_or("", String::as_str);
        let payload = relayed(&self.ticket, target, &self.ticket.user, payload);
        message(Codec::Protobuf, payload, "")
    }

    fn broadcast(&self, number: u64, out: &mut Vec<Message>) {
        let update = update(&self.ticket, &self.ticket.user, number);
        out.push(message(Codec::Protobuf, update, ""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dialect::protocol::ticket, payload::Stamp};

    #[test]
    fn the_roster_comes_with_the_seat_and_grows() {
        let mut bare = Bare::new(ticket(Purpose::Relay));
        assert_eq!(bare.opening(), [Message::text("pair r0 u0")]);
        for line in ["seated u1 u2", "arrived u3"] {
            let event = bare.receive(Message::text(line), &mut Vec::new());
            assert_eq!(event.unwrap(), Event::Presence);
        }
        assert_eq!(bare.roster().others(), ["u1", "u2", "u3"]);
        assert!(bare.roster().is_seated());
    }

    #[test]
    fn frames_are_those_of_a_voice_server() {
        let mut bare = Bare::new(ticket(Purpose::Broadcast));
        let stamp = Stamp { number: 1, due: 2 };
        let relayed = bare.relay(&stamp.text(300));
        let event = bare.receive(relayed, &mut Vec::new()).unwrap();
        assert_eq!(event, Event::Relayed(stamp));
        let mut out = Vec::new();
        bare.broadcast(3, &mut out);
        let event = bare.receive(out.remove(0), &mut Vec::new()).unwrap();
        assert_eq!(event, Event::Broadcast(None, 3));
    }
}
