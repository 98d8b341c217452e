//! One client's connection: a WebSocket and the protocol spoken over it.

use std::time::Instant;

use anyhow::{Context as _, bail};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{
    dialect::{self, Dialect, Event, Roster, Ticket},
    payload::Stamp,
    target::Target,
};

/// tungstenite clears its buffer before each read. With its default of 128 KiB the clients would
/// cost more than the server.
const BUFFER_BYTES: usize = 8 * 1024;

/// A connected client.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: WebSocketStream<TcpStream>,
    dialect: Box<dyn Dialect>,
    out: Vec<Message>,
    began: Instant,
}

impl Connection {
    /// Connects and sends the first messages.
    pub(crate) async fn open(target: Target, ticket: Ticket) -> anyhow::Result<Self> {
        let address = ticket.address.clone();
        let dialect = dialect::client(target, ticket);
        let stream = TcpStream::connect(&address)
            .await
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES);
        let request = dialect.request(&address)?;
        let (socket, _) = client_async_with_config(request, stream, Some(config))
            .await
            .context("the server grants no WebSocket")?;
        let mut connection = Self {
            out: dialect.opening(),
            began: Instant::now(),
            socket,
            dialect,
        };
        connection.send_out().await?;
        connection.flush().await?;
        Ok(connection)
    }

    /// When its first message was about to be sent, which asks our servers for the seat.
    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    /// The members of the room.
    pub(crate) fn roster(&self) -> &Roster {
        self.dialect.roster()
    }

    /// Waits for the next message. If the message demands answers, they wait for
    /// [`flush`](Self::flush).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Event> {
        let message = self.socket.next().await;
        self.receive(message)
    }

    /// The next message, if it is here already.
    pub(crate) fn next_now(&mut self) -> Option<anyhow::Result<Event>> {
        let message = self.socket.next().now_or_never()?;
        Some(self.receive(message))
    }

    fn receive<E: std::error::Error + Send + Sync + 'static>(
        &mut self,
        message: Option<Result<Message, E>>,
    ) -> anyhow::Result<Event> {
        match message {
            Some(Ok(Message::Close(close))) => bail!("the server closes the connection: {close:?}"),
            Some(Ok(message)) => self.dialect.receive(message, &mut self.out),
            Some(Err(error)) => Err(error).context("the connection broke"),
            None => bail!("the server is gone"),
        }
    }

    /// Sends a message to the first other member, without a flush.
    pub(crate) async fn relay(&mut self, stamp: Stamp, size: usize) -> anyhow::Result<()> {
        let message = self.dialect.relay(&stamp.text(size));
        Ok(self.socket.feed(message).await?)
    }

    /// Sends a message to all members, without a flush.
    pub(crate) async fn broadcast(&mut self, number: u64) -> anyhow::Result<()> {
        self.dialect.broadcast(number, &mut self.out);
        self.send_out().await
    }

    /// Writes everything that waits to be sent.
    pub(crate) async fn flush(&mut self) -> anyhow::Result<()> {
        self.send_out().await?;
        Ok(self.socket.flush().await?)
    }

    async fn send_out(&mut self) -> anyhow::Result<()> {
        for message in self.out.drain(..) {
            self.socket.feed(message).await?;
        }
        Ok(())
    }
}
