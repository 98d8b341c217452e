//! Clients in the server's own process: a bot, a bridge to another network, a test.
//!
//! No bytes are made. What a client says is an [`Envelope`], and what it is told are the
//! [`Signal`]s that all recipients share. Everything else is as over a socket: a client that
//! doesn't take what it is told is evicted, one that doesn't take its answers is asked to wait, and
//! dropping the client is the disconnect.

mod mailbox;

use std::{future::Future, sync::Arc, time::SystemTime};

use tokio::sync::mpsc;
use united_voice_core::{
    CloseReason, ConnectError, Signal, UserId, VoiceConnection, VoiceDirectory, VoiceServer,
    proto::ws::{Envelope, envelope::Payload},
    signaling::dispatch,
};

use self::mailbox::{Mailbox, MailboxSink};

/// Requests that may wait for their turn.
const REQUESTS: usize = 16;

/// The client's end.
#[derive(Debug)]
pub struct LocalClient {
    requests: mpsc::Sender<Envelope>,
    mailbox: Arc<Mailbox>,
}

/// Connects `user`; returns the client, and the server's side of it, which is to be spawned. That
/// ends when the client is dropped or the library closes the connection.
///
/// # Errors
///
/// [`ConnectError`].
pub fn connect<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    user: &UserId,
) -> Result<
    (
        LocalClient,
        impl Future<Output = ()> + Send + 'static + use<D>,
    ),
    ConnectError,
> {
    let limits = server.limits();
    let mailbox = Arc::new(Mailbox::new(
        limits.outbound_queue,
        limits.outbound_queue_bytes,
    ));
    let sink = Arc::new(MailboxSink(Arc::clone(&mailbox)));
    let session = server.connect(user, sink)?;
    let (requests, said) = mpsc::channel(REQUESTS);
    let served = serve(server.clone(), session, said, Arc::clone(&mailbox));
    Ok((LocalClient { requests, mailbox }, served))
}

async fn serve<D: VoiceDirectory>(
    server: VoiceServer<D>,
    connection: VoiceConnection,
    mut said: mpsc::Receiver<Envelope>,
    mailbox: Arc<Mailbox>,
) {
    let handle_all = async {
        loop {
            // Who doesn't take the answers may not ask more.
            mailbox.room().await;
            match said.recv().await {
                Some(envelope) => dispatch(&server, &connection, envelope, SystemTime::now()).await,
                None => return,
            }
        }
    };
    tokio::select! {
        biased;
        () = mailbox.closed() => {}
        () = handle_all => {}
    }
}

impl LocalClient {
    /// Says something. Waits while earlier answers are not taken and the queue of requests is full.
    ///
    /// # Errors
    ///
    /// Hands the payload back where the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Where the future is dropped before it is done, nothing was said.
    pub async fn say(&self, request_id: &str, payload: Payload) -> Result<(), Option<Payload>> {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        };
        let said = self.requests.send(envelope).await;
        said.map_err(|unsent| unsent.0.payload)
    }

    /// Waits for what this client is told next.
    ///
    /// # Errors
    ///
    /// Why the library has closed the connection.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn hear(&mut self) -> Result<Signal, CloseReason> {
        self.mailbox.next().await
    }
}

impl Drop for LocalClient {
    fn drop(&mut self) {
        self.mailbox.leave();
    }
}
