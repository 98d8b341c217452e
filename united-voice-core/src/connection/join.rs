//! A join that waits for the directory.

use std::{
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use crate::{
    Admission, AdmitError, Now, RequestError, VoiceConnection, VoiceDirectory, VoiceServer,
    signaling::{Joined, PendingJoin},
};

pub(super) struct JoinUnderWay {
    pub(super) request: PendingJoin,
    since: Instant,
    /// When to stop waiting.
    pub(super) deadline: Instant,
    answer: DirectoryAnswer,
}

type DirectoryAnswer = Pin<Box<dyn Future<Output = Result<Admission, AdmitError>> + Send>>;

impl JoinUnderWay {
    pub(super) fn new<D: VoiceDirectory>(
        server: &VoiceServer<D>,
        connection: &VoiceConnection,
        request: PendingJoin,
        since: Instant,
        deadline: Instant,
    ) -> Self {
        Self {
            since,
            deadline,
            answer: ask(server, connection, &request),
            request,
        }
    }

    /// Joins once the directory has answered. If the policy changed meanwhile, it asks again.
    pub(super) fn poll<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        connection: &VoiceConnection,
        cx: &mut Context<'_>,
        now: Now,
    ) -> Poll<Result<Joined, RequestError>> {
        while let Poll::Ready(answer) = self.answer.as_mut().poll(cx) {
            match self.request.admitted(server, connection, answer, now.wall) {
                ControlFlow::Continue(()) => self.answer = ask(server, connection, &self.request),
                ControlFlow::Break(joined) => {
                    self.count(connection, now);
                    return Poll::Ready(joined);
                }
            }
        }
        Poll::Pending
    }

    /// Counts how long the join has waited.
    pub(super) fn count(&self, connection: &VoiceConnection, now: Now) {
        let waited = now.monotonic.saturating_duration_since(self.since);
        connection.registry().counters().join_waited(waited);
    }
}

fn ask<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    join: &PendingJoin,
) -> DirectoryAnswer {
    // The future is kept beside the connection, so it owns what it needs. Each clone copies a
    // pointer.
    let (server, user) = (server.clone(), connection.user().clone());
    let channel = join.channel.clone();
    Box::pin(async move { server.directory().admit(&user, &channel).await })
}
