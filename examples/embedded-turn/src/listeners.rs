//! The two ways into the relay: UDP and TCP.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::mpsc::{self, error::TrySendError},
    time::sleep,
};

use crate::{
    Shared,
    client::Client,
    datagrams::{Datagrams, canonical},
    framing::{self, MAX_MESSAGE},
};

/// Datagrams of one client that may wait to be handled; the rest is dropped.
const INBOX: usize = 64;

/// How long to wait after a system error. An error such as too many open files would otherwise come
/// again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Hands each datagram to the client that sent it.
pub(crate) async fn by_udp(socket: Datagrams, shared: Arc<Shared>) {
    let mut inboxes = Inboxes {
        socket: Arc::new(socket),
        shared: Arc::clone(&shared),
        clients: HashMap::new(),
    };
    let mut buffer = [0; MAX_MESSAGE + 1];
    loop {
        let received = select! {
            received = inboxes.socket.receive(&mut buffer) => received,
            () = shared.stop.cancelled() => return,
        };
        match received {
            Ok((length, from)) if length <= MAX_MESSAGE => inboxes.put(&buffer[..length], from),
            Ok(_) => {}
            Err(error) => wait_out(&error).await,
        }
    }
}

/// The clients that use UDP.
struct Inboxes {
    socket: Arc<Datagrams>,
    shared: Arc<Shared>,
    clients: HashMap<SocketAddr, mpsc::Sender<Bytes>>,
}

impl Inboxes {
    fn put(&mut self, datagram: &[u8], from: SocketAddr) {
        if !framing::is_stun(datagram) && !framing::is_channel_data(datagram) {
            return;
        }
        let message = Bytes::copy_from_slice(datagram);
        let message = match self.clients.entry(from) {
            Entry::Vacant(_) => message,
            Entry::Occupied(client) => match client.get().try_send(message) {
                Ok(()) | Err(TrySendError::Full(_)) => return,
                Err(TrySendError::Closed(message)) => {
                    client.remove();
                    message
                }
            },
        };
        // Only a request makes sense from an unknown address.
        if framing::is_request(&message) {
            self.let_in(message, from);
        }
    }

    fn let_in(&mut self, first: Bytes, from: SocketAddr) {
        let Ok(permit) = self.shared.quota.seat(from.ip()) else {
            return;
        };
        let (inbox, messages) = mpsc::channel(INBOX);
        inbox.try_send(first).expect("there is room for one");
        // There are at most a few hundred clients, so a look at each of them costs little.
        self.clients.retain(|_, client| !client.is_closed());
        self.clients.insert(from, inbox);
        let ways = (messages, Arc::clone(&self.socket));
        let client = Client::udp(&self.shared, permit, ways, from);
        self.shared
            .tasks
            .spawn(client.serve(Arc::clone(&self.shared)));
    }
}

/// Accepts connections and makes each one a client.
pub(crate) async fn by_tcp(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, from)) => let_in(stream, canonical(from), &shared),
            Err(error) => wait_out(&error).await,
        }
    }
}

fn let_in(stream: TcpStream, from: SocketAddr, shared: &Arc<Shared>) {
    let Ok(permit) = shared.quota.seat(from.ip()) else {
        return;
    };
    // Without this option, audio is held back until more audio comes. It arrives even if the option
    // can't be set.
    let _ = stream.set_nodelay(true);
    let client = Client::tcp(shared, permit, stream, from);
    shared.tasks.spawn(client.serve(Arc::clone(shared)));
}

async fn wait_out(error: &io::Error) {
    tracing::warn!(%error, "the embedded relay can't receive");
    sleep(PAUSE).await;
}
