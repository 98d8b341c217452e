//! What core asks of a node.

use std::{sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use tokio::{sync::oneshot, time::timeout};
use united_voice_core::{
    ChannelId,
    cluster::{Cluster, CutOff, Ending, Forward, NodeId, Operation, Said, Saturated},
    proto::voice::{VoiceLeaveReason, VoiceParticipant},
};

use super::{
    RedisNode, convert,
    message::Message,
    shared::{Ask, SentBy, Shared},
};
use crate::{CallError, Nid};

/// How long the host waits for the outcome of what it asked for.
const HOST_PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of a node waits for its leaves.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

#[async_trait]
impl Cluster for RedisNode {
    fn propose(&self, operation: Operation) -> Result<(), Saturated> {
        let shared = &self.shared;
        if matches!(operation, Operation::Join { .. }) && shared.is_cut_off() {
            return Err(Saturated);
        }
        // An operation that this version does not know cannot be asked for by the core it has.
        let is_join = matches!(operation, Operation::Join { .. });
        let Some((operation, asked)) = convert::operation(operation) else {
            return Err(Saturated);
        };
        let ask = Ask::Core { asked, is_join };
        let proposed = shared.outbox.lock().propose(operation, ask);
        shared.work.notify_one();
        proposed.map_err(|_| Saturated)
    }

    fn forward(&self, to: NodeId, message: Forward) -> Result<(), Saturated> {
        if self.shared.is_cut_off() {
            return Err(Saturated);
        }
        let sent = Some((message.sender.clone(), message.channel.clone()));
        let session = message.sender.session.to_u64();
        self.send(to, session, Message::Forward(message), sent)?;
        self.shared.counters.forwarded.add(1);
        Ok(())
    }

    fn speaking(&self, to: &[NodeId], said: Said) {
        if self.shared.is_cut_off() {
            return;
        }
        let message = Message::Said(said.clone()).encode();
        let session = said.session.to_u64();
        let routes: Vec<Nid> = to.iter().map(|node| self.route(*node)).collect();
        let mut outbox = self.shared.outbox.lock();
        let due = outbox.speaking_due();
        for nid in routes {
            // It may be dropped: the next one says more.
            let _ = outbox.speaking(nid, session, message.clone(), None);
        }
        // The writer has to know when the first that waits is due.
        let wakes = outbox.has_work() || outbox.speaking_due() != due;
        drop(outbox);
        if wakes {
            self.shared.work.notify_one();
        }
    }

    fn policy_epoch(&self) -> u64 {
        self.shared.epoch.load(Ordering::SeqCst)
    }

    async fn policy_changed(&self) -> Result<(), CutOff> {
        self.shared.may_ask()?;
        let epoch = self.shared.calls.policy(&self.shared.registration()).await;
        let epoch = epoch.map_err(|error| self.shared.cut_off(&error))?;
        self.shared.epoch.fetch_max(epoch, Ordering::SeqCst);
        Ok(())
    }

    async fn roster(&self, channel: &ChannelId) -> Result<Vec<VoiceParticipant>, CutOff> {
        self.shared.may_ask()?;
        let roster = self.shared.calls.roster(channel.as_str()).await;
        let roster = roster.map_err(|error| self.shared.cut_off(&error))?;
        if roster.is_recovering {
            return Err(CutOff);
        }
        let members = roster.members.into_iter();
        Ok(members.map(convert::participant).collect())
    }

    async fn counts(&self, channels: &[ChannelId]) -> Result<Vec<usize>, CutOff> {
        self.shared.may_ask()?;
        let channels: Vec<&str> = channels.iter().map(ChannelId::as_str).collect();
        self.shared
            .calls
            .counts(&channels)
            .await
            .map_err(|error| self.shared.cut_off(&error))
    }

    async fn end(&self, which: Ending, reason: VoiceLeaveReason) -> Result<usize, CutOff> {
        let reason = convert::reason_number(reason);
        let kick = |user: &str, channel: Option<&ChannelId>| crate::Operation::Kick {
            user: user.into(),
            channel: channel.map(|channel| channel.as_str().into()),
            reason,
            before: None,
        };
        let operation = match &which {
            Ending::User(user) => kick(user.as_str(), None),
            Ending::UserIn(user, channel) => kick(user.as_str(), Some(channel)),
            Ending::Channel(channel) => crate::Operation::Clear {
                channel: channel.as_str().into(),
                reason,
                before: None,
            },
            _ => return Err(CutOff),
        };
        let mut ended = 0;
        loop {
            let (count, more) = self.decided(operation.clone()).await?;
            ended += count;
            if !more {
                return Ok(ended);
            }
        }
    }

    async fn close(&self) {
        let shared = &self.shared;
        let said = async {
            // Not until all messages are acknowledged: that may take longer than a node has.
            while shared.outbox.lock().awaits_outcomes() {
                shared.work.notify_one();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            shared.calls.close(&shared.registration()).await
        };
        match timeout(CLOSE_PATIENCE, said).await {
            Ok(Ok(())) => {}
            // The others end what is left after a lease.
            failed => {
                if let Ok(Err(error)) = failed {
                    shared.engine_failed(&error, "the last call failed");
                }
                tracing::warn!("the engine was not told that this node ends");
            }
        }
        shared.closed.send_replace(true);
    }
}

impl RedisNode {
    fn send(
        &self,
        to: NodeId,
        session: u64,
        message: Message,
        sent: SentBy,
    ) -> Result<(), Saturated> {
        let nid = self.route(to);
        let mut outbox = self.shared.outbox.lock();
        let sent = outbox.forward(nid, session, message.encode(), sent);
        drop(outbox);
        self.shared.work.notify_one();
        sent.map_err(|_| Saturated)
    }

    /// Where messages to a node go.
    fn route(&self, to: NodeId) -> Nid {
        let node = to.get().get();
        let registration = self.shared.routes.lock().get(&node).copied();
        Nid::new(node, registration.unwrap_or_default())
    }

    /// Asks for one operation of the host, and waits until this node has applied its outcome.
    async fn decided(&self, operation: crate::Operation) -> Result<(usize, bool), CutOff> {
        self.shared.may_ask()?;
        let (answer, decided) = oneshot::channel();
        let ask = Ask::Host {
            operation: operation.clone(),
            answer,
        };
        let proposed = self.shared.outbox.lock().propose(operation, ask);
        proposed.map_err(|_| CutOff)?;
        self.shared.work.notify_one();
        let decided = timeout(HOST_PATIENCE, decided).await;
        decided.map_err(|_| CutOff)?.map_err(|_| CutOff)
    }
}

impl Shared {
    /// While the node is cut off, the host is answered at once. To ask the engine all the same would
    /// take seconds.
    fn may_ask(&self) -> Result<(), CutOff> {
        if self.is_cut_off() {
            return Err(CutOff);
        }
        Ok(())
    }

    /// The engine failed while the host asked for something.
    fn cut_off(&self, error: &CallError) -> CutOff {
        self.engine_failed(error, "the engine did not answer the host");
        CutOff
    }
}
