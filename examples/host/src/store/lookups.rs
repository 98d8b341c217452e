//! Questions about users and channels, put to the database as many at a time as wait.
//!
//! SQLite lives on a thread of its own, and the way there and back costs more than the look-up. When a thousand clients come
//! at once, which is when it matters, they go together.

use std::sync::Arc;

use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};
use tokio::sync::{mpsc, oneshot};
use united_voice_core::{ChannelId, UserId};

use super::{Admittance, ChannelKind, limit};

/// The most that are put in one query.
const TOGETHER: usize = 64;

/// The most that wait for their turn; who comes then waits to get in.
const WAITING: usize = 1024;

/// One row for each question, in their order. A question is a pair of user and channel; no channel is null, which no
/// channel's id is.
const QUERY: &str = "
    SELECT u.display_name, u.pubkey, c.kind, CAST(c.max_participants AS INTEGER) AS max_participants,
           EXISTS (SELECT 1 FROM bans b
                   WHERE b.user_id = u.id AND (b.channel_id IS NULL OR b.channel_id = c.id)) AS banned
    FROM json_each(?) AS asked
    LEFT JOIN users u ON u.id = asked.value ->> 0
    LEFT JOIN channels c ON c.id = asked.value ->> 1
    ORDER BY asked.key";

/// Why there is no answer. Whoever asked together shares it.
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
        match rows(&pool, &questions).await {
            Ok(rows) => {
                for (question, row) in questions.drain(..).zip(rows) {
                    // Who asked may be gone.
                    let _ = question.answer.send(read(&row).map_err(Into::into));
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

async fn rows(pool: &SqlitePool, questions: &[Question]) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let pairs = questions.iter().map(|question| {
        let channel = question.channel.as_ref().map(ChannelId::as_str);
        (question.user.as_str(), channel)
    });
    let pairs = serde_json::to_string(&pairs.collect::<Vec<_>>()).expect("texts have a JSON form");
    sqlx::query(QUERY).bind(pairs).fetch_all(pool).await
}

fn read(row: &SqliteRow) -> Result<Answer, sqlx::Error> {
    let name: Option<String> = row.try_get("display_name")?;
    let pubkey: Option<String> = row.try_get("pubkey")?;
    let user = name.zip(pubkey);
    let has_user = user.is_some();
    let kind = row.try_get::<Option<&str>, _>("kind")?;
    let admittance = kind
        .map(|kind| {
            Ok::<_, sqlx::Error>(Admittance {
                kind: ChannelKind::from_text(kind),
                max_participants: limit(row)?,
                user,
                banned: row.try_get("banned")?,
            })
        })
        .transpose()?;
    Ok(Answer {
        has_user,
        admittance,
    })
}

#[cfg(test)]
mod tests;
