//! The same service on Socket.IO's terms: socketioxide on Axum, with its rooms, a room for each member, and its protocol.
//! It is a peer, not a floor: its users would build it like this. Handlers do their work before they return a future, since
//! the futures are spawned and may overtake each other.

use std::{
    collections::HashMap,
    future::ready,
    net::TcpListener,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::{Router, serve::ListenerExt as _};
use futures::FutureExt as _;
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
};

use super::BUFFER_BYTES;

/// Packets that wait for one client; the usual 128 would lose some, which the load generator takes for a failure.
const QUEUE: usize = 4096;

/// Longer than any run: silent clients are not what is measured.
const PING_INTERVAL: Duration = Duration::from_mins(1);

struct Seat {
    room: String,
    user: String,
}

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
        greet(&members, &socket);
        ready(())
    });
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
        // A connection that is gone already will be noticed elsewhere.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().layer(layer)).await?)
}

/// Says what becomes of a client's messages. All at once: a handler that adds another waits for itself for ever.
fn greet(members: &Members, socket: &SocketRef) {
    let (seat, all) = (Arc::new(OnceLock::<Seat>::new()), Arc::clone(members));
    let taken = Arc::clone(&seat);
    socket.on(
        "join",
        move |socket: SocketRef, Data((room, user)): Data<(String, String)>| {
            join(&all, &socket, taken.get_or_init(|| Seat { room, user }));
            ready(())
        },
    );
    let sender = Arc::clone(&seat);
    socket.on(
        "relay",
        move |socket: SocketRef, Data((to, data)): Data<(String, String)>| {
            if let Some(Seat { user, .. }) = sender.get() {
                socket.to(to).emit("signal", &(user, data)).now_or_never();
            }
            ready(())
        },
    );
    let sender = Arc::clone(&seat);
    socket.on(
        "broadcast",
        move |socket: SocketRef, Data(data): Data<String>| {
            if let Some(Seat { room, user }) = sender.get() {
                let everybody = socket.within(room.clone());
                everybody.emit("signal", &(user, data)).now_or_never();
            }
            ready(())
        },
    );
    let all = Arc::clone(members);
    socket.on_disconnect(move || {
        if let Some(Seat { room, user }) = seat.get() {
            let mut rooms = all.lock().unwrap_or_else(PoisonError::into_inner);
            let others = rooms.entry(room.clone()).or_default();
            others.retain(|it| it != user);
        }
        ready(())
    });
}

fn join(members: &Members, socket: &SocketRef, Seat { room, user }: &Seat) {
    let mut rooms = members.lock().unwrap_or_else(PoisonError::into_inner);
    let others = rooms.entry(room.clone()).or_default();
    // Whoever can't be told is gone. What goes to a room of this process needs no waiting.
    let _ = socket.emit("seated", &others);
    socket.to(room.clone()).emit("arrived", user).now_or_never();
    socket.join(room.clone());
    socket.join(user.clone());
    others.push(user.clone());
}
