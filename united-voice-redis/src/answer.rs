//! What the scripts answer.

use redis::{RedisError, Value};
use thiserror::Error;

use crate::{CallError, Nid};

/// A script did not do what it was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The engine has lost all data since this node registered.
    #[error("the engine has lost its data")]
    Reboot,
    /// The node was silent for a lease and is being reaped, or the engine has never heard of it.
    #[error("this node's registration has ended")]
    Fenced,
    /// The engine's memory is full, so nobody can join. [`Operation::Skip`](crate::Operation::Skip)
    /// has to take the number.
    #[error("the engine's memory is full")]
    NoMemory,
    /// The engine does not have the script: it restarted. Load the scripts and send again.
    #[error("the engine has no scripts")]
    NotLoaded,
    /// The script stopped with an error. What it did before is not undone, so the node has to
    /// register anew.
    #[error("a script failed")]
    Failed(#[source] RedisError),
    /// Another error of the engine or of the connection, such as a time-out, or an engine that
    /// became a replica. Drop the connection and dial anew.
    #[error("the engine failed")]
    Engine(#[source] RedisError),
    /// No script answers this.
    #[error("an answer that no script gives")]
    Unexpected,
}

impl From<RedisError> for ScriptError {
    fn from(error: RedisError) -> Self {
        match error.code() {
            Some("OOM") => Self::NoMemory,
            Some("NOSCRIPT") => Self::NotLoaded,
            Some("ERR" | "WRONGTYPE") => Self::Failed(error),
            _ => Self::Engine(error),
        }
    }
}

/// Whether an operation ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ran {
    /// Now.
    Now,
    /// Earlier: this was a copy, and it has changed nothing.
    Before,
    /// Not: an earlier number is missing. The engine lost its last second.
    Gap,
}

impl Ran {
    /// Reads the answer to [`Scripts::operation`](crate::Scripts::operation).
    ///
    /// # Errors
    ///
    /// It did not run.
    pub fn parse(value: Value) -> Result<Self, ScriptError> {
        match word(&first(value)?)? {
            "OK" => Ok(Self::Now),
            "DUP" => Ok(Self::Before),
            "GAP" => Ok(Self::Gap),
            other => Err(stopped(other)),
        }
    }
}

/// A process was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// The id of the engine's data.
    pub boot: Vec<u8>,
    /// The policy epoch.
    pub epoch: u64,
    /// For how many microseconds at least no join is admitted.
    pub recovery_us: u64,
    /// Another node that lives has another [`Introduction::rotated`](crate::Introduction::rotated).
    pub differs_in_rotated: bool,
}

/// A process was not registered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Nodes of another major version use these keys.
    #[error("nodes of an incompatible version use this engine and prefix")]
    Format,
    /// The nodes that are there have another secret.
    #[error("the nodes of this engine and prefix have another secret")]
    Fingerprint,
    /// The engine knows this registration. Take the next number.
    #[error("this node is registered already")]
    Taken,
    /// The script did not run, or its answer is not known.
    #[error("no good answer to a registration")]
    Script(#[from] ScriptError),
    /// There was no answer.
    #[error("the engine did not register the node")]
    Call(#[from] CallError),
}

impl RegisterError {
    /// Whether the next attempt can only fail in the same way, so that a server should not start.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Call(CallError::Dial(error)) => error.is_final(),
            // The ACL lacks what a script needs.
            Self::Call(CallError::Script(ScriptError::Engine(error))) => {
                error.code() == Some("NOPERM")
            }
            Self::Call(CallError::Script(error)) => matches!(error, ScriptError::Failed(_)),
            Self::Format | Self::Fingerprint | Self::Taken | Self::Script(_) => true,
        }
    }
}

impl Registered {
    /// Reads the answer to [`Scripts::register`](crate::Scripts::register).
    ///
    /// # Errors
    ///
    /// The engine refused, or did not answer as it should.
    pub fn parse(value: Value) -> Result<Self, RegisterError> {
        let mut parts = array(value)?;
        match word(&parts.next()?)? {
            "OK" => Ok(Self {
                boot: bytes(parts.next()?)?,
                epoch: number(&parts.next()?)?,
                recovery_us: number(&parts.next()?)?,
                differs_in_rotated: number(&parts.next()?)? == 1,
            }),
            "FORMAT" => Err(RegisterError::Format),
            "FINGERPRINT" => Err(RegisterError::Fingerprint),
            "TAKEN" => Err(RegisterError::Taken),
            other => Err(stopped(other).into()),
        }
    }
}

/// A lease was renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Beaten {
    /// The last operation that ran.
    pub operation: u64,
    /// The last change in the inbox.
    pub inbox: u64,
    /// The policy epoch.
    pub epoch: u64,
    /// Whether the inbox is there. If not, the node paused for an hour and has to register anew.
    pub has_inbox: bool,
    /// How many entries the inbox has, read ones too that have not been trimmed. At about 100 000
    /// it loses the oldest.
    pub inbox_length: u64,
    /// For how many microseconds at least no join is admitted; 0 if joins are admitted.
    pub recovery_us: u64,
    /// Up to 8 nodes that are to be reaped.
    pub overdue: Vec<Nid>,
}

impl Beaten {
    /// Reads the answer to [`Scripts::beat`](crate::Scripts::beat).
    ///
    /// # Errors
    ///
    /// The lease was not renewed.
    pub fn parse(value: Value) -> Result<Self, ScriptError> {
        let mut parts = array(value)?;
        parts.ok()?;
        Ok(Self {
            operation: number(&parts.next()?)?,
            inbox: number(&parts.next()?)?,
            epoch: number(&parts.next()?)?,
            has_inbox: number(&parts.next()?)? == 1,
            inbox_length: number(&parts.next()?)?,
            recovery_us: number(&parts.next()?)?,
            overdue: array(parts.next()?)?
                .0
                .map(|nid| Nid::parse(&bytes(nid)?).ok_or(ScriptError::Unexpected))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// What a call of `reap` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaped {
    /// Nothing: that node is not dead.
    Alive,
    /// It took seats out and left others: call again.
    More(usize),
    /// It took the last seats out.
    Done(usize),
}

impl Reaped {
    /// Reads the answer to [`Scripts::reap`](crate::Scripts::reap).
    ///
    /// # Errors
    ///
    /// The script did not run.
    pub fn parse(value: Value) -> Result<Self, ScriptError> {
        let mut parts = array(value)?;
        let what = parts.next()?;
        let seats =
            usize::try_from(number(&parts.next()?)?).map_err(|_| ScriptError::Unexpected)?;
        match word(&what)? {
            "ALIVE" => Ok(Self::Alive),
            "MORE" => Ok(Self::More(seats)),
            "DONE" => Ok(Self::Done(seats)),
            other => Err(stopped(other)),
        }
    }
}

/// Reads the answer to [`Scripts::policy`](crate::Scripts::policy): the new epoch.
///
/// # Errors
///
/// The script did not run.
pub fn parse_policy(value: Value) -> Result<u64, ScriptError> {
    let mut parts = array(value)?;
    parts.ok()?;
    number(&parts.next()?)
}

/// Reads the answer to [`Scripts::close`](crate::Scripts::close).
///
/// # Errors
///
/// The script did not run.
pub fn parse_close(value: Value) -> Result<(), ScriptError> {
    match word(&first(value)?)? {
        "OK" => Ok(()),
        other => Err(stopped(other)),
    }
}

/// The parts of an answer, in their order.
struct Parts(std::vec::IntoIter<Value>);

impl Parts {
    fn next(&mut self) -> Result<Value, ScriptError> {
        self.0.next().ok_or(ScriptError::Unexpected)
    }

    fn ok(&mut self) -> Result<(), ScriptError> {
        match word(&self.next()?)? {
            "OK" => Ok(()),
            other => Err(stopped(other)),
        }
    }
}

fn array(value: Value) -> Result<Parts, ScriptError> {
    match first(value)? {
        Value::Array(parts) => Ok(Parts(parts.into_iter())),
        _ => Err(ScriptError::Unexpected),
    }
}

/// In a pipeline, an error comes as a value.
fn first(value: Value) -> Result<Value, ScriptError> {
    value.extract_error().map_err(ScriptError::from)
}

fn word(value: &Value) -> Result<&str, ScriptError> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).map_err(|_| ScriptError::Unexpected),
        Value::SimpleString(text) => Ok(text),
        Value::Okay => Ok("OK"),
        _ => Err(ScriptError::Unexpected),
    }
}

fn bytes(value: Value) -> Result<Vec<u8>, ScriptError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(ScriptError::Unexpected),
    }
}

fn number(value: &Value) -> Result<u64, ScriptError> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| ScriptError::Unexpected),
        _ => Err(ScriptError::Unexpected),
    }
}

fn stopped(word: &str) -> ScriptError {
    match word {
        "REBOOT" => ScriptError::Reboot,
        "FENCED" => ScriptError::Fenced,
        _ => ScriptError::Unexpected,
    }
}
