//! A join that waits for the directory.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use crate::{
    Admission, AdmitError, Now, RequestError, VoiceConnection, VoiceDirectory, VoiceServer,
    rooms::snapshot::Joined,
    signaling::{PendingJoin, Progress},
};

pub(super) struct JoinUnderWay {
    pub(super) request: PendingJoin,
    since: Instant,
    /// When to stop waiting.
    pub(super) deadline: Instant,
    waits: Waits,
}

/// What the join waits for.
enum Waits {
    Directory(DirectoryAnswer),
    #[cfg(feature = "cluster")]
    Engine(crate::rooms::link::Proposed),
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
            waits: ask(server, connection, &request),
            request,
        }
    }

    /// Joins once the directory has answered, and in a cluster its engine. If the policy changed
    /// meanwhile, it asks again.
    pub(super) fn poll<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        connection: &VoiceConnection,
        cx: &mut Context<'_>,
        now: Now,
    ) -> Poll<Result<Joined, RequestError>> {
        loop {
            let progress = match &mut self.waits {
                Waits::Directory(answer) => {
                    let answer = ready!(answer.as_mut().poll(cx));
                    self.request.admitted(server, connection, answer, now.wall)
                }
                #[cfg(feature = "cluster")]
                Waits::Engine(proposed) => {
                    let decided = ready!(Pin::new(proposed).poll(cx));
                    self.request.decided(server, connection, decided)
                }
            };
            match progress {
                Progress::AskAgain => self.waits = ask(server, connection, &self.request),
                #[cfg(feature = "cluster")]
                Progress::Proposed(proposed) => self.waits = Waits::Engine(proposed),
                Progress::Done(joined) => {
                    self.count(connection, now);
                    return Poll::Ready(joined);
                }
            }
        }
    }

    /// Stops waiting, and answers that it took too long. If the engine has admitted the join just
    /// now, the response is on its way and nothing is answered.
    pub(super) fn give_up(self, connection: &VoiceConnection, now: Now) {
        self.count(connection, now);
        #[cfg(feature = "cluster")]
        if let Waits::Engine(mut proposed) = self.waits
            && let Some(Ok(_)) = proposed.give_up()
        {
            connection.granted_ice();
            connection.registry().counters().join_request(None);
            return;
        }
        self.request.give_up(connection);
    }

    /// Counts how long the join has waited.
    fn count(&self, connection: &VoiceConnection, now: Now) {
        let waited = now.monotonic.saturating_duration_since(self.since);
        connection.registry().counters().join_waited(waited);
    }
}

fn ask<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    join: &PendingJoin,
) -> Waits {
    // The future is kept beside the connection, so it owns what it needs. Each clone copies a
    // pointer.
    let (server, user) = (server.clone(), connection.user().clone());
    let channel = join.channel.clone();
    Waits::Directory(Box::pin(async move {
        server.directory().admit(&user, &channel).await
    }))
}
