//! What fails, and what the log says of it.

use std::{borrow::Cow, error::Error, time::Instant};

use super::shared::Shared;
use crate::ScriptError;

/// Why the loops have to stop for a repair.
pub(super) enum Trouble {
    /// Entries of the inbox are lost, and messages perhaps too.
    Lost,
    /// The engine lost its last second.
    Behind,
    /// Others took this node for dead, and ended its registration.
    Fenced,
    /// The engine has its data, but not this registration, although the node was not silent.
    Forgotten,
    /// The engine lost all data.
    Emptied,
    /// The inbox is gone. It had been read to its end.
    InboxGone,
    /// A script failed, for this reason. What it did before is not undone.
    Failed(String),
}

impl Trouble {
    /// For the log.
    pub(super) fn words(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Lost => "entries of its inbox are lost",
            Self::Behind => "the engine lost its last second",
            Self::Fenced => "others took it for dead",
            Self::Forgotten => "the engine no longer knows its registration",
            Self::Emptied => "the engine lost all data",
            Self::InboxGone => "its inbox is gone, and nothing in it was unread",
            Self::Failed(why) => return format!("a script failed: {why}").into(),
        })
    }
}

impl Shared {
    /// Counts and logs that the engine failed.
    pub(super) fn engine_failed(&self, error: &(dyn Error + 'static), what: &str) {
        self.counters.engine_errors.add(1);
        self.log_failure(error, what);
    }

    /// The first failure of an outage is a warning, since it tells the cause. More of them come each
    /// second.
    pub(super) fn log_failure(&self, error: &(dyn Error + 'static), what: &str) {
        let is_first = self.outage.lock().replace(Instant::now()).is_none();
        let error = with_causes(error);
        if is_first {
            tracing::warn!(node = self.name, error, "{what}");
        } else {
            tracing::debug!(node = self.name, error, "{what}");
        }
    }

    /// A beat came back that was sent at `sent`. The outage is over if nothing had failed for a lease
    /// by then: something that fails now and then must not fill the log.
    pub(super) fn engine_works(&self, sent: Instant) {
        let mut outage = self.outage.lock();
        if outage.is_some_and(|last| sent.saturating_duration_since(last) >= self.lease) {
            *outage = None;
            tracing::info!(
                node = self.name,
                "the engine has not failed for a lease; the outage is over"
            );
        }
    }

    /// Counts and names what ended the registration.
    pub(super) fn ended(&self, error: &ScriptError) -> Trouble {
        match error {
            // The engine says the same of both. But nobody takes a node for dead that it hears.
            ScriptError::Fenced if self.pulse.lock().is_cut_off(Instant::now()) => {
                self.counters.fenced.add(1);
                Trouble::Fenced
            }
            ScriptError::Fenced => Trouble::Forgotten,
            ScriptError::Reboot => Trouble::Emptied,
            error => {
                self.counters.engine_errors.add(1);
                Trouble::Failed(with_causes(error))
            }
        }
    }
}

/// An error and its causes in one line.
pub(super) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors print their cause themselves.
        if !line.ends_with(&text) {
            line += ": ";
            line += &text;
        }
        cause = error.source();
    }
    line
}
