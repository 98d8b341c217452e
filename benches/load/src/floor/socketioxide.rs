//! The same service on Socket.IO's terms: socketioxide on Axum, with its rooms, a room for each member, and its protocol.
//! It is a peer, not a floor: its users would build it like this. Handlers do their work before they return a future, since
//! the futures are spawned and may overtake each other.

use std::{
    collections::HashMap,
    future::ready,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, serve::ListenerExt as _};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
};

use super::BUFFER_BYTES;

/// Packets that wait for one client; the usual 128 would lose some, which the load generator takes for a failure.
const QUEUE: usize = 4096;

/// Longer than any run: silent clients are not what is measured.
const PING_INTERVAL: Duration = Duration::from_mins(1);

type Members = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// Serves until it is killed.
pub(super) async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let (layer, io) = SocketIo::builder()
        .max_buffer_size(QUEUE)
        .ws_read_buffer_size(BUFFER_BYTES)
        .ping_interval(PING_INTERVAL)
        .build_layer();
    let members = Members::default();
    io.ns("/", move |socket: SocketRef| {
        socket.on(
            "join",
            move |socket: SocketRef, Data((room, user)): Data<(String, String)>| {
                join(&members, &socket, room, user);
                ready(())
            },
        );
        ready(())
    });
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
        // A connection that is gone already will be noticed elsewhere.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().layer(layer)).await?)
}

fn join(members: &Members, socket: &SocketRef, room: String, user: String) {
    let mut rooms = members.lock().unwrap_or_else(PoisonError::into_inner);
    let others = rooms.entry(room.clone()).or_default();
    // Whoever can't be told is gone.
    let _ = socket.emit("seated", &others);
    drop(socket.to(room.clone()).emit("arrived", &user));
    socket.join(room.clone());
    socket.join(user.clone());
    others.push(user.clone());
    drop(rooms);

    let sender = user.clone();
    socket.on(
        "relay",
        move |socket: SocketRef, Data((to, data)): Data<(String, String)>| {
            drop(socket.to(to).emit("signal", &(&sender, data)));
            ready(())
        },
    );
    let (sender, everybody) = (user.clone(), room.clone());
    socket.on(
        "broadcast",
        move |socket: SocketRef, Data(data): Data<String>| {
            drop(socket.within(everybody.clone()).emit("signal", &(&sender, data)));
            ready(())
        },
    );
    let members = Arc::clone(members);
    socket.on_disconnect(move || {
        let mut rooms = members.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(others) = rooms.get_mut(&room) {
            others.retain(|it| *it != user);
        }
        ready(())
    });
}
