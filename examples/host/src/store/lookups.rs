//! Questions about users and channels. All that wait at the same time go to the database in one
//! query.
//!
//! SQLite runs on a thread of its own, and the way there and back costs more than the look-up. So
//! the questions go together if many clients come at once. The answers come back as one value,
//! because each row would be a message of its own between the threads. Nothing is cached: the next
//! question asks the database again.

use std::{slice, sync::Arc, time::Instant};

use serde::Deserialize;
use sqlx::SqlitePool;
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
};
use united_voice_core::{ChannelId, UserId};

use super::{Admittance, ChannelKind, database::soon, limit};
use crate::throttle::OncePerMinute;

/// The most questions in one query.
const TOGETHER: usize = 64;

/// The most questions that wait for their turn. Any more wait for room in the channel.
const WAITING: usize = 1024;

/// Returns one [`Row`] for each question. A question is a pair of user and channel. The channel is
/// null if only the user is asked for, and no channel has that id.
const QUERY: &str = "
    SELECT json_group_array(json_array(
        asked.key, u.display_name, u.pubkey, c.kind, CAST(c.max_participants AS INTEGER),
        EXISTS (SELECT 1 FROM bans b
                WHERE b.user_id = u.id AND (b.channel_id IS NULL OR b.channel_id = c.id))))
    FROM json_each(?) AS asked
    LEFT JOIN users u ON u.id = asked.value ->> 0
    LEFT JOIN channels c ON c.id = asked.value ->> 1";

/// Number of the question, display name, public key, kind of the channel, limit of the channel,
/// whether the user is banned.
#[derive(Deserialize)]
struct Row(
    usize,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    u8,
);

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

/// The sending end of the task that asks the database.
#[derive(Clone, Debug)]
pub(super) struct Lookups(mpsc::Sender<Question>);

#[derive(Debug)]
struct Question {
    user: UserId,
    channel: Option<ChannelId>,
    answer: oneshot::Sender<Result<Answer, LookupError>>,
}

/// What the database knows of a user and a channel.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether there is such a user.
    pub(super) has_user: bool,
    /// What decides whether the user may join. `None` if there is no such channel.
    pub(super) admittance: Option<Admittance>,
}

impl Lookups {
    /// Starts the task, which ends when the last clone is gone.
    pub(super) fn new(pool: SqlitePool) -> Self {
        let (questions, waiting) = mpsc::channel(WAITING);
        tokio::spawn(answer_all(pool, waiting));
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

async fn answer_all(pool: SqlitePool, mut waiting: mpsc::Receiver<Question>) {
    let mut questions = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut questions, TOGETHER).await > 0 {
        // The first question wakes this task at once. Let the other tasks that are ready ask too.
        yield_now().await;
        while questions.len() < TOGETHER
            && let Ok(question) = waiting.try_recv()
        {
            questions.push(question);
        }
        match answers(&pool, &questions).await {
            Ok(answers) => {
                for (question, answer) in questions.drain(..).zip(answers) {
                    question.answer(Ok(answer));
                }
            }
            Err(error) if questions.len() > 1 && may_concern_one(&error) => {
                for question in questions.drain(..) {
                    // One question, so one answer.
                    let answers = answers(&pool, slice::from_ref(&question)).await;
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

impl Question {
    fn answer(self, answer: Result<Answer, LookupError>) {
        // The receiver is gone if the client is.
        let _ = self.answer.send(answer);
    }
}

/// Asks all in one query, and returns one answer for each question in the same order.
async fn answers(pool: &SqlitePool, questions: &[Question]) -> Result<Vec<Answer>, sqlx::Error> {
    let pairs = questions.iter().map(|question| {
        let channel = question.channel.as_ref().map(ChannelId::as_str);
        (question.user.as_str(), channel)
    });
    let pairs = serde_json::to_string(&pairs.collect::<Vec<_>>()).expect("texts have a JSON form");
    let query = sqlx::query_scalar(QUERY).bind(pairs);
    let rows: String = query.fetch_one(pool).await?;
    let rows = serde_json::from_str(&rows);
    let mut rows: Vec<Row> = rows.map_err(|error| sqlx::Error::Decode(error.into()))?;
    // An aggregate promises no order.
    rows.sort_unstable_by_key(|row| row.0);
    Ok(rows.into_iter().map(Answer::from).collect())
}

/// Whether a query of several may have failed because of one question: a value without a JSON form
/// fails the whole query.
fn may_concern_one(error: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, Database, Decode};
    matches!(error, Database(_) | Decode(_) | ColumnDecode { .. })
}

impl From<Row> for Answer {
    fn from(Row(_, name, pubkey, kind, max_participants, banned): Row) -> Self {
        let user = name.zip(pubkey);
        Self {
            has_user: user.is_some(),
            admittance: kind.map(|kind| Admittance {
                kind: ChannelKind::from_text(&kind),
                max_participants: limit(max_participants),
                user,
                banned: banned != 0,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
