//! A client that stays in its call: it keeps its view, and comes back after a lost connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use fastrand::Rng;
use futures::{SinkExt as _, StreamExt as _};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};
use united_voice_scenarios::{Codec, Payload, User, request, voice::VoiceSdpOffer, ws::Envelope};

use crate::{
    Ledger, View, settles,
    view::{Next, RELAY, RELAYED},
};

/// How long a node may take for the upgrade before the client tries the next one.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(3);
/// Between two attempts to connect, and between two to join.
const AGAIN: Duration = Duration::from_millis(300);
/// Between two messages of a client that chatters.
const CHATTER: Duration = Duration::from_millis(60);

/// The orders that may wait for a client.
const ORDERS: usize = 64;

type Socket = WebSocketStream<TcpStream>;

#[derive(Clone, Debug)]
enum Order {
    Join(String),
    Leave,
    Mute(bool),
    /// To the user with this name.
    Relay(String),
    Chatter(bool),
    /// Choose whom to talk to by this seed from now on.
    Seed(u64),
    /// Lose the connection, and come back through this node.
    Go(usize),
}

/// A client that stays in its call. Its task ends with this value.
#[derive(Debug)]
pub struct Caller {
    /// Its user.
    pub user: User,
    view: Arc<Mutex<View>>,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Caller {
    /// A client that connects to the node of this number among `nodes`, and to the next ones if
    /// that fails.
    pub(crate) fn new(
        user: &User,
        codec: Codec,
        node: usize,
        nodes: Arc<[SocketAddr]>,
        ledger: Arc<Ledger>,
    ) -> Self {
        let (orders, waiting) = mpsc::channel(ORDERS);
        let view = Arc::default();
        let life = Life {
            user: user.clone(),
            codec,
            nodes,
            ledger,
            view: Arc::clone(&view),
            orders: waiting,
            connection: 0,
            asked: 0,
            chatters: false,
            random: Rng::new(),
        };
        Self {
            user: user.clone(),
            view,
            orders,
            task: tokio::spawn(life.live(node)),
        }
    }

    /// What it knows now.
    ///
    /// # Panics
    /// If its task panicked.
    #[must_use]
    pub fn view(&self) -> View {
        assert!(!self.task.is_finished(), "{} is dead", self.user.name);
        locked(&self.view).clone()
    }

    /// What it was told since the last call, in short form.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.view).told)
    }

    /// How those of its connections ended since the last call that it did not end itself.
    #[must_use]
    pub fn ended(&self) -> Vec<u16> {
        std::mem::take(&mut locked(&self.view).ends)
    }

    /// Joins a channel, and joins it again after each loss.
    pub fn join(&self, channel: &str) {
        self.order(Order::Join(channel.to_owned()));
    }

    /// Waits until it is in its channel.
    ///
    /// # Panics
    /// If it does not get there.
    pub async fn sits(&self) {
        let what = format!("the join of {}", self.user.name);
        settles(&what, Duration::from_secs(5), async || {
            let view = self.view();
            view.session.map(drop).ok_or(format!("{:?}", view.told))
        })
        .await;
    }

    /// Leaves the channel that it is in, or was in last.
    pub fn leave(&self) {
        self.order(Order::Leave);
    }

    /// Goes on until its stay or its connection ends, and does not come back into the channel.
    pub fn stay_out(&self) {
        locked(&self.view).wants = None;
    }

    /// Mutes itself, or ends that.
    pub fn mute(&self, muted: bool) {
        self.order(Order::Mute(muted));
    }

    /// Sends a numbered message to somebody in its channel, by display name. Nothing happens if it
    /// knows nobody of this name.
    pub fn relay(&self, name: &str) {
        self.order(Order::Relay(name.to_owned()));
    }

    /// Sends a numbered message to one of the others all the time, or ends that.
    pub fn chatter(&self, chatters: bool) {
        self.order(Order::Chatter(chatters));
    }

    /// Chooses whom to talk to by this seed from now on.
    pub fn seed(&self, seed: u64) {
        self.order(Order::Seed(seed));
    }

    /// Drops its connection without a close frame, and comes back through this node.
    pub fn go(&self, node: usize) {
        self.order(Order::Go(node));
    }

    fn order(&self, order: Order) {
        // What it wants is known at once, or a test could look before the order is read.
        match &order {
            Order::Join(channel) => locked(&self.view).wants = Some(channel.clone()),
            Order::Leave => locked(&self.view).wants = None,
            _ => {}
        }
        let given = self.orders.try_send(order);
        given.unwrap_or_else(|error| panic!("{}: {error}", self.user.name));
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked(view: &Mutex<View>) -> MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Life {
    user: User,
    codec: Codec,
    nodes: Arc<[SocketAddr]>,
    ledger: Arc<Ledger>,
    view: Arc<Mutex<View>>,
    orders: mpsc::Receiver<Order>,
    /// The number of the connection, which no other has.
    connection: u64,
    asked: u64,
    chatters: bool,
    /// Whom it talks to.
    random: Rng,
}

impl Life {
    async fn live(mut self, mut node: usize) {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
        loop {
            // A load balancer that knows of no failure yet.
            let Some(socket) = self.connect(node).await else {
                node = (node + 1) % self.nodes.len();
                sleep(AGAIN).await;
                continue;
            };
            let is_first = self.connection == 0;
            self.connection = CONNECTIONS.fetch_add(1, Relaxed);
            locked(&self.view).node = Some(node);
            let (next, code) = self.serve(socket, is_first).await;
            self.ledger.connection_lost(self.connection);
            let stay = locked(&self.view).disconnected(code);
            if let Some(stay) = stay {
                self.ledger.stay_lost(&stay);
            }
            node = next.unwrap_or((node + 1) % self.nodes.len());
            sleep(AGAIN / 3).await;
        }
    }

    async fn connect(&self, node: usize) -> Option<Socket> {
        let address = self.nodes[node];
        let connecting = async {
            let stream = TcpStream::connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let request = format!("ws://{address}/ws").into_client_request();
            let mut request = request.expect("an address is a host");
            let headers = request.headers_mut();
            let bearer = format!("Bearer {}", self.user.token);
            let text = "a token and a protocol are ASCII";
            headers.insert("authorization", bearer.parse().expect(text));
            let protocol = self.codec.subprotocol().parse().expect(text);
            headers.insert("sec-websocket-protocol", protocol);
            let (socket, _) = client_async(request, stream).await.ok()?;
            Some(socket)
        };
        timeout(UPGRADE_PATIENCE, connecting).await.ok()?
    }

    /// Returns at the end of the connection: where to go, if that was an order, and the code of
    /// the close frame, 0 without one and `None` if it was not the server that ended it.
    async fn serve(&mut self, mut socket: Socket, is_first: bool) -> (Option<usize>, Option<u16>) {
        // The first connection joins if it is told to. To join by itself, too, would be one join too
        // many, whose answer may come when the caller no longer wants to be there.
        let mut join_at = (!is_first).then(Instant::now);
        let mut chatter_at = Instant::now();
        loop {
            let never = Instant::now() + Duration::from_secs(3600);
            let went = tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Close(frame))) => {
                        let code = frame.map_or(1005, |frame| frame.code.into());
                        // The answer of a client that closes in order. The server may be gone.
                        let _ = timeout(AGAIN, socket.close(None)).await;
                        return (None, Some(code));
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => true,
                    Some(Ok(message)) => match self.take(&message) {
                        Next::JoinAgain => {
                            join_at = Some(Instant::now() + AGAIN);
                            true
                        }
                        Next::Leave(channel) => {
                            self.ask(&mut socket, "leave", request::leave(&channel)).await
                        }
                        _ => true,
                    },
                    Some(Err(_)) | None => return (None, Some(0)),
                },
                order = self.orders.recv() => match order {
                    Some(Order::Go(node)) => return (Some(node), None),
                    Some(order) => self.obey(&mut socket, order).await,
                    // The caller is dropped.
                    None => return (None, None),
                },
                () = sleep_until(join_at.unwrap_or(never)) => {
                    join_at = None;
                    let wants = locked(&self.view).wants.clone();
                    match wants {
                        Some(channel) => self.ask(&mut socket, "join", request::join(&channel)).await,
                        None => true,
                    }
                }
                () = sleep_until(if self.chatters { chatter_at } else { never }) => {
                    chatter_at = Instant::now() + CHATTER;
                    self.relay(&mut socket, None).await
                }
            };
            if !went {
                return (None, Some(0));
            }
        }
    }

    /// Takes a message in, and returns what is left to do.
    fn take(&self, message: &Message) -> Next {
        let envelope = self.codec.decode(message);
        let next = locked(&self.view).take(envelope, &self.user.id);
        match &next {
            Next::Arrived { number, sender } => {
                self.ledger.arrived(*number, sender, self.connection);
            }
            Next::Refused { number, code } => self.ledger.refused(*number, *code),
            Next::Lost(stay) => self.ledger.stay_lost(stay),
            Next::Nothing | Next::JoinAgain | Next::Leave(_) => {}
        }
        next
    }

    /// Does what a test orders. Returns false if the connection is gone.
    async fn obey(&mut self, socket: &mut Socket, order: Order) -> bool {
        let seat_in = locked(&self.view).seat_in.clone();
        match order {
            Order::Join(channel) => self.ask(socket, "join", request::join(&channel)).await,
            // Somebody who was never in a channel has nothing to leave.
            Order::Leave if seat_in.is_empty() => true,
            Order::Leave => self.ask(socket, "leave", request::leave(&seat_in)).await,
            Order::Mute(muted) => {
                let state = request::state(&seat_in, muted, false);
                self.ask(socket, "state", state).await
            }
            Order::Relay(name) => self.relay(socket, Some(&name)).await,
            Order::Chatter(chatters) => {
                self.chatters = chatters;
                true
            }
            Order::Seed(seed) => {
                self.random.seed(seed);
                true
            }
            Order::Go(_) => true,
        }
    }

    async fn ask(&mut self, socket: &mut Socket, kind: &str, payload: Payload) -> bool {
        self.asked += 1;
        let id = format!("{kind}-{}-{}", self.connection, self.asked);
        locked(&self.view).pending.push(id.clone());
        self.send(socket, &id, payload).await
    }

    /// Sends a numbered message to this or any of the others, if there is one.
    async fn relay(&mut self, socket: &mut Socket, name: Option<&str>) -> bool {
        let view = locked(&self.view).clone();
        let mut others = view.others;
        if let Some(name) = name {
            others.retain(|other| other.display_name == name);
        }
        if view.session.is_none() || others.is_empty() {
            return true;
        }
        let target = &others[self.random.usize(..others.len())];
        let number = self
            .ledger
            .send(&self.user.id, self.connection, &target.session_id);
        let offer = Payload::VoiceSdpOffer(VoiceSdpOffer {
            target_user_id: target.user_id.clone(),
            sdp: format!("{RELAYED}{number}"),
            channel_id: view.seat_in,
            ..VoiceSdpOffer::default()
        });
        self.send(socket, &format!("{RELAY}{number}"), offer).await
    }

    async fn send(&self, socket: &mut Socket, id: &str, payload: Payload) -> bool {
        let envelope = Envelope {
            request_id: id.to_owned(),
            payload: Some(payload),
        };
        let sending = socket.send(self.codec.encode(&envelope));
        // A frozen node takes what fits into its socket.
        let sent = timeout(AGAIN, sending).await;
        sent.is_ok_and(|sent| sent.is_ok())
    }
}
