//! Accounts, channels, and lines of text: what Tavern is without voice.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use crate::{
    Message,
    messages::{Line, Told},
};

/// Lines that may wait for a client that reads slowly.
const MAX_LINES: usize = 256;
/// The longest line, in bytes. With it, at most some 1.5 MiB wait for a client.
const MAX_LINE_BYTES: usize = 4 << 10;

/// All accounts and channels, and the clients that are connected.
#[derive(Debug, Default)]
pub struct Chat {
    by_token: HashMap<String, String>,
    channels: HashSet<String>,
    clients: Mutex<Vec<Arc<Client>>>,
}

#[derive(Debug)]
struct Client {
    lines: mpsc::Sender<Message>,
    too_slow: Notify,
}

impl Chat {
    /// Adds an account: a name that is nobody else's, and the token that proves it.
    #[must_use]
    pub fn with_account(mut self, token: impl Into<String>, name: impl Into<String>) -> Self {
        self.by_token.insert(token.into(), name.into());
        self
    }

    /// Adds a channel.
    #[must_use]
    pub fn with_channel(mut self, id: impl Into<String>) -> Self {
        self.channels.insert(id.into());
        self
    }

    pub(crate) fn account(&self, token: &str) -> Option<&String> {
        self.by_token.get(token)
    }

    pub(crate) fn channel(&self, id: &str) -> Option<&String> {
        self.channels.get(id)
    }

    /// Registers a client. It stays registered until the returned [`Presence`] is dropped.
    pub(crate) fn connect(self: &Arc<Self>, name: &str) -> Presence {
        let (lines, inbox) = mpsc::channel(MAX_LINES);
        let client = Arc::new(Client {
            lines,
            too_slow: Notify::new(),
        });
        self.clients.lock().push(Arc::clone(&client));
        Presence {
            chat: Arc::clone(self),
            name: name.to_owned(),
            client,
            inbox,
        }
    }
}

impl Client {
    fn tell(&self, message: &Message) {
        if self.lines.try_send(message.clone()).is_err() {
            self.too_slow.notify_one();
        }
    }
}

/// A client that takes part in the chat.
#[derive(Debug)]
pub(crate) struct Presence {
    chat: Arc<Chat>,
    name: String,
    client: Arc<Client>,
    inbox: mpsc::Receiver<Message>,
}

impl Presence {
    /// Tells everybody a line, its author too. If there is no such channel, or the line is too
    /// long, only the author is told.
    pub(crate) fn say(&self, line: &Line) {
        let Line {
            id: request_id,
            channel,
            text,
        } = line;
        if self.chat.channel(channel).is_none() || text.len() > MAX_LINE_BYTES {
            return self.client.tell(&Told::Refused { request_id }.message());
        }
        let user = &self.name;
        let said = Told::Said {
            channel,
            user,
            text,
        };
        let said = said.message();
        for client in &*self.chat.clients.lock() {
            client.tell(&said);
        }
    }

    /// The next line for this client, if the socket is `writable`. `None` as soon as the client is
    /// too slow. Cancel safe.
    pub(crate) async fn next(&mut self, writable: bool) -> Option<Message> {
        tokio::select! {
            () = self.client.too_slow.notified() => None,
            line = self.inbox.recv(), if writable => line,
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut clients = self.chat.clients.lock();
        clients.retain(|client| !Arc::ptr_eq(client, &self.client));
    }
}
