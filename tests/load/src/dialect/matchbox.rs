//! `matchbox_server`: the address names the room, and the server tells the members of each
//! newcomer, so that they greet it.

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, http::Request};

use super::{
    protocol::{
        Dialect, Event, Purpose, Ticket, broadcast_text, from_member, json as parse, text_of,
        websocket_request,
    },
    roster::Roster,
};

/// What a member sends to a newcomer. A newcomer learns of the members only by this.
const GREETING: &str = "hello";

/// One connection to a `matchbox_server`.
#[derive(Debug)]
pub(crate) struct Matchbox {
    ticket: Ticket,
    roster: Roster,
}

impl Matchbox {
    /// Not connected yet.
    pub(crate) fn new(ticket: Ticket) -> Self {
        Self {
            ticket,
            roster: Roster::default(),
        }
    }

    fn signal(&mut self, signal: &Value) -> anyhow::Result<Event> {
        let (sender, data) = (text_of(&signal["sender"])?, text_of(&signal["data"])?);
        if data == GREETING {
            self.roster.meet(sender);
            return Ok(Event::Presence);
        }
        let place = self.roster.index(sender).context("a stranger's signal")?;
        from_member(&self.ticket, Some(place), data)
    }
}

impl Dialect for Matchbox {
    fn request(&self, address: &str) -> anyhow::Result<Request<()>> {
        websocket_request(&format!("ws://{address}/{}", self.ticket.room))
    }

    fn opening(&self) -> Vec<Message> {
        Vec::new()
    }

    fn receive(&mut self, message: Message, out: &mut Vec<Message>) -> anyhow::Result<Event> {
        let Message::Text(text) = message else {
            return Ok(Event::Nothing);
        };
        let event = parse(&text)?;
        if event.get("IdAssigned").is_some() {
            self.roster.take_seat()?;
        } else if let Some(newcomer) = event.get("NewPeer") {
            let newcomer = text_of(newcomer)?;
            self.roster.tell(newcomer)?;
            // If only joining counts, there is no greeting: the members make it, not the server.
            if self.ticket.purpose != Purpose::Joining {
                out.push(signal(newcomer, GREETING));
            }
        } else if let Some(event) = event.get("Signal") {
            return self.signal(event);
        }
        Ok(Event::Presence)
    }

    fn roster(&self) -> &Roster {
        &self.roster
    }

    fn relay(&self, payload: &str) -> Message {
        let receiver = self.roster.others().first().map_or("", String::as_str);
        signal(receiver, payload)
    }

    fn broadcast(&self, number: u64, out: &mut Vec<Message>) {
        let text = broadcast_text(number);
        out.extend(self.roster.others().iter().map(|it| signal(it, &text)));
    }
}

fn signal(receiver: &str, data: &str) -> Message {
    let signal = json!({ "Signal": { "receiver": receiver, "data": data } });
    Message::text(signal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dialect::protocol::ticket, payload::Stamp};

    fn tell(matchbox: &mut Matchbox, event: &Value) -> (Event, Vec<Message>) {
        let mut out = Vec::new();
        let event = matchbox.receive(Message::text(event.to_string()), &mut out);
        (event.unwrap(), out)
    }

    #[test]
    fn newcomers_are_greeted_and_known_by_a_greeting() {
        let mut matchbox = Matchbox::new(ticket(Purpose::Relay));
        tell(&mut matchbox, &json!({ "IdAssigned": "me" }));
        assert!(matchbox.roster().is_seated());
        let (_, out) = tell(&mut matchbox, &json!({ "NewPeer": "b" }));
        assert_eq!(out, [signal("b", GREETING)]);
        tell(
            &mut matchbox,
            &json!({ "Signal": { "sender": "c", "data": GREETING } }),
        );
        assert_eq!(matchbox.roster().others(), ["b", "c"]);
        assert_eq!(matchbox.roster().told(), 1);
    }

    #[test]
    fn signals_carry_stamps() {
        let mut matchbox = Matchbox::new(ticket(Purpose::Broadcast));
        tell(&mut matchbox, &json!({ "NewPeer": "b" }));
        let data = Stamp { number: 9, due: 0 }.text(64);
        let signal = json!({ "Signal": { "sender": "b", "data": data } });
        assert_eq!(tell(&mut matchbox, &signal).0, Event::Broadcast(Some(0), 9));
    }
}
