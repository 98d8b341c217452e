//! Measures what the operations cost the engine, and prints it as a table.
//!
//! It takes the address of an engine that nobody else uses, since it resets the engine's counters:
//!
//! ```sh
//! redis-server --port 7000 --save '' --appendonly yes --appendfsync everysec &
//! cargo run --release -p united-voice-redis --example cost -- redis://127.0.0.1:7000/
//! ```
#![allow(clippy::print_stdout)]

use std::{error::Error, num::NonZeroU32, thread::sleep, time::Duration};

use redis::{Connection, InfoDict, Value};
use united_voice_redis::{
    Beaten, Flags, Introduction, Keys, Nid, Operation, Ran, Reaped, Registered, Registration,
    Scripts,
};

const ROOMS: u64 = 1000;
const BATCH: u64 = 50;
const MEMBERS: u64 = 9;
/// So short that joins are admitted soon. No node dies of it, since nobody reaps.
const LEASE_US: u64 = 10_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Node {
    of: Registration,
    epoch: u64,
    number: u64,
}

struct Measurement {
    scripts: Scripts,
    connection: Connection,
}

fn main() -> Outcome<()> {
    let url = std::env::args()
        .nth(1)
        .ok_or("the address of an engine is missing")?;
    let mut connection = redis::Client::open(url)?.get_connection()?;
    println!(
        "| nodes with members in the room | join | state | leave | reap, a seat | memory of a seat |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for nodes in [1, 2, 8] {
        redis::cmd("FLUSHALL").exec(&mut connection)?;
        let scripts = Scripts::new(Keys::new("cost")?);
        scripts.load().exec(&mut connection)?;
        let mut measurement = Measurement {
            scripts,
            connection,
        };
        measurement.row(nodes)?;
        connection = measurement.connection;
    }
    Ok(())
}

impl Measurement {
    fn row(&mut self, count: u32) -> Outcome<()> {
        let mut nodes = (1..=count)
            .map(|node| self.register(node))
            .collect::<Outcome<Vec<_>>>()?;
        while self.beat(&nodes[0])?.recovery_us > 0 {
            sleep(Duration::from_millis(5));
        }
        let before = self.memory()?;
        for room in 0..ROOMS {
            for member in 0..MEMBERS {
                let place = usize::try_from(member)? % nodes.len();
                self.run(&mut nodes[place], |epoch| join(room, member, epoch))?;
            }
        }
        for node in &nodes {
            let inbox = self.scripts.keys().inbox(node.of.nid);
            let trim = redis::cmd("XTRIM")
                .arg(inbox)
                .arg("MAXLEN")
                .arg(0)
                .to_owned();
            trim.exec(&mut self.connection)?;
        }
        let memory = (self.memory()? - before) / (ROOMS * MEMBERS) as f64;
        let node = &mut nodes[0];
        let join = self.cost(|it, room| it.run(node, |epoch| join(room, MEMBERS, epoch)))?;
        let state = self.cost(|it, room| it.run(node, |_| state(room)))?;
        let leave = self.cost(|it, room| it.run(node, |_| leave(room)))?;
        let reap = self.reap(&mut nodes)?;
        println!(
            "| {count} | {join:.1} us | {state:.1} us | {leave:.1} us | {reap:.1} us | {memory:.0} B |"
        );
        Ok(())
    }

    /// The engine's time for one script. Other programs of the machine make it longer, so this is
    /// the average of the best batch.
    fn cost(&mut self, mut each: impl FnMut(&mut Self, u64) -> Outcome<()>) -> Outcome<f64> {
        let mut best = f64::INFINITY;
        for batch in 0..ROOMS / BATCH {
            redis::cmd("CONFIG")
                .arg("RESETSTAT")
                .exec(&mut self.connection)?;
            for room in 0..BATCH {
                each(self, batch * BATCH + room)?;
            }
            best = best.min(self.script_time()? / BATCH as f64);
        }
        Ok(best)
    }

    /// How many microseconds the engine has spent in scripts.
    fn script_time(&mut self) -> Outcome<f64> {
        let info: InfoDict = redis::cmd("INFO")
            .arg("commandstats")
            .query(&mut self.connection)?;
        let stats: String = info.get("cmdstat_evalsha").ok_or("no script ran")?;
        let spent = stats.split(',').find_map(|part| part.strip_prefix("usec="));
        Ok(spent.ok_or("no time")?.parse()?)
    }

    fn memory(&mut self) -> Outcome<f64> {
        let info: InfoDict = redis::cmd("INFO")
            .arg("memory")
            .query(&mut self.connection)?;
        Ok(info.get("used_memory").ok_or("no figure")?)
    }

    /// Ends the last node and reaps its seats.
    fn reap(&mut self, nodes: &mut Vec<Node>) -> Outcome<f64> {
        let dead = nodes.pop().ok_or("no node")?;
        if nodes.is_empty() {
            nodes.push(self.register(99)?);
        }
        self.scripts.close(&dead.of).exec(&mut self.connection)?;
        redis::cmd("CONFIG")
            .arg("RESETSTAT")
            .exec(&mut self.connection)?;
        let mut seats = 0;
        loop {
            let command = self.scripts.reap(&nodes[0].of, dead.of.nid);
            match Reaped::parse(command.query(&mut self.connection)?)? {
                Reaped::More(more) => seats += more,
                Reaped::Done(more) => {
                    seats += more;
                    break;
                }
                other => return Err(format!("{other:?}").into()),
            }
        }
        Ok(self.script_time()? / seats as f64)
    }

    fn register(&mut self, node: u32) -> Outcome<Node> {
        let nid = Nid::new(node, 1);
        let command = self.scripts.register(&Introduction {
            boot: b"cost",
            nid,
            name: "cost",
            fingerprint: b"",
            rotated: b"",
            lease_us: LEASE_US,
            has_seats: false,
        });
        let registered = Registered::parse(command.query(&mut self.connection)?)?;
        Ok(Node {
            of: Registration {
                boot: registered.boot,
                nid,
            },
            epoch: registered.epoch,
            number: 0,
        })
    }

    fn beat(&mut self, node: &Node) -> Outcome<Beaten> {
        let command = self.scripts.beat(&node.of, LEASE_US, 1, &[]);
        Ok(Beaten::parse(command.query(&mut self.connection)?)?)
    }

    fn run(&mut self, node: &mut Node, operation: impl FnOnce(u64) -> Operation) -> Outcome<()> {
        node.number += 1;
        let operation = operation(node.epoch);
        let command = self.scripts.operation(&node.of, node.number, &operation);
        let answer: Value = command.query(&mut self.connection)?;
        match Ran::parse(answer)? {
            Ran::Now => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    }
}

fn session(room: u64, member: u64) -> u64 {
    (room << 8) | member
}

fn user(room: u64, member: u64) -> String {
    format!("user-{room:06}-{member:03}")
}

fn join(room: u64, member: u64, epoch: u64) -> Operation {
    Operation::Join {
        session: session(room, member),
        user: user(room, member),
        channel: format!("channel-{room:06}"),
        limit: NonZeroU32::new(25),
        epoch,
        profile: vec![b'x'; 100],
    }
}

fn state(room: u64) -> Operation {
    Operation::State {
        session: session(room, MEMBERS),
        user: user(room, MEMBERS),
        flags: Flags::own(true, false),
    }
}

fn leave(room: u64) -> Operation {
    Operation::Leave {
        session: session(room, MEMBERS),
        user: user(room, MEMBERS),
        reason: 1,
    }
}
