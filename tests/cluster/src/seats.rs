//! The engine's own data, read without the library.

use std::collections::BTreeMap;

use redis::{Connection, RedisResult};

/// A seat as the engine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The stay, as clients see it.
    pub session: String,
    /// The user.
    pub user: String,
    /// When it was taken, by the engine's count.
    pub version: u64,
    /// Muted.
    pub muted: bool,
    /// Deafened.
    pub deafened: bool,
}

/// Whose seats there are, by channel, in the order in which they were taken.
pub(crate) type Rosters = BTreeMap<String, Vec<Seat>>;

/// All rosters at one moment.
const ROSTERS: &str = r#"
local rosters = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
    rosters[#rosters + 1] = { key:sub(#ARGV[1] + 1), redis.call('HGETALL', key) }
end
local whole = redis.call('EXISTS', ARGV[2] .. 'boot') - redis.call('EXISTS', ARGV[2] .. 'recover')
return { whole, rosters }
"#;

/// Reads all rosters. `true` if the engine has not lost its data, or has all of it back.
pub(crate) fn rosters(engine: &mut Connection, prefix: &str) -> RedisResult<(bool, Rosters)> {
    type Fields = Vec<(Vec<u8>, Vec<u8>)>;
    let (whole, read): (i32, Vec<(String, Fields)>) = redis::cmd("EVAL")
        .arg(ROSTERS)
        .arg(0)
        .arg(format!("{{{prefix}}}:r:"))
        .arg(format!("{{{prefix}}}:"))
        .query(engine)?;
    let rosters = read.into_iter().map(|(channel, fields)| {
        let mut seats: Vec<_> = fields.iter().map(|(id, record)| seat(id, record)).collect();
        seats.sort_by_key(|seat| seat.version);
        (channel, seats)
    });
    Ok((whole == 1, rosters.collect()))
}

/// `united-voice-redis` documents the record: version, nid, flags, limit, user id, profile.
fn seat(session: &[u8], record: &[u8]) -> Seat {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let flags = number(&record[25..27]);
    let length = usize::from(record[31]);
    Seat {
        session: format!("{:016x}", number(session)),
        user: String::from_utf8_lossy(&record[32..32 + length]).into_owned(),
        version: number(&record[..8]),
        muted: flags & 1 != 0,
        deafened: flags & 2 != 0,
    }
}
