//! What all dialects share: tickets, events, and the trait itself.

use std::fmt;

use anyhow::Context as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes, http::Request};

use super::roster::Roster;
use crate::payload::Stamp;

/// What one client needs to join its room.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    /// Host and port of its server.
    pub(crate) address: String,
    /// The room's name on the server.
    pub(crate) room: String,
    /// The client's user. We choose the name, and a server that gives names of its own never sees
    /// it.
    pub(crate) user: String,
    /// All users that will join the room, `user` included.
    pub(crate) users: Vec<String>,
    /// What proves the user to a server that asks for proof.
    pub(crate) token: String,
    /// What the messages in the room are.
    pub(crate) purpose: Purpose,
}

/// What the messages of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Each goes to one other member.
    Relay,
    /// Each goes to all members.
    Broadcast,
    /// There are no messages: only joining counts.
    Joining,
}

/// One client's side of a protocol.
pub(crate) trait Dialect: fmt::Debug + Send {
    /// The request for the WebSocket. `address` is host and port.
    fn request(&self, address: &str) -> anyhow::Result<Request<()>>;

    /// The messages to send first.
    fn opening(&self) -> Vec<Message>;

    /// Takes a message from the server. If it demands answers at once, they are added to `out`.
    fn receive(&mut self, message: Message, out: &mut Vec<Message>) -> anyhow::Result<Event>;

    /// The members of the room, as far as the server has told.
    fn roster(&self) -> &Roster;

    /// A message to the first other member.
    fn relay(&self, payload: &str) -> Message;

    /// Adds a message to all members of the room to `out`, or several messages if the server knows
    /// no rooms. If the server can do that, the sender gets it too.
    fn broadcast(&self, number: u64, out: &mut Vec<Message>);
}

/// What a message from the server was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A message that does not count.
    Nothing,
    /// The join is confirmed, or others have joined; the roster says more.
    Presence,
    /// A message from one member to this client alone.
    Relayed(Stamp),
    /// A message from one member to all, and its number. The number may be known only modulo
    /// [`NUMBERS`].
    Broadcast(Sender, u64),
}

/// A member by its place in the roster; `None` is the client itself.
pub(crate) type Sender = Option<usize>;

/// A state update carries two bits, muted and deafened. They tell four updates in a row apart.
pub(crate) const NUMBERS: u64 = 4;

/// Bytes of a broadcast if we may choose its form: as many as a state update has.
const BROADCAST_BYTES: usize = 64;

/// The text of broadcast `number`, if we may choose its form.
pub(super) fn broadcast_text(number: u64) -> String {
    Stamp { number, due: 0 }.text(BROADCAST_BYTES)
}

/// The event that a member's payload is, which depends on the purpose of the run.
pub(super) fn from_member(ticket: &Ticket, sender: Sender, payload: &str) -> anyhow::Result<Event> {
    let stamp = Stamp::parse(payload)?;
    Ok(match ticket.purpose {
        Purpose::Broadcast => Event::Broadcast(sender, stamp.number),
        Purpose::Relay | Purpose::Joining => Event::Relayed(stamp),
    })
}

/// The request for a WebSocket at this URL.
pub(super) fn websocket_request(url: &str) -> anyhow::Result<Request<()>> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    url.into_client_request().context("not a URL")
}

/// Reads JSON.
pub(super) fn json(text: &Utf8Bytes) -> anyhow::Result<Value> {
    serde_json::from_str(text).context("not JSON")
}

/// The text in a JSON value.
pub(super) fn text_of(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("a text is missing in a message")
}

/// A ticket for tests.
#[cfg(test)]
pub(super) fn ticket(purpose: Purpose) -> Ticket {
    Ticket {
        address: String::new(),
        room: "r0".to_owned(),
        user: "u0".to_owned(),
        users: vec!["u0".to_owned(), "u1".to_owned()],
        token: "t".to_owned(),
        purpose,
    }
}
