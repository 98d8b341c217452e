//! Nodes that talk to an engine, and what they have seen.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use redis::Connection;
use united_voice_redis::{
    Arrival, Beaten, Content, Delivery, Entry, Flags, InboxNumbers, Introduction, Joined, Keys,
    Left, Nid, Operation, Ran, Reaped, Record, Refusal, RegisterError, Registered, Registration,
    Roster, ScriptError, Scripts,
};
use united_voice_redis_server::{Engine, fresh_prefix};

/// Long, so that a slow machine cannot pass for a silent engine.
pub(crate) const LEASE: u64 = 60_000_000;
pub(crate) const LEFT: u8 = 1;
pub(crate) const DISCONNECTED: u8 = 3;
pub(crate) const KICKED: u8 = 5;
const FINGERPRINT: &[u8] = b"fingerprint";

/// The keys of one test.
pub(crate) struct Cluster {
    pub(crate) scripts: Arc<Scripts>,
    pub(crate) connection: Connection,
    url: String,
}

/// A node without sockets and clients.
pub(crate) struct Node {
    pub(crate) of: Registration,
    pub(crate) epoch: u64,
    /// The number of the last operation.
    pub(crate) number: u64,
    pub(crate) connection: Connection,
    pub(crate) scripts: Arc<Scripts>,
    numbers: InboxNumbers,
    read_to: String,
    beats: u64,
}

/// A prefix that nobody else has.
pub(crate) fn fresh_keys() -> Keys {
    Keys::new(&fresh_prefix()).expect("plain")
}

impl Cluster {
    /// In the shared engine, past the recovery that follows the first registration.
    pub(crate) fn new() -> Self {
        let mut cluster = Self::empty(Engine::shared());
        cluster.node(999).close().expect("closed");
        cluster.admit();
        cluster
    }

    pub(crate) fn empty(engine: &Engine) -> Self {
        Self::empty_by(engine.url())
    }

    /// By a URL that may name a user.
    pub(crate) fn empty_by(url: String) -> Self {
        Self::with(url, fresh_keys())
    }

    /// Beside nodes that use these keys.
    pub(crate) fn beside(engine: &Engine, prefix: &str) -> Self {
        Self::with(engine.url(), Keys::new(prefix).expect("plain"))
    }

    fn with(url: String, keys: Keys) -> Self {
        let scripts = Arc::new(Scripts::new(keys));
        let client = redis::Client::open(&*url).expect("a URL");
        let mut connection = client.get_connection().expect("the engine listens");
        scripts
            .load()
            .exec(&mut connection)
            .expect("the scripts load");
        Self {
            scripts,
            connection,
            url,
        }
    }

    pub(crate) fn keys(&self) -> &Keys {
        self.scripts.keys()
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.keys().tagged())
    }

    pub(crate) fn nodes<const N: usize>(&mut self) -> [Node; N] {
        std::array::from_fn(|place| self.node(u32::try_from(place).expect("few") + 1))
    }

    pub(crate) fn node(&mut self, node: u32) -> Node {
        self.register(Nid::new(node, 1), false).expect("registered")
    }

    pub(crate) fn register(&mut self, nid: Nid, has_seats: bool) -> Result<Node, RegisterError> {
        self.register_as(nid, has_seats, FINGERPRINT)
    }

    pub(crate) fn register_as(
        &mut self,
        nid: Nid,
        has_seats: bool,
        fingerprint: &[u8],
    ) -> Result<Node, RegisterError> {
        let boot: [u8; 16] = std::array::from_fn(|_| fastrand::u8(..));
        let command = self.scripts.register(&Introduction {
            boot: &boot,
            nid,
            name: "node",
            fingerprint,
            rotated: b"",
            lease_us: LEASE,
            has_seats,
        });
        let registered =
            Registered::parse(command.query(&mut self.connection).expect("an answer"))?;
        Ok(Node {
            of: Registration {
                boot: registered.boot,
                nid,
            },
            epoch: registered.epoch,
            number: 0,
            connection: self.dial(),
            scripts: Arc::clone(&self.scripts),
            numbers: InboxNumbers::new(),
            read_to: "0".into(),
            beats: 0,
        })
    }

    pub(crate) fn dial(&self) -> Connection {
        let client = redis::Client::open(&*self.url).expect("a URL");
        let connection = client.get_connection().expect("the engine listens");
        connection
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a time-out");
        connection
    }

    /// Ends the recovery, as if its time were over.
    pub(crate) fn admit(&mut self) {
        let key = self.key("recover");
        redis::cmd("DEL")
            .arg(key)
            .exec(&mut self.connection)
            .expect("deleted");
    }

    pub(crate) fn roster(&mut self, channel: &str) -> Roster {
        let command = self.scripts.roster(channel);
        Roster::parse(command.query(&mut self.connection).expect("an answer")).expect("a roster")
    }

    /// User ids in joining order.
    pub(crate) fn users(&mut self, channel: &str) -> Vec<String> {
        self.roster(channel)
            .members
            .into_iter()
            .map(|member| member.user)
            .collect()
    }

    pub(crate) fn run<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connection).expect("an answer")
    }

    pub(crate) fn set(&mut self, key: &str, value: u64) {
        let key = self.key(key);
        self.run::<()>(&["SET", &key, &value.to_string()]);
    }

    /// Registers beside nodes whose secret is not known here.
    pub(crate) fn register_with_theirs(&mut self, nid: Nid) -> Node {
        let key = self.key("print");
        let print: Vec<u8> = self.run(&["GET", &key]);
        // The major format stands in front.
        let node = self.register_as(nid, false, &print[1..]);
        node.expect("registered")
    }

    pub(crate) fn lease_ends(&mut self, nid: Nid, at: u64) {
        let key = self.key("leases");
        self.run::<()>(&["ZADD", &key, &at.to_string(), &nid.to_string()]);
    }

    pub(crate) fn lease_end(&mut self, nid: Nid) -> Option<u64> {
        let key = self.key("leases");
        let score: Option<f64> = self.run(&["ZSCORE", &key, &nid.to_string()]);
        score.map(|score| score as u64)
    }

    /// The engine's time in microseconds.
    pub(crate) fn time(&mut self) -> u64 {
        let (seconds, micros): (u64, u64) = self.run(&["TIME"]);
        seconds * 1_000_000 + micros
    }

    /// The names of all keys of this test.
    pub(crate) fn all_keys(&mut self) -> Vec<Vec<u8>> {
        let pattern = format!("{}*", self.keys().tagged());
        let mut keys: Vec<Vec<u8>> = self.run(&["KEYS", &pattern]);
        keys.sort();
        keys
    }
}

impl Node {
    /// Sends an operation under a number, without looking into the inbox.
    pub(crate) fn send(&mut self, number: u64, operation: &Operation) -> Result<Ran, ScriptError> {
        let command = self.scripts.operation(&self.of, number, operation);
        Ran::parse(command.query(&mut self.connection)?)
    }

    /// Sends the next operation.
    pub(crate) fn propose(&mut self, operation: &Operation) -> u64 {
        self.number += 1;
        assert_eq!(
            self.send(self.number, operation).expect("an answer"),
            Ran::Now
        );
        self.number
    }

    /// Sends the next operation and returns its outcome. Earlier entries are dropped.
    pub(crate) fn run(&mut self, operation: &Operation) -> Entry {
        let number = self.propose(operation);
        let last = self.read().pop().expect("an outcome");
        assert_eq!(last.asked, Some(number));
        last
    }

    pub(crate) fn join(&mut self, session: u64, user: &str, channel: &str) -> Joined {
        match self.run(&self.joining(session, user, channel, 0)).record {
            Record::Joined(joined) => joined,
            other => panic!("{other:?}"),
        }
    }

    /// A join. A limit of 0 is none.
    pub(crate) fn joining(&self, session: u64, user: &str, channel: &str, limit: u32) -> Operation {
        Operation::Join {
            session,
            user: user.into(),
            channel: channel.into(),
            limit: NonZeroU32::new(limit),
            epoch: self.epoch,
            profile: profile(user),
        }
    }

    /// Joins a channel with a limit.
    pub(crate) fn try_join(
        &mut self,
        session: u64,
        user: &str,
        channel: &str,
        limit: u32,
    ) -> Result<Joined, Refusal> {
        match self
            .run(&self.joining(session, user, channel, limit))
            .record
        {
            Record::Joined(joined) => Ok(joined),
            Record::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn leave(&mut self, session: u64, user: &str) -> Record {
        self.run(&leaving(session, user)).record
    }

    pub(crate) fn beat(&mut self) -> Result<Beaten, ScriptError> {
        self.beat_with(&[])
    }

    pub(crate) fn beat_with(&mut self, earlier: &[Nid]) -> Result<Beaten, ScriptError> {
        self.beats += 1;
        let command = self.scripts.beat(&self.of, LEASE, self.beats, earlier);
        Beaten::parse(command.query(&mut self.connection)?)
    }

    pub(crate) fn reap(&mut self, dead: Nid) -> Result<Reaped, ScriptError> {
        let command = self.scripts.reap(&self.of, dead);
        Reaped::parse(command.query(&mut self.connection)?)
    }

    pub(crate) fn close(&mut self) -> Result<(), ScriptError> {
        let command = self.scripts.close(&self.of);
        united_voice_redis::parse_close(command.query(&mut self.connection)?)
    }

    /// All changes since the last reading. None is missing and none comes twice.
    pub(crate) fn read(&mut self) -> Vec<Entry> {
        let mut changes = Vec::new();
        for entry in self.deliveries() {
            let arrival = self.numbers.entry(&entry);
            match entry.record {
                Record::Tick { .. } => assert!(matches!(arrival, Arrival::New | Arrival::Old)),
                _ => {
                    assert_eq!(arrival, Arrival::New, "{entry:?}");
                    changes.push(entry);
                }
            }
        }
        changes
    }

    /// The next reading begins with the first entry.
    pub(crate) fn read_again(&mut self) {
        self.read_to = "0".into();
    }

    /// Everything since the last reading, ticks too, unchecked.
    pub(crate) fn deliveries(&mut self) -> Vec<Entry> {
        let command = self
            .scripts
            .keys()
            .read_inbox(self.of.nid, &self.read_to, 0);
        let value = command.query(&mut self.connection).expect("an answer");
        let deliveries = Delivery::parse(value).expect("deliveries");
        if let Some(last) = deliveries.last() {
            self.read_to = last.id.clone();
        }
        deliveries
            .into_iter()
            .map(|delivery| match delivery.content {
                Content::Entry(entry) => entry.expect("readable"),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

pub(crate) fn profile(user: &str) -> Vec<u8> {
    [b"profile\0\n of ", user.as_bytes()].concat()
}

pub(crate) fn leaving(session: u64, user: &str) -> Operation {
    Operation::Leave {
        session,
        user: user.into(),
        reason: LEFT,
    }
}

pub(crate) fn muting(session: u64, user: &str, muted: bool) -> Operation {
    Operation::State {
        session,
        user: user.into(),
        flags: Flags::own(muted, false),
    }
}

pub(crate) fn left(record: &Record) -> &Left {
    match record {
        Record::Left(left) => left,
        other => panic!("{other:?}"),
    }
}

/// The sessions that ended.
pub(crate) fn gone(record: &Record) -> Vec<u64> {
    left(record).seats.iter().map(|seat| seat.session).collect()
}
