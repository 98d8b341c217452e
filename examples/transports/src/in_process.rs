//! Clients in the server's own process: a bot, a bridge to another network, a test.
//!
//! No bytes are made. A client sends an [`Envelope`] and receives the [`Signal`]s that all
//! recipients share. Everything else is the same as over a socket. A client that does not take its
//! events is evicted, a client that does not take its answers has to wait, and dropping the client
//! is the disconnect.

mod mailbox;

use std::{future::Future, sync::Arc, time::SystemTime};

use tokio::sync::mpsc;
use united_voice_core::{
    CloseReason, ConnectError, Signal, UserId, VoiceConnection, VoiceDirectory, VoiceServer,
    proto::ws::{Envelope, envelope::Payload},
    signaling::dispatch,
};

use self::mailbox::{Mailbox, MailboxSink};

/// The number of requests that may wait for their turn.
const REQUESTS: usize = 16;

/// The client's end.
#[derive(Debug)]
pub struct LocalClient {
    requests: mpsc::Sender<Envelope>,
    mailbox: Arc<Mailbox>,
}

/// Connects `user`. Returns the client, and a future that the host must spawn. The future is the
/// server's side of the connection. It ends when the client is dropped or the library closes the
/// connection.
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
            // A client that does not take its answers may not send more requests.
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
    /// Sends a payload. Waits while the queue of requests is full because the client has not taken
    /// earlier answers.
    ///
    /// # Errors
    ///
    /// Returns the payload if the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, nothing was sent.
    pub async fn say(&self, request_id: &str, payload: Payload) -> Result<(), Option<Payload>> {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        };
        let said = self.requests.send(envelope).await;
        said.map_err(|unsent| unsent.0.payload)
    }

    /// Waits for the next signal to this client.
    ///
    /// # Errors
    ///
    /// The reason for which the library closed the connection.
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
