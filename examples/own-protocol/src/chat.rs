//! Accounts, channels, and lines of text: what Parley is without voice.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{
    outbox::{Kind, Outbox, Outgoing, Refused},
    voice::VoiceSettings, // +voice
    wire::{Envelope, Failure, Said, Say, Typing, envelope::Payload, failure::Reason},
};

/// Somebody who may sign in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account's number.
    pub id: u64,
    /// The name to show.
    pub name: String,
}

impl Account {
    /// An account.
    #[must_use]
    pub fn new(id: u64, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { id, name }
    }
}

/// A channel for text, and perhaps for voice.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    /// The name to show.
    pub name: String,
    pub(crate) banned: HashSet<u64>,
    pub(crate) voice: Option<VoiceSettings>, // +voice
}

impl Channel {
    /// A channel from which nobody is banned.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// All accounts and channels, and who is connected.
#[derive(Debug, Default)]
pub struct Chat {
    by_token: HashMap<String, Account>,
    names: HashMap<u64, String>,
    channels: Mutex<HashMap<u32, Channel>>,
    sockets: Mutex<Sockets>,
}

#[derive(Debug, Default)]
struct Sockets {
    by_user: HashMap<u64, Vec<Arc<Outbox>>>,
    closing: bool,
}

impl Chat {
    /// Adds an account.
    #[must_use]
    pub fn with_account(mut self, token: impl Into<String>, account: Account) -> Self {
        self.names.insert(account.id, account.name.clone());
        self.by_token.insert(token.into(), account);
        self
    }

    /// Adds a channel.
    #[must_use]
    pub fn with_channel(self, id: u32, channel: Channel) -> Self {
        self.channels.lock().insert(id, channel);
        self
    }

    pub(crate) fn account(&self, token: &str) -> Option<&Account> {
        self.by_token.get(token)
    }

    pub(crate) fn name(&self, user: u64) -> Option<&str> {
        self.names.get(&user).map(String::as_str)
    }

    pub(crate) fn channel(&self, id: u32) -> Option<Channel> {
        self.channels.lock().get(&id).cloned()
    }

    pub(crate) fn ban(&self, user: u64, channel: u32) {
        if let Some(channel) = self.channels.lock().get_mut(&channel) {
            channel.banned.insert(user);
        }
    }

    /// Registers a connection. It stays registered until the returned [`Presence`] is dropped.
    pub(crate) fn connect(self: &Arc<Self>, user: u64, outbox: &Arc<Outbox>) -> Presence {
        let mut sockets = self.sockets.lock();
        let outboxes = sockets.by_user.entry(user).or_default();
        outboxes.push(Arc::clone(outbox));
        if sockets.closing {
            outbox.close(1001);
        }
        Presence {
            chat: Arc::clone(self),
            user,
            outbox: Arc::clone(outbox),
        }
    }

    /// Handles a payload of text chat. Returns false if a client may not send it.
    pub(crate) fn handle(&self, me: &Presence, request: u32, payload: Payload) -> bool {
        match payload {
            Payload::Say(say) => self.say(me, request, say),
            Payload::Typing(typing) => self.typing(me, request, &typing),
            _ => return false,
        }
        true
    }

    fn say(&self, me: &Presence, request: u32, say: Say) {
        let Say { channel, text } = say;
        if let Err(reason) = self.may_write(me.user, channel) {
            return me.fail(request, reason);
        }
        let user = me.user;
        let said = Payload::Said(Said {
            channel,
            user,
            text,
        });
        self.tell_others(me, channel, &said, Kind::Event);
        me.answer(request, said);
    }

    fn typing(&self, me: &Presence, request: u32, typing: &Typing) {
        let channel = typing.channel;
        if let Err(reason) = self.may_write(me.user, channel) {
            return me.fail(request, reason);
        }
        let user = me.user;
        let typing = Payload::Typing(Typing { channel, user });
        self.tell_others(me, channel, &typing, Kind::Hint);
    }

    fn may_write(&self, user: u64, channel: u32) -> Result<(), Reason> {
        let channels = self.channels.lock();
        let channel = channels.get(&channel).ok_or(Reason::NoChannel)?;
        if channel.banned.contains(&user) {
            return Err(Reason::Forbidden);
        }
        Ok(())
    }

    /// Tells all users that may see the channel, on all their connections except this one.
    fn tell_others(&self, me: &Presence, channel: u32, payload: &Payload, kind: Kind) {
        let banned = self.channel(channel).unwrap_or_default().banned;
        for (user, outboxes) in &self.sockets.lock().by_user {
            if banned.contains(user) {
                continue;
            }
            for outbox in outboxes {
                if !Arc::ptr_eq(outbox, &me.outbox) {
                    tell(outbox, payload, kind);
                }
            }
        }
    }

    /// Closes every connection with 1001: those that exist, and those that come later.
    pub(crate) fn close(&self) {
        let mut sockets = self.sockets.lock();
        sockets.closing = true;
        for outbox in sockets.by_user.values().flatten() {
            outbox.close(1001);
        }
    }
}

/// A connection that takes part. Dropping it is the disconnect.
#[derive(Debug)]
pub(crate) struct Presence {
    chat: Arc<Chat>,
    user: u64,
    outbox: Arc<Outbox>,
}

impl Presence {
    pub(crate) fn answer(&self, request: u32, payload: Payload) {
        let payload = Some(payload);
        let answer = Outgoing::Chat(Envelope { request, payload });
        // The queue refuses an answer only if the connection is closed. Then nobody waits for the
        // answer.
        let _ = self.outbox.push(answer, Kind::Answer);
    }

    pub(crate) fn fail(&self, request: u32, reason: Reason) {
        let reason = reason.into();
        self.answer(request, Payload::Failure(Failure { reason }));
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut sockets = self.chat.sockets.lock();
        if let Some(outboxes) = sockets.by_user.get_mut(&self.user) {
            outboxes.retain(|outbox| !Arc::ptr_eq(outbox, &self.outbox));
            if outboxes.is_empty() {
                sockets.by_user.remove(&self.user);
            }
        }
    }
}

/// Sends something that another user caused. If the client can't keep up, it is closed with 1013.
fn tell(outbox: &Outbox, payload: &Payload, kind: Kind) {
    let envelope = Envelope {
        request: 0,
        payload: Some(payload.clone()),
    };
    let refused = outbox.push(Outgoing::Chat(envelope), kind);
    if refused == Err(Refused::Full) && kind == Kind::Event {
        outbox.close(1013);
    }
}
