//! The same service in Socket.IO's way: socketioxide on Axum, with its rooms, a room for each
//! member, and its protocol. It is a peer, not a floor, so it is built as its users would build it.
//! The handlers do their work before they return a future, because socketioxide spawns the futures
//! and they may overtake each other.

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

/// Packets that may wait for one client. The default of 128 would lose some, and a loss fails the
/// run.
const QUEUE: usize = 4096;

/// Longer than a usual run, because pings are not measured.
const PING_INTERVAL: Duration = Duration::from_mins(1);

struct Joined {
    room: String,
    user: String,
}

type Members = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// Serves until it is killed.
pub(super) async fn serve(listener: TcpListener, read_buffer: usize) -> anyhow::Result<()> {
    let (layer, io) = SocketIo::builder()
        .max_buffer_size(QUEUE)
        .ws_read_buffer_size(read_buffer)
        .ping_interval(PING_INTERVAL)
        .build_layer();
    let members = Members::default();
    io.ns("/", move |socket: SocketRef| {
        greet(&members, &socket);
        ready(())
    });
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
        // This fails only if the connection is gone, and then the next read says so.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().layer(layer)).await?)
}

/// Sets what happens on a client's messages. It sets all handlers here: a handler that adds another
/// one waits for itself without end.
fn greet(members: &Members, socket: &SocketRef) {
    let (seat, all) = (Arc::new(OnceLock::<Joined>::new()), Arc::clone(members));
    let taken = Arc::clone(&seat);
    socket.on(
        "join",
        move |socket: SocketRef, Data((room, user)): Data<(String, String)>| {
            join(&all, &socket, taken.get_or_init(|| Joined { room, user }));
            ready(())
        },
    );
    let sender = Arc::clone(&seat);
    socket.on(
        "relay",
        move |socket: SocketRef, Data((to, data)): Data<(String, String)>| {
            if let Some(Joined { user, .. }) = sender.get() {
                socket.to(to).emit("signal", &(user, data)).now_or_never();
            }
            ready(())
        },
    );
    let sender = Arc::clone(&seat);
    socket.on(
        "broadcast",
        move |socket: SocketRef, Data(data): Data<String>| {
            if let Some(Joined { room, user }) = sender.get() {
                let everybody = socket.within(room.clone());
                everybody.emit("signal", &(user, data)).now_or_never();
            }
            ready(())
        },
    );
    let all = Arc::clone(members);
    socket.on_disconnect(move || {
        if let Some(Joined { room, user }) = seat.get() {
            let mut rooms = all.lock().unwrap_or_else(PoisonError::into_inner);
            let others = rooms.entry(room.clone()).or_default();
            others.retain(|it| it != user);
        }
        ready(())
    });
}

fn join(members: &Members, socket: &SocketRef, Joined { room, user }: &Joined) {
    let mut rooms = members.lock().unwrap_or_else(PoisonError::into_inner);
    let others = rooms.entry(room.clone()).or_default();
    // An emit fails only if the client is gone. An emit to a room of this process never waits.
    let _ = socket.emit("seated", &others);
    socket.to(room.clone()).emit("arrived", user).now_or_never();
    socket.join(room.clone());
    socket.join(user.clone());
    others.push(user.clone());
}
