//! What the engine's answers to the commands of a batch mean.

use redis::Value;

use super::Progress;
use crate::{Operation, Ran, ScriptError};

/// `None` if the operation is done.
pub(super) fn operation_answered(operation: &mut Operation, answer: Value) -> Option<Progress> {
    match Ran::parse(answer) {
        Ok(Ran::Now | Ran::Before) => None,
        Ok(Ran::Gap) => Some(Progress::Gap),
        Err(ScriptError::NoMemory) => {
            // All that follows is a gap until somebody uses up the number.
            *operation = Operation::Skip;
            Some(Progress::Again)
        }
        Err(ScriptError::NotLoaded) => Some(Progress::Load),
        Err(error @ (ScriptError::Engine(_) | ScriptError::Unexpected)) => {
            Some(Progress::Cut(error))
        }
        Err(error) => Some(Progress::Ended(error)),
    }
}

/// Whether the engine took a pack.
pub(super) enum Taken {
    Yes,
    /// Its node has died, or has registered anew and this one does not know yet.
    NoInbox,
    /// The engine has no memory.
    Full,
}

pub(super) fn pack_answered(answer: Value) -> Result<Taken, ScriptError> {
    match answer.extract_error().map_err(ScriptError::from) {
        Ok(Value::Nil) => Ok(Taken::NoInbox),
        Ok(_) => Ok(Taken::Yes),
        Err(ScriptError::NoMemory) => Ok(Taken::Full),
        Err(error) => Err(error),
    }
}
