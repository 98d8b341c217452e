//! Writers and readers of two nodes, while their connections are cut again and again.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};
use united_voice_redis::{
    Arrived, Dialer, Flags, Flushed, Introduction, Nid, Operation, Outbox, Purpose, Reader, Record,
    Registered, Registration, Roster, Scripts, Writer,
};
use united_voice_redis_server::{Data, Engine};

use crate::cluster::fresh_keys;

const USERS: u64 = 8;
const ROUNDS: u64 = 150;
const LEASE: u64 = 60_000_000;

/// What a node has seen.
#[derive(Default)]
struct Seen {
    /// Who asked for the operations whose outcomes have come.
    outcomes: Vec<u64>,
    messages: Vec<Vec<u8>>,
    versions: Vec<u64>,
}

struct Peer {
    of: Registration,
    epoch: u64,
    dialer: Dialer,
    outbox: Mutex<Outbox<u64, u64>>,
    seen: Mutex<Seen>,
}

impl Peer {
    async fn new(dialer: Dialer, node: u32) -> Arc<Self> {
        let nid = Nid::new(node, 1);
        let mut link = dialer.dial(Purpose::Calls).await.expect("dialed");
        let command = dialer.scripts().register(&Introduction {
            boot: b"boot",
            nid,
            name: "node",
            fingerprint: b"",
            rotated: b"",
            lease_us: LEASE,
            has_seats: false,
        });
        let answer = command
            .query_async(&mut link.connection)
            .await
            .expect("an answer");
        let registered = Registered::parse(answer).expect("registered");
        Arc::new(Self {
            of: Registration {
                boot: registered.boot,
                nid,
            },
            epoch: registered.epoch,
            dialer,
            outbox: Mutex::default(),
            seen: Mutex::default(),
        })
    }

    async fn write(self: Arc<Self>) {
        let mut writer = Writer::new(self.dialer.clone());
        let mut bounced = Vec::new();
        loop {
            match writer.flush(&self.outbox, &self.of, &mut bounced).await {
                Flushed::Done | Flushed::More | Flushed::NoConnection(_) | Flushed::Cut(_) => {}
                other => panic!("{other:?}"),
            }
            assert!(bounced.is_empty(), "no node is gone");
            sleep(Duration::from_millis(2)).await;
        }
    }

    async fn read(self: Arc<Self>) {
        let mut reader = Reader::new(self.dialer.clone(), self.of.nid);
        loop {
            let Ok(reading) = reader.read().await else {
                continue;
            };
            assert_eq!(reading.trouble, None);
            let (mut outbox, mut seen) = (self.outbox.lock(), self.seen.lock());
            for arrived in reading.arrived {
                match arrived {
                    Arrived::Entry(entry) => {
                        let asked = entry.asked.map(|number| outbox.outcome(number));
                        seen.outcomes.extend(asked.unwrap_or_default());
                        if !matches!(entry.record, Record::Tick { .. }) {
                            seen.versions.push(entry.version);
                        }
                    }
                    Arrived::Pack(pack) => {
                        let from = pack.from;
                        seen.messages.extend(outbox.received(pack));
                        outbox.handled(from, vec![]);
                    }
                }
            }
        }
    }

    async fn age(self: Arc<Self>) {
        let mut second = interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            self.outbox.lock().tick();
        }
    }

    /// What each user of this node does in one round: join, mute, say something, leave.
    fn live(&self, round: u64, to: Nid) {
        let mut outbox = self.outbox.lock();
        for user in 0..USERS {
            let session = u64::from(self.of.nid.node) << 32 | round << 8 | user;
            let name = format!("user {user} of {}", self.of.nid);
            let operations = [
                Operation::Join {
                    session,
                    user: name.clone(),
                    channel: format!("channel {}", round % 3),
                    limit: None,
                    epoch: self.epoch,
                    profile: vec![],
                },
                Operation::State {
                    session,
                    user: name.clone(),
                    flags: Flags::own(true, false),
                },
                Operation::Leave {
                    session,
                    user: name,
                    reason: 1,
                },
            ];
            // In the last round they stay.
            let count = if round == ROUNDS - 1 { 2 } else { 3 };
            for (place, operation) in operations.into_iter().take(count).enumerate() {
                let asked = (round * USERS + user) * 3 + place as u64;
                outbox.propose(operation, asked).expect("room");
            }
            let message = format!("{round} {user}").into_bytes();
            outbox.forward(to, session, message, session).expect("room");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_once_and_in_order_although_connections_are_cut() {
    let engine = Engine::start();
    let scripts = Arc::new(Scripts::new(fresh_keys()));
    let dialer = Dialer::new(&engine.url(), None, Arc::clone(&scripts)).expect("a URL");
    let peers = [
        Peer::new(dialer.clone(), 1).await,
        Peer::new(dialer, 2).await,
    ];
    let mut control = engine.connection();
    let recover = format!("{}recover", scripts.keys().tagged());
    redis::cmd("DEL")
        .arg(recover)
        .exec(&mut control)
        .expect("deleted");

    let mut tasks = JoinSet::new();
    for peer in &peers {
        tasks.spawn(Arc::clone(peer).write());
        tasks.spawn(Arc::clone(peer).read());
        tasks.spawn(Arc::clone(peer).age());
    }
    let mut cuts = 0;
    for round in 0..ROUNDS {
        peers[0].live(round, peers[1].of.nid);
        peers[1].live(round, peers[0].of.nid);
        if round % 3 == 0 {
            let kill = redis::cmd("CLIENT")
                .arg("KILL")
                .arg("TYPE")
                .arg("normal")
                .to_owned();
            let killed: u64 = kill.query(&mut control).expect("an answer");
            cuts += killed;
        }
        // The last time, no new connection loads them again.
        if round % 5 == 4 {
            redis::cmd("SCRIPT")
                .arg("FLUSH")
                .exec(&mut control)
                .expect("flushed");
        }
        sleep(Duration::from_millis(fastrand::u64(5..25))).await;
    }
    assert!(cuts > 20, "{cuts}");

    let deadline = Instant::now() + Duration::from_secs(60);
    let is_done = || peers.iter().all(|peer| peer.outbox.lock().is_empty());
    while !is_done() && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
        assert!(tasks.try_join_next().is_none(), "no task ends");
    }
    assert!(is_done(), "everything was answered and acknowledged");
    for peer in &peers {
        let seen = peer.seen.lock();
        let count = ROUNDS * USERS * 3;
        let all = (0..count).filter(|asked| *asked < count - USERS * 3 || asked % 3 < 2);
        assert!(seen.outcomes.iter().copied().eq(all), "{:?}", seen.outcomes);
        let said = (0..ROUNDS).flat_map(|round| (0..USERS).map(move |user| (round, user)));
        let said = said.map(|(round, user)| format!("{round} {user}").into_bytes());
        assert!(
            seen.messages.iter().cloned().eq(said),
            "{:?}",
            seen.messages
        );
        assert!(seen.versions.is_sorted_by(|one, next| one < next));
    }
    let last = format!("channel {}", (ROUNDS - 1) % 3);
    scripts.load().exec(&mut control).expect("loaded");
    let roster = scripts
        .roster(&last)
        .query(&mut control)
        .expect("an answer");
    let roster = Roster::parse(roster).expect("a roster");
    assert_eq!(roster.members.len() as u64, 2 * USERS);
    assert!(roster.members.iter().all(|member| member.flags.muted()));
}

/// A node that always has something to send would trim its inbox never.
#[tokio::test]
async fn a_writer_with_very_much_to_send_comes_back_in_between() {
    let engine = Engine::shared();
    let scripts = Arc::new(Scripts::new(fresh_keys()));
    let dialer = Dialer::new(&engine.url(), None, scripts).expect("a URL");
    let peer = Peer::new(dialer.clone(), 1).await;
    // A batch has 64 operations.
    for number in 0..17 * 64 {
        let leave = Operation::Leave {
            session: number,
            user: "nobody".into(),
            reason: 1,
        };
        peer.outbox.lock().propose(leave, number).expect("room");
    }
    let mut writer = Writer::new(dialer);
    for more in [true, false] {
        let sent = writer.flush(&peer.outbox, &peer.of, &mut vec![]).await;
        assert_eq!(matches!(sent, Flushed::More), more, "{sent:?}");
        assert_eq!(matches!(sent, Flushed::Done), !more, "{sent:?}");
        assert_eq!(peer.outbox.lock().has_work(), more);
    }
}

#[tokio::test]
async fn after_a_restart_messages_without_acknowledgement_are_sent_again_and_heard_once() {
    let mut engine = Engine::start();
    let scripts = Arc::new(Scripts::new(fresh_keys()));
    let dialer = Dialer::new(&engine.url(), None, Arc::clone(&scripts)).expect("a URL");
    let [a, b] = [
        Peer::new(dialer.clone(), 1).await,
        Peer::new(dialer.clone(), 2).await,
    ];
    let mut writer = Writer::new(dialer.clone());
    let mut reader = Reader::new(dialer, b.of.nid);
    let say = |text: &str| a.outbox.lock().forward(b.of.nid, 1, text.into(), 1);
    let mut heard = Vec::new();
    let mut packs = 0;
    for text in ["before", "after"] {
        say(text).expect("room");
        let sent = writer.flush(&a.outbox, &a.of, &mut vec![]).await;
        if text == "after" {
            // It has noticed that its connection is gone.
            assert!(matches!(sent, Flushed::Cut(_)), "{sent:?}");
            let sent = writer.flush(&a.outbox, &a.of, &mut vec![]).await;
            assert!(matches!(sent, Flushed::Done), "{sent:?}");
            assert!(reader.read().await.is_err());
            let mut link = b.dialer.dial(Purpose::Calls).await.expect("dialed");
            let beat = scripts.beat(&b.of, LEASE, 1, &[]);
            beat.exec_async(&mut link.connection).await.expect("beaten");
        }
        let expected = if text == "before" { 1 } else { 3 };
        let deadline = Instant::now() + Duration::from_secs(60);
        while packs < expected || (text == "after" && reader.beat() == 0) {
            assert!(Instant::now() < deadline, "only {packs} packs");
            let reading = reader.read().await.expect("read");
            assert_eq!(reading.trouble, None);
            for arrived in reading.arrived {
                if let Arrived::Pack(pack) = arrived {
                    packs += 1;
                    let (from, mut outbox) = (pack.from, b.outbox.lock());
                    heard.extend(outbox.received(pack));
                    outbox.handled(from, vec![]);
                }
            }
        }
        if text == "before" {
            engine.wait_until_written();
            engine.restart(Data::Kept);
        }
    }
    // The inbox was read again from its beginning, and both were sent again in one pack.
    assert_eq!(heard, [b"before".to_vec(), b"after".to_vec()]);
}
