//! Everything that may fail, in a random order, while people come, go and talk.
//!
//! A failure prints the seed and what happened. `UNITED_VOICE_SEED` and `UNITED_VOICE_SECONDS`
//! choose another seed and a longer time:
//!
//! ```sh
//! UNITED_VOICE_SEED=7 UNITED_VOICE_SECONDS=3600 \
//!     cargo test -p united-voice-cluster-tests random
//! ```
//!
//! The same seed gives the same faults and orders. What the processes make of them, and in which
//! order, is theirs.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use tokio::time::sleep;
use united_voice_cluster_tests::{Caller, Cluster, LEASE, promote};
use united_voice_redis_server::{Data, Way};

use crate::{ACTIX, AXUM, MIXED};

/// Unless `UNITED_VOICE_SECONDS` says otherwise.
const SECONDS: u64 = 45;
const CALLERS: usize = 9;
/// After the last fault is mended: a lease for seats that come back or are reaped, 3 s more for
/// that, and 5 s for everybody to know.
const SETTLED: Duration = Duration::from_secs(LEASE.as_secs() + 8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_random_faults_everybody_agrees_and_no_message_was_lost() {
    let seed = number("UNITED_VOICE_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let seconds = number("UNITED_VOICE_SECONDS").unwrap_or(SECONDS);
    let mut town = Town::new(seed).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        town.round().await;
    }
    let counts = town.cluster.ledger.counts();
    town.note(format!("{counts:?}"));
    assert!(counts.arrived > counts.sent / 3, "{counts:?}");
}

/// Whether a fault that began then was too short for anybody to take the node for dead.
fn is_short(begun: Instant) -> bool {
    begun.elapsed() < LEASE / 3
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}

struct Town {
    cluster: Cluster,
    callers: Vec<Caller>,
    channels: [String; 2],
    random: Rng,
    history: History,
}

/// What happened, which a panic prints.
struct History {
    seed: u64,
    begun: Instant,
    lines: Vec<String>,
}

impl Drop for History {
    #[expect(
        clippy::print_stderr,
        reason = "the output of the failing test shows it"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            let lines = self.lines.join("\n");
            eprintln!("--- UNITED_VOICE_SEED={} ---\n{lines}\n---", self.seed);
        }
    }
}

impl Town {
    async fn new(seed: u64) -> Self {
        let history = History {
            seed,
            begun: Instant::now(),
            lines: Vec::new(),
        };
        let mut random = Rng::with_seed(seed);
        let storage = [AXUM, ACTIX, MIXED][random.usize(..3)];
        let cluster = Cluster::start(storage).await;
        let channels = ["general".to_owned(), cluster.channel("Den", 4).await];
        let mut callers = Vec::new();
        for number in 0..CALLERS {
            let caller = cluster
                .caller(number % 3, &format!("Caller {number}"))
                .await;
            caller.seed(random.u64(..));
            caller.join(&channels[usize::from(number % 3 == 0)]);
            caller.sits().await;
            callers.push(caller);
        }
        Self {
            cluster,
            callers,
            channels,
            random,
            history,
        }
    }

    fn note(&mut self, what: impl Into<String>) {
        let at = self.history.begun.elapsed().as_secs_f64();
        self.history.lines.push(format!("{at:8.3} {}", what.into()));
    }

    async fn round(&mut self) {
        for caller in &self.callers {
            caller.chatter(true);
        }
        let may_end = self.fault().await;
        self.act(2).await;
        for caller in &self.callers {
            caller.chatter(false);
        }
        let took = self.cluster.agree(&self.callers, SETTLED).await;
        self.note(format!("agreed after {took:?}"));
        for caller in &self.callers {
            let (name, told, ends) = (&caller.user.name, caller.told(), caller.ended());
            let is_replaced = told.iter().any(|told| told == "error SESSION_REPLACED");
            assert!(
                !is_replaced,
                "{name} has one connection, and heard {told:?}"
            );
            let is_lawful = ends.iter().all(|code| may_end.contains(code));
            assert!(is_lawful, "{name}: {ends:?}, not only {may_end:?}");
        }
    }

    /// Breaks something, lets people act, and mends it. Returns how connections may end by that: 0
    /// is an end without a close frame.
    async fn fault(&mut self) -> &'static [u16] {
        // A node that was killed says nothing, and one that ends goes away. Whose seat is lost is
        // sent away to come back as a newcomer.
        const KILLED: &[u16] = &[0, 1013];
        const ENDED: &[u16] = &[0, 1001, 1013];
        const LOST: &[u16] = &[1013];
        let node = self.random.usize(..3);
        match self.random.usize(..12) {
            0 => {
                self.note(format!("node {node} is killed"));
                self.cluster.nodes[node].kill();
                self.act(3).await;
                self.start(node).await;
                KILLED
            }
            1 => {
                self.note(format!("node {node} ends"));
                let status = self.cluster.nodes[node].end().await;
                assert!(status.success(), "{status}");
                self.act(3).await;
                self.start(node).await;
                ENDED
            }
            2 | 3 => {
                self.note(format!("node {node} is frozen"));
                self.cluster.nodes[node].freeze();
                let begun = Instant::now();
                self.act_for_a_while().await;
                self.cluster.nodes[node].thaw();
                if is_short(begun) { &[] } else { LOST }
            }
            4..=6 => {
                let begun = Instant::now();
                let ends_with_it = self.bad_way(node).await;
                if ends_with_it && is_short(begun) {
                    &[]
                } else {
                    LOST
                }
            }
            7 => {
                self.note("the engine is paused");
                self.cluster.engine.pause();
                self.act_for_a_while().await;
                self.cluster.engine.resume();
                // It has its data, and all nodes live.
                &[]
            }
            8 => {
                self.note("the engine is restarted with its data");
                self.cluster.restart_engine(Data::Kept);
                LOST
            }
            9 => {
                self.note("the engine is restarted without its data");
                self.cluster.restart_engine(Data::Lost);
                LOST
            }
            10 => {
                self.note("the engine is flushed");
                self.cluster.flush_engine();
                LOST
            }
            11 => {
                let replica = self.cluster.replica();
                promote(&replica);
                self.note("a replica falls behind");
                self.act(4).await;
                self.note("it takes over");
                self.cluster.fail_over(replica);
                LOST
            }
            _ => unreachable!("there are twelve"),
        }
    }

    async fn start(&mut self, node: usize) {
        self.note(format!("node {node} is started"));
        self.cluster.nodes[node].start_again().await;
    }

    /// Returns whether the fault ends when the way is mended. Connections that carry nothing any more
    /// and do not end are given up after a time-out, and with a lease of 3 s the node may be cut off
    /// sooner.
    async fn bad_way(&mut self, node: usize) -> bool {
        let kind = self.random.usize(..7);
        let names = [
            "cut",
            "stalled",
            "deaf",
            "dumb",
            "silent",
            "half-open",
            "slow",
        ];
        self.note(format!("the way of node {node} is {}", names[kind]));
        let way = &self.cluster.nodes[node].way;
        match kind {
            0 => way.cut(),
            1 => way.stall(),
            2 => way.stall_way(Way::ToClients),
            3 => way.stall_way(Way::ToServer),
            4 => way.swallow(),
            5 => way.half_open(),
            _ => way.delay(Duration::from_millis(200)),
        }
        self.act_for_a_while().await;
        self.cluster.nodes[node].way.mend();
        !matches!(names[kind], "silent" | "half-open")
    }

    /// For less than two thirds of a lease, about a lease, or longer.
    async fn act_for_a_while(&mut self) {
        let orders = [3, 10, 22][self.random.usize(..3)];
        self.act(orders).await;
        self.note("it is mended");
    }

    /// Some people do something, a quarter of a second each.
    async fn act(&mut self, orders: usize) {
        for _ in 0..orders {
            let who = self.random.usize(..self.callers.len());
            let what = self.random.usize(..12);
            let channel = self.channels[self.random.usize(..2)].clone();
            let (to, is_muted) = (self.random.usize(..3), self.random.bool());
            let limit = self.random.u32(2..7);
            sleep(LEASE / 12).await;
            let caller = &self.callers[who];
            let view = caller.view();
            // Who waits for an answer does not ask again.
            let is_busy = !view.pending.is_empty() || view.node.is_none();
            let did = match what {
                0..=3 if !is_busy => {
                    caller.join(&channel);
                    format!("joins {channel}")
                }
                4 if !is_busy && view.session.is_some() => {
                    caller.leave();
                    "leaves".to_owned()
                }
                5..=8 if !is_busy && view.session.is_some() => {
                    caller.mute(is_muted);
                    format!("says that muted is {is_muted}")
                }
                9 | 10 => {
                    caller.go(to);
                    format!("comes back through node {to}")
                }
                11 if self.cluster.nodes[to].running().is_some() => {
                    let den = &self.channels[1];
                    let status = self.cluster.patch(to, den, Some(limit)).await;
                    format!("sees limit {limit} by node {to}: {status}")
                }
                _ => continue,
            };
            self.note(format!("{who} {did}"));
        }
    }
}
