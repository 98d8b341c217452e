//! Questions about users and channels, put to the database as many at a time as wait.
//!
//! SQLite lives on a thread of its own, and the way there and back costs more than the look-up. When a thousand clients come
//! at once, which is when it matters, their questions go together. The answers come back as one value, since each row
//! is a message between the threads of its own. No answer is kept: the next question asks the database again.

use std::sync::Arc;

use serde::Deserialize;
use sqlx::SqlitePool;
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
};
use united_voice_core::{ChannelId, UserId};

use super::{Admittance, ChannelKind, limit};

/// The most that are put in one query.
const TOGETHER: usize = 64;

/// The most that wait for their turn; who comes then waits to get in.
const WAITING: usize = 1024;

/// One [`Row`] for each question. A question is a pair of user and channel; no channel is null, which no channel's id is.
const QUERY: &str = "
    SELECT json_group_array(json_array(
        asked.key, u.display_name, u.pubkey, c.kind, CAST(c.max_participants AS INTEGER),
        EXISTS (SELECT 1 FROM bans b
                WHERE b.user_id = u.id AND (b.channel_id IS NULL OR b.channel_id = c.id))))
    FROM json_each(?) AS asked
    LEFT JOIN users u ON u.id = asked.value ->> 0
    LEFT JOIN channels c ON c.id = asked.value ->> 1";

/// The question's number, display name, public key, the channel's kind and limit, and whether the user is banned.
#[derive(Deserialize)]
struct Row(
    usize,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    u8,
);

/// Why there is no answer. Those that asked together share it.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct LookupError(Arc<sqlx::Error>);

impl From<sqlx::Error> for LookupError {
    fn from(error: sqlx::Error) -> Self {
        Self(Arc::new(error))
    }
}

/// The way to the task that asks.
#[derive(Clone, Debug)]
pub(super) struct Lookups(mpsc::Sender<Question>);

#[derive(Debug)]
struct Question {
    user: UserId,
    channel: Option<ChannelId>,
    answer: oneshot::Sender<Result<Answer, LookupError>>,
}

/// What is known of a user and of a channel.
#[derive(Debug)]
pub(super) struct Answer {
    /// There is such a user.
    pub(super) has_user: bool,
    /// Whether the user may join, if there is such a channel.
    pub(super) admittance: Option<Admittance>,
}

impl Lookups {
    /// Starts the task, which ends when the last clone is gone.
    pub(super) fn new(pool: SqlitePool) -> Self {
        let (questions, waiting) = mpsc::channel(WAITING);
        tokio::spawn(answer_all(pool, waiting));
        Self(questions)
    }

    /// Asks, and waits for the answer. Dropping the future takes the question back.
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
        let asked = self.0.send(question).await;
        asked.map_err(|_| sqlx::Error::PoolClosed)?;
        answered.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }
}

async fn answer_all(pool: SqlitePool, mut waiting: mpsc::Receiver<Question>) {
    let mut questions = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut questions, TOGETHER).await > 0 {
        // The first to ask wakes this task before the others had their turn.
        yield_now().await;
        while questions.len() < TOGETHER
            && let Ok(question) = waiting.try_recv()
        {
            questions.push(question);
        }
        match answers(&pool, &questions).await {
            Ok(answers) => {
                for (question, answer) in questions.drain(..).zip(answers) {
                    question.take(Ok(answer));
                }
            }
            Err(error) if questions.len() > 1 && may_concern_one(&error) => {
                for question in questions.drain(..) {
                    let answers = answers(&pool, std::slice::from_ref(&question)).await;
                    question.take(answers.map(|mut answers| answers.swap_remove(0)));
                }
            }
            Err(error) => {
                let error = LookupError::from(error);
                for question in questions.drain(..) {
                    let _ = question.answer.send(Err(error.clone()));
                }
            }
        }
    }
}

impl Question {
    fn take(self, answer: Result<Answer, sqlx::Error>) {
        // The one that asked may be gone.
        let _ = self.answer.send(answer.map_err(Into::into));
    }
}

/// Answers in the order of the questions, as many.
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
    // SQLite does not promise an order, but has no reason to take another.
    rows.sort_unstable_by_key(|row| row.0);
    Ok(rows.into_iter().map(Answer::from).collect())
}

/// Whether one question may get no answer while others would: a value that has no JSON form spoils all.
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
