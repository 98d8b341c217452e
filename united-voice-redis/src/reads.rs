//! What is read: rosters, counts and the inbox.

use redis::{Cmd, Pipeline, Value, cmd, pipe};

use crate::{Entry, EntryError, Keys, Member, Nid, Pack, ScriptError, fields::Bytes};

/// As in the scripts: the inbox of a node that reads nothing stops growing here.
pub(crate) const INBOX_ENTRIES: usize = 100_000;

/// Who is in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Roster {
    /// All changes up to this version are in it, and none after.
    pub version: u64,
    /// The members, in the order in which they joined.
    pub members: Vec<Member>,
    /// The engine lost its data and nodes have not put all seats back, so members may be missing.
    pub is_recovering: bool,
    /// A node is about to put seats back that the engine has lost.
    pub lacks_seats: bool,
}

/// An entry of an inbox: its place in the Stream, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The id in the Stream. Reading goes on after it.
    pub id: String,
    /// What it is.
    pub content: Content,
}

/// What a node finds in its inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A script wrote it.
    Entry(Result<Entry, EntryError>),
    /// Another node wrote it.
    Pack(Result<Pack, EntryError>),
    /// A newer node wrote it.
    Unknown,
}

impl Keys {
    /// Asks how many are in each of some channels. The answer is a number for each.
    pub fn counts<'a>(&self, channels: impl IntoIterator<Item = &'a str>) -> Pipeline {
        let mut pipeline = pipe();
        for channel in channels {
            pipeline.cmd("HLEN").arg(self.room(channel));
        }
        pipeline
    }

    /// Reads on in an inbox, after the entry `after` (`0` for all). It waits up to `block_ms` for
    /// the first entry and answers with at most 512, which [`Delivery::parse`] reads. Entries have
    /// 256 KiB at most, but for the rosters of very large channels, so 128 MiB is the worst case.
    pub fn read_inbox(&self, nid: Nid, after: &str, block_ms: u64) -> Cmd {
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(512);
        if block_ms > 0 {
            command.arg("BLOCK").arg(block_ms);
        }
        command.arg("STREAMS").arg(self.inbox(nid)).arg(after);
        command
    }

    /// Writes messages into the inbox of another node. The answer is nil if it has none.
    pub(crate) fn write_inbox(&self, to: Nid, pack: &[u8]) -> Cmd {
        let mut command = cmd("XADD");
        command
            .arg(self.inbox(to))
            .arg("NOMKSTREAM")
            .arg("MAXLEN")
            .arg("~")
            .arg(INBOX_ENTRIES);
        command.arg("*").arg("m").arg(pack);
        command
    }

    /// Forgets what has been read: all entries before `before`.
    pub fn trim_inbox(&self, nid: Nid, before: &str) -> Cmd {
        let mut command = cmd("XTRIM");
        command
            .arg(self.inbox(nid))
            .arg("MINID")
            .arg("~")
            .arg(before);
        command
    }
}

impl Roster {
    /// Reads the answer to [`Scripts::roster`](crate::Scripts::roster).
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should.
    pub fn parse(value: Value) -> Result<Self, ScriptError> {
        let Value::Array(parts) = value.extract_error()? else {
            return Err(ScriptError::Unexpected);
        };
        let Ok([version, whole, pending, room]) = <[Value; 4]>::try_from(parts) else {
            return Err(ScriptError::Unexpected);
        };
        let version: Option<u64> = redis::from_redis_value(version).map_err(unexpected)?;
        let records: Vec<(Vec<u8>, Vec<u8>)> = redis::from_redis_value(room).map_err(unexpected)?;
        let members = records.iter().map(|(session, record)| {
            let session = Bytes(session).u64()?;
            Member::decode_record(session, Bytes(record))
        });
        let mut members: Vec<_> = members.collect::<Result<_, _>>().map_err(unexpected)?;
        members.sort_by_key(|member| member.version);
        Ok(Self {
            version: version.unwrap_or(0),
            members,
            is_recovering: whole != Value::Int(1),
            lacks_seats: pending != Value::Int(0),
        })
    }
}

impl Delivery {
    /// Reads the answer to [`Keys::read_inbox`].
    ///
    /// # Errors
    ///
    /// The engine did not answer as it should. An entry that cannot be read is no such error.
    pub fn parse(value: Value) -> Result<Vec<Self>, ScriptError> {
        type Fields = Vec<(Vec<u8>, Vec<u8>)>;
        type Streams = Vec<(Vec<u8>, Vec<(String, Fields)>)>;
        let streams: Option<Streams> =
            redis::from_redis_value(value.extract_error()?).map_err(unexpected)?;
        let entries = streams
            .into_iter()
            .flatten()
            .flat_map(|(_, entries)| entries);
        let deliveries = entries.map(|(id, fields)| {
            let content = match fields.into_iter().next() {
                Some((name, bytes)) if name == b"e" => Content::Entry(Entry::decode(&bytes)),
                Some((name, bytes)) if name == b"m" => Content::Pack(Pack::decode(&bytes)),
                _ => Content::Unknown,
            };
            Self { id, content }
        });
        Ok(deliveries.collect())
    }
}

fn unexpected<E>(_: E) -> ScriptError {
    ScriptError::Unexpected
}
