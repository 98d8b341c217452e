//! The forwarding. It is the same for every framework.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::{select, sync::mpsc};
use tokio_tungstenite::tungstenite;

/// Messages that may wait for one member. Further ones are lost, and the load generator would
/// notice that.
const QUEUE: usize = 256;

/// A WebSocket message of a framework.
pub(super) trait Message: Send + 'static {
    /// Its text, if it is a text message.
    fn line(&self) -> Option<&str>;
    /// Its bytes, if it is a binary message.
    fn into_bytes(self) -> Option<Bytes>;
    /// Makes a text message.
    fn text(line: String) -> Self;
    /// Makes a binary message.
    fn binary(bytes: Bytes) -> Self;
}

/// The messages of all WebSocket libraries here have these two variants.
macro_rules! websocket_message {
    ($message:ty) => {
        impl $crate::floor::forward::Message for $message {
            fn line(&self) -> Option<&str> {
                match self {
                    Self::Text(line) => Some(line),
                    _ => None,
                }
            }

            fn into_bytes(self) -> Option<bytes::Bytes> {
                match self {
                    Self::Binary(bytes) => Some(bytes),
                    _ => None,
                }
            }

            fn text(line: String) -> Self {
                Self::Text(line.into())
            }

            fn binary(bytes: bytes::Bytes) -> Self {
                Self::Binary(bytes)
            }
        }
    };
}

pub(super) use websocket_message;

websocket_message!(tungstenite::Message);

/// All rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms(Mutex<HashMap<String, Arc<Room>>>);

#[derive(Debug, Default)]
struct Room(Mutex<Vec<Member>>);

#[derive(Debug)]
struct Member {
    name: String,
    queue: mpsc::Sender<Parcel>,
}

#[derive(Clone, Debug)]
enum Parcel {
    Text(String),
    Binary(Bytes),
}

/// A member's place in a room. Dropping it gives the place up.
struct Place {
    room: Arc<Room>,
    name: String,
    to_sender_too: bool,
}

/// Runs one connection to its end, in one task. It flushes once for each wake-up.
pub(super) async fn forward<M, E, S>(rooms: Arc<Rooms>, mut socket: S)
where
    M: Message,
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    let Some(Ok(first)) = socket.next().await else {
        return;
    };
    let (queue, mut parcels) = mpsc::channel(QUEUE);
    let Some(place) = first.line().and_then(|line| rooms.seat(line, queue)) else {
        return;
    };
    loop {
        select! {
            Some(parcel) = parcels.recv() => {
                if write(&mut socket, parcel, &mut parcels).await.is_err() {
                    return;
                }
            }
            message = socket.next() => {
                let mut message = Some(message);
                while let Some(read) = message {
                    let Some(Ok(read)) = read else {
                        return;
                    };
                    if let Some(bytes) = read.into_bytes() {
                        place.forward(&bytes);
                    }
                    message = socket.next().now_or_never();
                }
            }
        }
    }
}

async fn write<M: Message, S: Sink<M> + Unpin>(
    socket: &mut S,
    first: Parcel,
    parcels: &mut mpsc::Receiver<Parcel>,
) -> Result<(), S::Error> {
    let mut next = Some(first);
    while let Some(parcel) = next {
        let message = match parcel {
            Parcel::Text(line) => M::text(line),
            Parcel::Binary(bytes) => M::binary(bytes),
        };
        socket.feed(message).await?;
        next = parcels.try_recv().ok();
    }
    socket.flush().await
}

impl Rooms {
    fn seat(&self, line: &str, queue: mpsc::Sender<Parcel>) -> Option<Place> {
        let mut words = line.split(' ');
        let (kind, room, name) = (words.next()?, words.next()?, words.next()?);
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Arc::clone(rooms.entry(room.to_owned()).or_default());
        drop(rooms);
        room.add(name, queue);
        Some(Place {
            room,
            name: name.to_owned(),
            to_sender_too: kind == "room",
        })
    }
}

impl Room {
    fn add(&self, name: &str, queue: mpsc::Sender<Parcel>) {
        let mut members = self.members();
        let mut answer = "seated".to_owned();
        for member in members.iter() {
            answer.push(' ');
            answer.push_str(&member.name);
            member.push(Parcel::Text(format!("arrived {name}")));
        }
        let member = Member {
            name: name.to_owned(),
            queue,
        };
        member.push(Parcel::Text(answer));
        members.push(member);
    }

    fn members(&self) -> MutexGuard<'_, Vec<Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn push(&self, parcel: Parcel) {
        // A member that is slow or gone must not hold up the others.
        let _ = self.queue.try_send(parcel);
    }
}

impl Place {
    fn forward(&self, bytes: &Bytes) {
        for member in self.room.members().iter() {
            if self.to_sender_too || member.name != self.name {
                member.push(Parcel::Binary(bytes.clone()));
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room
            .members()
            .retain(|member| member.name != self.name);
    }
}
