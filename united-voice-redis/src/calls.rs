//! Everything that is asked and answered at once: registering, beats, reaping, and what the host
//! wants to know.

use std::time::Instant;

use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};
use thiserror::Error;

use crate::{
    Beaten, DialError, Dialer, Introduction, Link, Nid, Purpose, Reaped, RegisterError, Registered,
    Registration, Roster, ScriptError, parse_close, parse_policy,
};

/// The connection for calls. Any number of tasks may call at the same time.
///
/// # Cancel safety
///
/// A call whose future is dropped may have run or not.
#[derive(Debug)]
pub struct Calls {
    dialer: Dialer,
    current: Mutex<Current>,
    /// Held while a call dials. The calls that wait for it share what comes of it: if each dialed
    /// in turn, the last one would wait for many time-outs, and a beat may be among them.
    dialing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Current {
    link: Option<Link>,
    /// How many connections there were. A call that failed ends only the connection that it used.
    count: u64,
    /// The last attempt to dial that failed, and when it did.
    failed: Option<(Instant, DialError)>,
}

impl Current {
    fn link(&self) -> Option<(Link, u64)> {
        Some((self.link.clone()?, self.count))
    }
}

/// A call failed. Whether it has run is not known.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no connection.
    #[error("no connection for a call")]
    Dial(#[from] DialError),
    /// The script did not run, or its answer did not come.
    #[error("a call failed")]
    Script(#[from] ScriptError),
}

impl Calls {
    /// It dials with the first call.
    pub fn new(dialer: Dialer) -> Self {
        Self {
            dialer,
            current: Mutex::default(),
            dialing: tokio::sync::Mutex::default(),
        }
    }

    /// A process becomes a node.
    ///
    /// # Errors
    ///
    /// The engine refused, or did not answer.
    pub async fn register(&self, who: &Introduction<'_>) -> Result<Registered, RegisterError> {
        let answer = self.ask(&self.dialer.scripts().register(who)).await?;
        Registered::parse(answer)
    }

    /// A node renews its lease: see [`Scripts::beat`](crate::Scripts::beat).
    ///
    /// # Errors
    ///
    /// The lease was not renewed, or the engine did not answer.
    pub async fn beat(
        &self,
        of: &Registration,
        lease_us: u64,
        number: u64,
        earlier: &[Nid],
    ) -> Result<Beaten, CallError> {
        let beat = self.dialer.scripts().beat(of, lease_us, number, earlier);
        Ok(Beaten::parse(self.ask(&beat).await?)?)
    }

    /// Takes out up to 32 seats of a dead node.
    ///
    /// # Errors
    ///
    /// The script did not run, or the engine did not answer.
    pub async fn reap(&self, of: &Registration, dead: Nid) -> Result<Reaped, CallError> {
        let reap = self.dialer.scripts().reap(of, dead);
        Ok(Reaped::parse(self.ask(&reap).await?)?)
    }

    /// A limit has changed. Returns the epoch that all joins need from now on.
    ///
    /// # Errors
    ///
    /// The script did not run, or the engine did not answer.
    pub async fn policy(&self, of: &Registration) -> Result<u64, CallError> {
        let policy = self.dialer.scripts().policy(of);
        Ok(parse_policy(self.ask(&policy).await?)?)
    }

    /// The node ends.
    ///
    /// # Errors
    ///
    /// The script did not run, or the engine did not answer.
    pub async fn close(&self, of: &Registration) -> Result<(), CallError> {
        let close = self.dialer.scripts().close(of);
        Ok(parse_close(self.ask(&close).await?)?)
    }

    /// Who is in a channel.
    ///
    /// # Errors
    ///
    /// The engine did not answer.
    pub async fn roster(&self, channel: &str) -> Result<Roster, CallError> {
        let roster = self.dialer.scripts().roster(channel);
        Ok(Roster::parse(self.ask(&roster).await?)?)
    }

    /// Who is in each of these channels, by one message to the engine.
    ///
    /// # Errors
    ///
    /// The engine did not answer.
    pub async fn rosters(&self, channels: &[&str]) -> Result<Vec<Roster>, CallError> {
        let mut questions = redis::pipe();
        for channel in channels {
            questions.add_command(self.dialer.scripts().roster(channel));
        }
        let answers = self.ask_all(&questions).await?;
        let rosters = answers.into_iter().map(Roster::parse);
        Ok(rosters.collect::<Result<_, _>>()?)
    }

    /// How many are in each of these channels.
    ///
    /// # Errors
    ///
    /// The engine did not answer.
    pub async fn counts(&self, channels: &[&str]) -> Result<Vec<usize>, CallError> {
        let keys = self.dialer.scripts().keys();
        let answers = self.ask_all(&keys.counts(channels.iter().copied())).await?;
        let counts = answers.into_iter().map(redis::from_redis_value);
        let counts: Result<_, _> = counts.collect();
        Ok(counts.map_err(|_| ScriptError::Unexpected)?)
    }

    async fn ask(&self, question: &Cmd) -> Result<Value, CallError> {
        let mut questions = redis::pipe();
        questions.add_command(question.clone());
        let answer = self.ask_all(&questions).await?.pop();
        Ok(answer.ok_or(ScriptError::Unexpected)?)
    }

    /// Returns an answer for each question.
    async fn ask_all(&self, questions: &Pipeline) -> Result<Vec<Value>, CallError> {
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        let (mut link, count) = self.link().await?;
        let mut answers = send(&mut link, questions).await;
        if matches!(answers, Err(ScriptError::NotLoaded)) {
            let load = self.dialer.scripts().load();
            answers = match load.exec_async(&mut link.connection).await {
                Ok(()) => send(&mut link, questions).await,
                Err(error) => Err(error.into()),
            };
        }
        answers.map_err(|error| self.failed(error, count))
    }

    /// The connection, and its number.
    async fn link(&self) -> Result<(Link, u64), DialError> {
        let asked = Instant::now();
        if let Some(link) = self.current.lock().link() {
            return Ok(link);
        }
        let _dialing = self.dialing.lock().await;
        {
            let current = self.current.lock();
            if let Some(link) = current.link() {
                return Ok(link);
            }
            if let Some((at, error)) = &current.failed
                && *at >= asked
            {
                return Err(error.clone());
            }
        }
        let dialed = self.dialer.dial(Purpose::Calls).await;
        let mut current = self.current.lock();
        match dialed {
            Ok(link) => {
                current.link = Some(link.clone());
                current.count += 1;
                Ok((link, current.count))
            }
            Err(error) => {
                current.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Drops the connection that was used, unless it has been replaced.
    fn failed(&self, error: ScriptError, count: u64) -> CallError {
        if matches!(error, ScriptError::Engine(_)) {
            let mut current = self.current.lock();
            if current.count == count {
                current.link = None;
            }
        }
        error.into()
    }
}

async fn send(link: &mut Link, questions: &Pipeline) -> Result<Vec<Value>, ScriptError> {
    let connection = &mut link.connection;
    let answers = connection.send_packed_commands(questions, 0, questions.len());
    // In a pipeline, an error comes as a value.
    let answers = answers.await?.into_iter().map(Value::extract_error);
    Ok(answers.collect::<Result<_, _>>()?)
}
