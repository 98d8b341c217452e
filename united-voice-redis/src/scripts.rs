//! The scripts, as commands that can be sent, and their answers.
//!
//! Nothing here does I/O: a [`Scripts`] makes commands.

use std::num::NonZeroU32;

use redis::{Cmd, Pipeline, cmd};

use crate::{FORMAT, Keys, Nid, Operation};

/// A script with what stands in front of it. With `allow-oom`, it runs in an engine whose memory is
/// full. Everything but a join does: a join takes memory, and all else gives it back or keeps the
/// nodes together.
macro_rules! script {
    ($flags:literal, $file:literal) => {
        Script::new(concat!(
            "#!lua",
            $flags,
            "\n",
            include_str!("scripts/prelude.lua"),
            include_str!($file)
        ))
    };
}

const ROSTER: &str = concat!(
    "#!lua flags=no-writes,allow-oom\n",
    include_str!("scripts/roster.lua")
);

/// A script and the hash by which the engine knows it.
#[derive(Debug)]
struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        let hash = redis::Script::new(code).get_hash().into();
        Self { code, hash }
    }
}

/// The scripts of one cluster.
#[derive(Debug)]
pub struct Scripts {
    keys: Keys,
    register: Script,
    beat: Script,
    policy: Script,
    reap: Script,
    close: Script,
    join: Script,
    leave: Script,
    state: Script,
    kick: Script,
    reassert: Script,
    skip: Script,
    roster: Script,
}

/// A node as the scripts know it: what `register` has answered.
// Hidden, since it may get more fields: the tests of this crate make it by hand.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The id of the engine's data.
    pub boot: Vec<u8>,
    /// This node's registration.
    pub nid: Nid,
}

/// What a process says of itself when it registers.
// Hidden, since it may get more fields: the tests of this crate make it by hand.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Introduction<'a> {
    /// The id that the engine's data gets if it has none: random, new for each call.
    pub boot: &'a [u8],
    /// The process and how often it has registered.
    pub nid: Nid,
    /// For logs, at most 32 bytes.
    pub name: &'a str,
    /// A keyed hash of a constant under a secret that all nodes must share.
    pub fingerprint: &'a [u8],
    /// The same under a secret that nodes should share: see
    /// [`NodeConfig::rotated_secret`](crate::NodeConfig::rotated_secret).
    pub rotated: &'a [u8],
    /// How long after its last beat a node is dead, in microseconds. All nodes have the same.
    pub lease_us: u64,
    /// It will put seats back. If the engine lost its data, no join is admitted before it has.
    pub has_seats: bool,
}

impl Scripts {
    /// The scripts for the keys of one cluster.
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            register: script!(" flags=allow-oom", "scripts/register.lua"),
            beat: script!(" flags=allow-oom", "scripts/beat.lua"),
            policy: script!(" flags=allow-oom", "scripts/policy.lua"),
            reap: script!(" flags=allow-oom", "scripts/reap.lua"),
            close: script!(" flags=allow-oom", "scripts/close.lua"),
            join: script!("", "scripts/join.lua"),
            leave: script!(" flags=allow-oom", "scripts/leave.lua"),
            state: script!(" flags=allow-oom", "scripts/state.lua"),
            kick: script!(" flags=allow-oom", "scripts/kick.lua"),
            reassert: script!(" flags=allow-oom", "scripts/reassert.lua"),
            skip: script!(" flags=allow-oom", "scripts/skip.lua"),
            roster: Script::new(ROSTER),
        }
    }

    /// The keys of the cluster.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Loads all scripts. An engine forgets them when it restarts, and the replica that takes over
    /// may not have had them.
    pub fn load(&self) -> Pipeline {
        let mut pipeline = redis::pipe();
        for script in [
            &self.register,
            &self.beat,
            &self.policy,
            &self.reap,
            &self.close,
            &self.join,
            &self.leave,
            &self.state,
            &self.kick,
            &self.reassert,
            &self.skip,
            &self.roster,
        ] {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(script.code).ignore();
        }
        pipeline
    }

    /// A process becomes a node. The answer is read by [`Registered::parse`](crate::Registered).
    pub fn register(&self, who: &Introduction<'_>) -> Cmd {
        let mut command = self.call(&self.register, who.boot, who.nid);
        let print = [&[FORMAT], who.fingerprint].concat();
        command
            .arg(who.name)
            .arg(print)
            .arg(who.lease_us)
            .arg(i32::from(who.has_seats))
            .arg(who.rotated);
        command
    }

    /// A node renews its lease and that of earlier registrations of the same process, whose seats
    /// it is still moving. `number` comes back in [`Record::Tick`](crate::Record::Tick) and grows.
    /// The answer is read by [`Beaten::parse`](crate::Beaten).
    pub fn beat(&self, of: &Registration, lease_us: u64, number: u64, earlier: &[Nid]) -> Cmd {
        let mut command = self.call(&self.beat, &of.boot, of.nid);
        command.arg(lease_us).arg(number).arg(joined(earlier));
        command
    }

    /// A limit has changed. The answer is the epoch of all joins from now on, read by
    /// [`parse_policy`](crate::parse_policy).
    pub fn policy(&self, of: &Registration) -> Cmd {
        self.call(&self.policy, &of.boot, of.nid)
    }

    /// Takes out up to 32 seats of a dead node. The answer is read by
    /// [`Reaped::parse`](crate::Reaped).
    pub fn reap(&self, of: &Registration, dead: Nid) -> Cmd {
        let mut command = self.call(&self.reap, &of.boot, of.nid);
        command.arg(dead.to_string());
        command
    }

    /// The node ends. Others reap its seats if it has any. The answer is read by
    /// [`parse_close`](crate::parse_close).
    pub fn close(&self, of: &Registration) -> Cmd {
        self.call(&self.close, &of.boot, of.nid)
    }

    /// One change. The numbers of a registration are 1, 2 and so on. The answer is read by
    /// [`Ran::parse`](crate::Ran); the outcome comes out of the inbox.
    pub fn operation(&self, of: &Registration, number: u64, operation: &Operation) -> Cmd {
        let script = match operation {
            Operation::Join { .. } => &self.join,
            Operation::Leave { .. } => &self.leave,
            Operation::State { .. } => &self.state,
            Operation::Kick { .. } | Operation::Clear { .. } => &self.kick,
            Operation::Reassert { .. } => &self.reassert,
            Operation::Skip => &self.skip,
        };
        let mut command = self.call(script, &of.boot, of.nid);
        command.arg(number);
        arguments(&mut command, operation);
        command
    }

    /// Asks who is in a channel. The answer is read by [`Roster::parse`](crate::Roster::parse).
    pub fn roster(&self, channel: &str) -> Cmd {
        let mut command = cmd("EVALSHA_RO");
        command
            .arg(&self.roster.hash)
            .arg(1)
            .arg(self.keys.tagged())
            .arg(channel);
        command
    }

    fn call(&self, script: &Script, boot: &[u8], nid: Nid) -> Cmd {
        let mut command = cmd("EVALSHA");
        command
            .arg(&script.hash)
            .arg(1)
            .arg(self.keys.tagged())
            .arg(boot)
            .arg(nid.to_string());
        command
    }
}

fn arguments(command: &mut Cmd, operation: &Operation) {
    match operation {
        Operation::Join {
            session,
            user,
            channel,
            limit,
            epoch,
            profile,
        } => command
            .arg(&session.to_be_bytes())
            .arg(user)
            .arg(channel)
            .arg(limit.map_or(0, NonZeroU32::get))
            .arg(epoch)
            .arg(profile),
        Operation::Leave {
            session,
            user,
            reason,
        } => command.arg(&session.to_be_bytes()).arg(user).arg(reason),
        Operation::State {
            session,
            user,
            flags,
        } => command.arg(&session.to_be_bytes()).arg(user).arg(flags.0),
        Operation::Kick {
            user,
            channel,
            reason,
            before,
        } => command
            .arg(reason)
            .arg(before.unwrap_or_default())
            .arg("user")
            .arg(user)
            .arg(channel.as_deref().unwrap_or_default()),
        Operation::Clear {
            channel,
            reason,
            before,
        } => command
            .arg(reason)
            .arg(before.unwrap_or_default())
            .arg("room")
            .arg(channel),
        Operation::Reassert {
            earlier,
            last,
            seats,
        } => {
            command.arg(joined(earlier)).arg(i32::from(*last));
            for seat in seats {
                let member = &seat.member;
                command
                    .arg(&member.session.to_be_bytes())
                    .arg(member.version)
                    .arg(member.flags.0)
                    .arg(member.limit.map_or(0, NonZeroU32::get))
                    .arg(&member.user)
                    .arg(&seat.channel)
                    .arg(&member.profile);
            }
            command
        }
        Operation::Skip => command,
    };
}

fn joined(nids: &[Nid]) -> String {
    nids.iter().map(Nid::to_string).collect()
}
