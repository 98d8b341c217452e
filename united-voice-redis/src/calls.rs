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

    /// How many are in each of these channels.
    ///
    /// # Errors
    ///
    /// The engine did not answer.
    pub async fn counts(&self, channels: &[&str]) -> Result<Vec<usize>, CallError> {
        if channels.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.dialer.scripts().keys();
        let (mut link, count) = self.link().await?;
        let counts: Pipeline = keys.counts(channels.iter().copied());
        match counts.query_async(&mut link.connection).await {
            Ok(counts) => Ok(counts),
            Err(error) => Err(self.failed(error.into(), count)),
        }
    }

    async fn ask(&self, command: &Cmd) -> Result<Value, CallError> {
        let (mut link, count) = self.link().await?;
        let mut answer = command.query_async(&mut link.connection).await;
        if let Err(error) = &answer
            && error.code() == Some("NOSCRIPT")
        {
            let load = self.dialer.scripts().load();
            answer = match load.exec_async(&mut link.connection).await {
                Ok(()) => command.query_async(&mut link.connection).await,
                Err(error) => Err(error),
            };
        }
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.failed(error.into(), count)),
        }
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
