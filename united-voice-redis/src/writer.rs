//! Sends what is in the outbox.

use parking_lot::Mutex;

use crate::{DialError, Dialer, Link, Nid, Outbox, Progress, Purpose, Registration, ScriptError};

/// After so many batches, whoever sends may do something else.
const BATCHES: usize = 16;

/// The connection that writes. It sends one batch at a time, and the next one after all answers to
/// it have come.
#[derive(Debug)]
pub struct Writer {
    dialer: Dialer,
    link: Option<Link>,
    run_id: Option<String>,
}

/// How sending went.
#[derive(Debug)]
#[non_exhaustive]
pub enum Flushed {
    /// Nothing is left to send.
    Done,
    /// Sixteen batches were sent, and more is left.
    More,
    /// There is no connection. Wait, and try again.
    NoConnection(DialError),
    /// The connection was cut. What was on its way is sent again next time.
    Cut(ScriptError),
    /// The engine lost its last second. Register anew.
    Gap,
    /// The registration has ended: [`ScriptError::Fenced`], [`ScriptError::Reboot`] or
    /// [`ScriptError::Failed`].
    Ended(ScriptError),
}

impl Writer {
    /// It dials with the first [`flush`](Self::flush).
    pub fn new(dialer: Dialer) -> Self {
        Self {
            dialer,
            link: None,
            run_id: None,
        }
    }

    /// Sends until nothing is left, or something fails, or 16 batches were sent. Messages that did not arrive are added to
    /// `bounced`.
    ///
    /// # Locking
    ///
    /// The outbox is locked for short times, and never while the engine is waited for.
    ///
    /// # Cancel safety
    ///
    /// A batch that was on its way is sent again by the next call. What was added to `bounced` stays
    /// there, so it must not be dropped with the future.
    pub async fn flush<A, M>(
        &mut self,
        outbox: &Mutex<Outbox<A, M>>,
        of: &Registration,
        bounced: &mut Vec<M>,
    ) -> Flushed {
        // The connection is put back only if it has survived.
        let mut link = match self.link.take() {
            Some(link) => link,
            None => match self.dialer.dial(Purpose::Calls).await {
                Ok(link) => link,
                Err(error) => return Flushed::NoConnection(error),
            },
        };
        if self
            .run_id
            .as_ref()
            .is_some_and(|before| *before != link.run_id)
        {
            // The engine may lack its last second.
            outbox.lock().resend();
        }
        self.run_id = Some(link.run_id.clone());
        for _ in 0..BATCHES {
            let pipeline = outbox.lock().pipeline(self.dialer.scripts(), of);
            if pipeline.is_empty() {
                self.link = Some(link);
                return Flushed::Done;
            }
            let sending = link
                .connection
                .send_packed_commands(&pipeline, 0, pipeline.len());
            let answers = match sending.await {
                Ok(answers) => answers,
                Err(error) => return Flushed::Cut(error.into()),
            };
            let (back, progress) = outbox.lock().answered(answers);
            bounced.extend(back);
            match progress {
                Progress::Done | Progress::Again => {}
                Progress::Load => {
                    let load = self.dialer.scripts().load();
                    if let Err(error) = load.exec_async(&mut link.connection).await {
                        return Flushed::Cut(error.into());
                    }
                }
                Progress::Gap => {
                    self.link = Some(link);
                    return Flushed::Gap;
                }
                Progress::Ended(error) => {
                    self.link = Some(link);
                    return Flushed::Ended(error);
                }
                Progress::Cut(error) => return Flushed::Cut(error),
            }
        }
        self.link = Some(link);
        Flushed::More
    }

    /// Removes from the inbox what stands before the entry `before`, if there is a connection.
    ///
    /// # Errors
    ///
    /// The engine did not do it. That is no harm: the next call removes it.
    ///
    /// # Cancel safety
    ///
    /// It has been removed, or will be by the next call.
    pub async fn trim(&mut self, nid: Nid, before: &str) -> Result<(), ScriptError> {
        // The connection is put back only if it has survived.
        let Some(mut link) = self.link.take() else {
            return Ok(());
        };
        let trim = self.dialer.scripts().keys().trim_inbox(nid, before);
        trim.exec_async(&mut link.connection).await?;
        self.link = Some(link);
        Ok(())
    }
}
