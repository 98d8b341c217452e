//! The attacks. Each is an async function of the scene, says what it did, and fails if the server
//! treats the attacker in another way than the protocol says.

mod connections;
mod floods;
mod framing;
mod http;
mod members;
mod readers;
mod scene;
mod snapshots;

use std::sync::Arc;

use futures::future::BoxFuture;

pub use scene::{Form, Scene};

/// One attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Its name in reports.
    pub name: &'static str,
    /// What it attacks.
    pub group: Group,
    /// Runs it. The answer says what was done, and how fast.
    pub run: fn(Arc<Scene>) -> BoxFuture<'static, anyhow::Result<String>>,
}

/// What an attack is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The framing of the WebSocket.
    Framing,
    /// The rate of messages.
    Floods,
    /// The other members of a room.
    Members,
    /// Members that read, and what the server sends to them.
    Readers,
    /// The connections before they are WebSockets.
    Connections,
    /// The reading of requests and tokens.
    Http,
}

macro_rules! attacks {
    ($($group:ident: $module:ident { $($name:ident),* $(,)? })*) => {
        /// All attacks.
        pub const ATTACKS: &[Attack] = &[$($(Attack {
            name: stringify!($name),
            group: Group::$group,
            run: |scene| Box::pin($module::$name(scene)),
        }),*),*];
    };
}

attacks! {
    Framing: framing { broken_frames, dripped_frames, half_messages }
    Floods: floods {
        flood_of_rejoins, flood_of_offers, flood_of_answers, flood_of_candidates, flood_of_states,
        flood_of_speaking, flood_of_ice_servers, flood_of_garbage, flood_of_server_payloads,
        flood_of_tiny_messages, flood_of_leaves, flood_of_pings, flood_of_pongs,
        flood_of_empty_fragments,
    }
    Members: members { never_reading, takeover_storm, move_storm, vanishing_crowd }
    Members: snapshots { rejoining_for_profit }
    Readers: readers { many_to_one, slow_line }
    Connections: connections { half_requests, unread_answers }
    Http: http { tokens, paths, smuggling, cross_site }
}
