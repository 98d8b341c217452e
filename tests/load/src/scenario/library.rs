//! Relays between nodes in this process: from a request in the library of one to the queue of a
//! connection of the next. So WebSockets, and the servers and clients around them, are left out.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, bail, ensure};
use tokio::{sync::mpsc, task::JoinSet};
use united_voice_core::{
    ChannelId, OpenDirectory, Signal, SignalSink, SinkError, UserId, VoiceConnection, VoiceServer,
    signaling::dispatch,
};
use united_voice_proto::{
    voice::{VoiceIceCandidate, VoiceJoinRequest},
    ws::{Envelope, envelope::Payload},
};
use united_voice_redis::{NodeConfig, RedisNode};
use united_voice_redis_server::Engine;

use super::{
    exchange::{Exchange, Order},
    rate::{SIZE, in_turns, measure_delays},
};
use crate::{
    cluster::this_process,
    latency::{Delays, Pacer, Schedule},
    load::Load,
    outcome::Figures,
    payload::Stamp,
};

/// How long a node may take to find its engine, and a member to be seated and known.
const PATIENCE: Duration = Duration::from_secs(10);

type Server = VoiceServer<OpenDirectory>;

/// Sends messages at the rate of the load through an engine of their own, from each of so many nodes
/// in this process to the next. The time of the servers is that of this process.
pub(super) async fn run(load: Load, nodes: usize) -> anyhow::Result<Figures> {
    let engine = Engine::start();
    let prefix = engine.prefix_without_recovery();
    let site = this_process(&engine);
    let mut tasks = JoinSet::new();
    let mut servers = Vec::new();
    for _ in 0..nodes {
        servers.push(start_node(&engine, &prefix, &mut tasks).await?);
    }
    let exchange = Arc::new(Exchange::default());
    let start = Instant::now();
    let delays = Arc::new(Delays::new(start));
    let (trouble, mut troubles) = mpsc::unbounded_channel();
    let mut pairs = Vec::new();
    for (number, own) in servers.iter().enumerate() {
        let next = &servers[(number + 1) % nodes];
        let channel = ChannelId::new(format!("channel-{number}"))?;
        let queue = Recipient {
            exchange: Arc::clone(&exchange),
            delays: Arc::clone(&delays),
            order: Order::new(1).into(),
            trouble: trouble.clone(),
        };
        let target = enter(next, &format!("target-{number}"), &channel, queue).await?;
        let queue = Unasked(trouble.clone());
        let sender = enter(own, &format!("sender-{number}"), &channel, queue).await?;
        // The node of the sender learns of the target with the answer to the sender's join.
        ensure!(
            own.registry().participants(&channel).len() == 2,
            "the target is not known"
        );
        pairs.push((own.clone(), channel, sender, target));
    }
    for ((server, channel, connection, target), schedule) in
        pairs.into_iter().zip(in_turns(load.rate, nodes, start)?)
    {
        let sender = Sender {
            server,
            connection,
            target: target.user().to_string(),
            channel: channel.to_string(),
            exchange: Arc::clone(&exchange),
            schedule,
            start,
            _target: target,
        };
        tasks.spawn(sender.run());
    }
    tasks.spawn(async move { Err(troubles.recv().await.context("there are no queues")?) });
    measure_delays(load, &site, exchange, tasks, &delays).await
}

async fn start_node(
    engine: &Engine,
    prefix: &str,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<Server> {
    let mut config = NodeConfig::new(engine.url());
    prefix.clone_into(&mut config.prefix);
    let (node, task) = RedisNode::connect(config, PATIENCE).await?;
    let server = VoiceServer::builder(OpenDirectory)
        .cluster(Arc::new(node.clone()))
        .build()?;
    let replica = server.replica();
    tasks.spawn(async {
        task.serve(replica).await;
        bail!("a node has ended")
    });
    node.ready().await;
    Ok(server)
}

/// A member of a channel.
async fn enter(
    server: &Server,
    name: &str,
    channel: &ChannelId,
    sink: impl SignalSink + 'static,
) -> anyhow::Result<VoiceConnection> {
    let connection = server.connect(&UserId::new(name)?, Arc::new(sink))?;
    let request = VoiceJoinRequest {
        channel_id: channel.to_string(),
    };
    ask(server, &connection, Payload::VoiceJoinRequest(request)).await;
    ensure!(connection.seat().is_some(), "{name} was not let in");
    Ok(connection)
}

async fn ask(server: &Server, connection: &VoiceConnection, payload: Payload) {
    let envelope = Envelope {
        request_id: String::new(),
        payload: Some(payload),
    };
    dispatch(server, connection, envelope, SystemTime::now()).await;
}

/// The queue of a sender. What comes is the answer to its join, or a refusal.
struct Unasked(mpsc::UnboundedSender<anyhow::Error>);

impl SignalSink for Unasked {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        if let Payload::VoiceError(error) = signal.payload() {
            let _ = self.0.send(anyhow::anyhow!("refused: {error:?}"));
        }
        Ok(())
    }
}

/// The queue of a target.
struct Recipient {
    exchange: Arc<Exchange>,
    delays: Arc<Delays>,
    order: Mutex<Order>,
    trouble: mpsc::UnboundedSender<anyhow::Error>,
}

impl Recipient {
    fn take(&self, text: &str) -> anyhow::Result<()> {
        let stamp = Stamp::parse(text)?;
        self.delays.record(stamp.due, Instant::now());
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.check(0, stamp.number)?;
        self.exchange.arrived();
        Ok(())
    }
}

impl SignalSink for Recipient {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        if let Payload::VoiceIceCandidate(message) = signal.payload()
            && let Err(error) = self.take(&message.candidate_json)
        {
            let _ = self.trouble.send(error);
        }
        Ok(())
    }
}

struct Sender {
    server: Server,
    connection: VoiceConnection,
    target: String,
    channel: String,
    exchange: Arc<Exchange>,
    schedule: Schedule,
    start: Instant,
    /// Its seat lasts as long as this.
    _target: VoiceConnection,
}

impl Sender {
    /// Ends only if something fails.
    async fn run(self) -> anyhow::Result<()> {
        let pacer = Pacer::new(self.schedule.seen_after(self.start.elapsed()))?;
        let mut number = 0;
        loop {
            for _ in 0..pacer.tick().await? {
                if self.exchange.is_stopped() {
                    continue;
                }
                let due = self.schedule.due(number);
                self.exchange.sent(1);
                let message = VoiceIceCandidate {
                    channel_id: self.channel.clone(),
                    target_user_id: self.target.clone(),
                    candidate_json: Stamp { number, due }.text(SIZE),
                    ..VoiceIceCandidate::default()
                };
                let message = Payload::VoiceIceCandidate(message);
                ask(&self.server, &self.connection, message).await;
                number += 1;
            }
        }
    }
}
