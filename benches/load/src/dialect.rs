//! The protocols of the servers under load, one connection of each as a state machine without a socket.

mod bare;
mod matchbox;
mod peerjs;
mod roster;
mod socketio;
mod spreed;
mod voice;

use std::fmt;

use anyhow::Context as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes, http::Request};

pub(crate) use self::{
    bare::Bare,
    matchbox::Matchbox,
    peerjs::PeerJs,
    roster::Roster,
    socketio::SocketIo,
    spreed::{SECRET as SPREED_SECRET, Spreed},
    voice::Voice,
};
use crate::payload::Stamp;

/// Someone who is to sit in a room.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    /// The room, by the name that the server knows.
    pub(crate) room: String,
    /// Who sits in it, by names of our choice, which servers that give names of their own never see.
    pub(crate) user: String,
    /// All who will sit in it, `user` included.
    pub(crate) users: Vec<String>,
    /// What proves it to the server, where that asks.
    pub(crate) token: String,
    /// What the room is for.
    pub(crate) purpose: Purpose,
}

/// What the messages of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Each goes to one other member.
    Relay,
    /// Each goes to all members.
    Broadcast,
    /// There are none: only joining counts.
    Joining,
}

/// One connection's side of a protocol.
pub(crate) trait Dialect: fmt::Debug + Send {
    /// The request for the WebSocket, `address` being host and port.
    fn request(&self, address: &str) -> anyhow::Result<Request<()>>;

    /// What to send first.
    fn opening(&self) -> Vec<Message>;

    /// Takes a message from the server; what has to be answered at once goes to `out`.
    fn receive(&mut self, message: Message, out: &mut Vec<Message>) -> anyhow::Result<Event>;

    /// Who is in the room, as far as the server has told.
    fn roster(&self) -> &Roster;

    /// A message to the first of the others.
    fn relay(&self, payload: &str) -> Message;

    /// A message to all in the room, the sender too where the server can do that; several where it knows no rooms.
    fn broadcast(&self, number: u64, out: &mut Vec<Message>);
}

/// What a message from the server was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Nothing that counts.
    Nothing,
    /// The seat is taken, or others have come; `roster` says more.
    Presence,
    /// From one member, to this one alone.
    Relayed(Stamp),
    /// From one member, to all. The number may be known only modulo [`NUMBERS`].
    Broadcast(Sender, u64),
}

/// A member by its place in the roster; `None` is oneself.
pub(crate) type Sender = Option<usize>;

/// Mute and deafen are two bits: they tell four successive updates apart.
pub(crate) const NUMBERS: u64 = 4;

/// Bytes of a broadcast where its form is ours to choose: what a state update takes.
const BROADCAST_BYTES: usize = 64;

fn broadcast_text(number: u64) -> String {
    Stamp { number, due: 0 }.text(BROADCAST_BYTES)
}

/// A payload that came from a member, as the event that it is in a run like this.
fn from_member(ticket: &Ticket, sender: Sender, payload: &str) -> anyhow::Result<Event> {
    let stamp = Stamp::parse(payload)?;
    Ok(match ticket.purpose {
        Purpose::Broadcast => Event::Broadcast(sender, stamp.number),
        Purpose::Relay | Purpose::Joining => Event::Relayed(stamp),
    })
}

fn websocket_request(url: &str) -> anyhow::Result<Request<()>> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    url.into_client_request().context("not a URL")
}

fn json(text: &Utf8Bytes) -> anyhow::Result<Value> {
    serde_json::from_str(text).context("not JSON")
}

fn text_of(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("a text is missing in a message")
}

#[cfg(test)]
pub(crate) fn ticket(purpose: Purpose) -> Ticket {
    Ticket {
        room: "r0".to_owned(),
        user: "u0".to_owned(),
        users: vec!["u0".to_owned(), "u1".to_owned()],
        token: "t".to_owned(),
        purpose,
    }
}
