//! The forwarding, the same for every framework.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::{select, sync::mpsc};
use tokio_tungstenite::tungstenite;

/// Messages that wait for one member; more are lost, which the load generator would notice.
const QUEUE: usize = 256;

/// A WebSocket message of any framework.
pub(super) trait Message: Send + 'static {
    /// What it says, if it is text.
    fn line(&self) -> Option<&str>;
    /// What it carries, if it is binary.
    fn into_bytes(self) -> Option<Bytes>;
    /// A text.
    fn text(line: String) -> Self;
    /// A binary message.
    fn binary(bytes: Bytes) -> Self;
}

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

/// A place in a room, given up when dropped.
struct Seat {
    room: Arc<Room>,
    name: String,
    to_oneself: bool,
}

/// Runs one connection to its end: one task, which flushes once for each wake-up.
pub(super) async fn forward<M, E, S>(rooms: Arc<Rooms>, mut socket: S)
where
    M: Message,
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    let Some(Ok(first)) = socket.next().await else {
        return;
    };
    let (queue, mut parcels) = mpsc::channel(QUEUE);
    let Some(seat) = first.line().and_then(|line| rooms.seat(line, queue)) else {
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
                        seat.forward(&bytes);
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
    fn seat(&self, line: &str, queue: mpsc::Sender<Parcel>) -> Option<Seat> {
        let mut words = line.split(' ');
        let (kind, room, name) = (words.next()?, words.next()?, words.next()?);
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Arc::clone(rooms.entry(room.to_owned()).or_default());
        drop(rooms);
        room.add(name, queue);
        Some(Seat {
            room,
            name: name.to_owned(),
            to_oneself: kind == "room",
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
        // Neither who is slow nor who is gone is waited for.
        let _ = self.queue.try_send(parcel);
    }
}

impl Seat {
    fn forward(&self, bytes: &Bytes) {
        for member in self.room.members().iter() {
            if self.to_oneself || member.name != self.name {
                member.push(Parcel::Binary(bytes.clone()));
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room
            .members()
            .retain(|member| member.name != self.name);
    }
}

impl Message for tungstenite::Message {
    fn line(&self) -> Option<&str> {
        match self {
            Self::Text(line) => Some(line),
            _ => None,
        }
    }

    fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn text(line: String) -> Self {
        Self::Text(line.into())
    }

    fn binary(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}
