//! The protocols of the servers under load. A dialect is one client's side of a protocol, as a
//! state machine without a socket.
//!
//! `protocol.rs` has what all dialects share, `roster.rs` the members that a client knows of, and
//! each other file one dialect. `bare.rs` uses `voice.rs`, because a bare relay forwards the
//! messages of our servers. This folder knows targets and stamps, but no sockets, processes or
//! scenarios.

mod bare;
mod matchbox;
mod peerjs;
mod protocol;
mod roster;
mod socketio;
mod spreed;
mod voice;

use united_voice_proto::Codec;

use self::{
    bare::Bare, matchbox::Matchbox, peerjs::PeerJs, socketio::SocketIo, spreed::Spreed,
    voice::Voice,
};
pub(crate) use self::{
    protocol::{Dialect, Event, NUMBERS, Purpose, Ticket},
    roster::Roster,
    spreed::SECRET as SPREED_SECRET,
};
use crate::target::Target;

/// A client of that server, not yet connected.
pub(crate) fn client(target: Target, ticket: Ticket) -> Box<dyn Dialect> {
    match target {
        Target::FloorTokio | Target::FloorAxum | Target::FloorActix => Box::new(Bare::new(ticket)),
        Target::Axum | Target::Actix => Box::new(Voice::new(ticket, Codec::Protobuf)),
        Target::AxumJson | Target::ActixJson => Box::new(Voice::new(ticket, Codec::Json)),
        Target::Matchbox => Box::new(Matchbox::new(ticket)),
        Target::Socketioxide => Box::new(SocketIo::new(ticket)),
        Target::Spreed => Box::new(Spreed::new(ticket)),
        Target::Peerjs => Box::new(PeerJs::new(ticket)),
    }
}
