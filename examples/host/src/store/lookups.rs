//! Questions about users and channels. All that wait at the same time go to the database in one
//! query.
//!
//! SQLite runs on a thread of its own, and PostgreSQL on another machine. The way there and back
//! costs more than the look-up. So the questions go together if many clients come at once. Nothing
//! is cached: the next question asks the database again.

use std::{slice, sync::Arc, time::Instant};

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::yield_now,
};
use united_voice_core::{ChannelId, UserId};

use super::{Backend, answer::Answer, soon};
use crate::throttle::OncePerMinute;

/// The most questions in one query.
const TOGETHER: usize = 64;

/// The most questions that wait for their turn. Any more wait for room in the channel.
const WAITING: usize = 1024;

/// Why there is no answer. Questions that went together share it.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct LookupError(Arc<sqlx::Error>);

impl From<sqlx::Error> for LookupError {
    fn from(error: sqlx::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl LookupError {
    /// Says in the log that the database failed, at most once a minute: a database that fails one
    /// request fails all of them.
    pub(crate) fn log(&self) {
        static FAILURES: OncePerMinute = OncePerMinute::new();
        if let Some(unsaid) = FAILURES.pass(Instant::now()) {
            tracing::warn!(error = %self, unsaid, "the database failed a request");
        }
    }
}

/// The sending end of the tasks that ask the database.
#[derive(Clone, Debug)]
pub(super) struct Lookups(mpsc::Sender<Question>);

#[derive(Debug)]
struct Question {
    user: UserId,
    channel: Option<ChannelId>,
    answer: oneshot::Sender<Result<Answer, LookupError>>,
}

impl Lookups {
    /// Starts the tasks, which end when the last clone is gone.
    pub(super) fn new(backend: &Backend) -> Self {
        let (questions, waiting) = mpsc::channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..backend.queries_under_way() {
            tokio::spawn(answer_all(backend.clone(), Arc::clone(&waiting)));
        }
        Self(questions)
    }

    /// Asks, and waits for the answer as long as for a query. If the future is dropped, the answer
    /// is too.
    pub(super) async fn ask(
        &self,
        user: &UserId,
        channel: Option<&ChannelId>,
    ) -> Result<Answer, LookupError> {
        let (answer, answered) = oneshot::channel();
        let question = Question {
            user: user.clone(),
            channel: channel.cloned(),
            answer,
        };
        let answered = async {
            let asked = self.0.send(question).await;
            asked.map_err(|_| sqlx::Error::PoolClosed)?;
            answered.await.map_err(|_| sqlx::Error::WorkerCrashed)
        };
        soon(answered).await?
    }
}

async fn answer_all(backend: Backend, waiting: Arc<Mutex<mpsc::Receiver<Question>>>) {
    let mut questions = Vec::with_capacity(TOGETHER);
    while gather(&waiting, &mut questions).await {
        match answers(&backend, &questions).await {
            Ok(answers) => {
                for (question, answer) in questions.drain(..).zip(answers) {
                    question.answer(Ok(answer));
                }
            }
            Err(error) if questions.len() > 1 && backend.may_concern_one(&error) => {
                for question in questions.drain(..) {
                    // One question, so one answer.
                    let answers = answers(&backend, slice::from_ref(&question)).await;
                    let answer = answers.map(|mut answers| answers.swap_remove(0));
                    question.answer(answer.map_err(LookupError::from));
                }
            }
            Err(error) => {
                let error = LookupError::from(error);
                for question in questions.drain(..) {
                    question.answer(Err(error.clone()));
                }
            }
        }
    }
}

/// Waits for questions, and takes those that there are. `false` if nobody can ask any more.
async fn gather(waiting: &Mutex<mpsc::Receiver<Question>>, questions: &mut Vec<Question>) -> bool {
    // While one task waits for the first question, the others wait for the lock.
    let mut waiting = waiting.lock().await;
    if waiting.recv_many(questions, TOGETHER).await == 0 {
        return false;
    }
    // The first question wakes this task at once. Let the other tasks that are ready ask too.
    yield_now().await;
    while questions.len() < TOGETHER
        && let Ok(question) = waiting.try_recv()
    {
        questions.push(question);
    }
    true
}

impl Question {
    fn answer(self, answer: Result<Answer, LookupError>) {
        // The receiver is gone if the client is.
        let _ = self.answer.send(answer);
    }
}

/// Asks all in one query, and returns one answer for each question in the same order.
async fn answers(backend: &Backend, questions: &[Question]) -> Result<Vec<Answer>, sqlx::Error> {
    let pairs: Vec<_> = questions
        .iter()
        .map(|question| {
            let channel = question.channel.as_ref().map(ChannelId::as_str);
            (question.user.as_str(), channel)
        })
        .collect();
    match backend {
        // SQLite has time limits of its own.
        Backend::Sqlite(database) => database.look_up(&pairs).await,
        // A server that is gone without a word would keep all later questions waiting.
        Backend::Postgres(database) => soon(database.look_up(&pairs)).await,
    }
}

impl Backend {
    /// How many queries for questions may run at the same time. SQLite is fastest with one. On the
    /// way to PostgreSQL and back a second one saves others the wait.
    fn queries_under_way(&self) -> usize {
        match self {
            Self::Sqlite(_) => 1,
            Self::Postgres(_) => 2,
        }
    }

    /// Whether a query of several may have failed because of one question. In SQLite a value that
    /// has no JSON form fails the whole query. PostgreSQL stores no such values.
    fn may_concern_one(&self, error: &sqlx::Error) -> bool {
        use sqlx::Error::{ColumnDecode, Database, Decode};
        matches!(self, Self::Sqlite(_))
            && matches!(error, Database(_) | Decode(_) | ColumnDecode { .. })
    }
}

#[cfg(test)]
mod tests;
