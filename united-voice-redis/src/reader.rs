//! Reads the inbox.

use std::time::Duration;

use redis::Value;
use thiserror::Error;
use tokio::time::timeout;

use crate::{
    ANSWER_TIMEOUT, Arrival, Content, Delivery, DialError, Dialer, Entry, InboxNumbers, Link, Nid,
    Pack, Purpose, ScriptError,
};

/// How long the engine waits for the first entry.
const BLOCK: Duration = Duration::from_secs(1);

/// The connection that reads the inbox of one registration.
#[derive(Debug)]
pub struct Reader {
    dialer: Dialer,
    nid: Nid,
    link: Option<Link>,
    run_id: Option<String>,
    read_to: String,
    numbers: InboxNumbers,
}

/// What came out of the inbox.
#[derive(Debug, Default)]
pub struct Reading {
    /// What is new, in its order.
    pub arrived: Vec<Arrived>,
    /// What comes after `arrived` is lost ([`Arrival::Lost`]), or the engine went back
    /// ([`Arrival::Behind`]). This reader reads on, but whoever has it has to repair things.
    pub trouble: Option<Arrival>,
}

/// Something new in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// A script wrote it.
    Entry(Entry),
    /// Another node wrote it.
    Pack(Pack),
}

/// Nothing could be read. The next call dials anew.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no connection.
    #[error("no connection to read the inbox")]
    Dial(#[from] DialError),
    /// The connection was cut.
    #[error("the connection that reads the inbox was cut")]
    Cut(#[from] ScriptError),
    /// The engine did not answer.
    #[error("the engine does not answer to the reader of the inbox")]
    Timeout,
}

impl Reader {
    /// For a new registration, whose inbox is read from its beginning.
    pub fn new(dialer: Dialer, nid: Nid) -> Self {
        Self {
            dialer,
            nid,
            link: None,
            run_id: None,
            read_to: "0".into(),
            numbers: InboxNumbers::new(),
        }
    }

    /// Waits up to a second for entries. It is called again at once, without a pause.
    ///
    /// # Errors
    ///
    /// There is no connection, or it was cut. Nothing is lost by that.
    ///
    /// # Cancel safety
    ///
    /// What was not returned is read again by the next call.
    pub async fn read(&mut self) -> Result<Reading, ReadError> {
        self.read_within(BLOCK).await
    }

    /// Takes the entries that are there, and waits for none.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read).
    pub async fn read_now(&mut self) -> Result<Reading, ReadError> {
        self.read_within(Duration::ZERO).await
    }

    async fn read_within(&mut self, wait: Duration) -> Result<Reading, ReadError> {
        // The connection is put back only if it has survived.
        let mut link = match self.link.take() {
            Some(link) => link,
            None => self.dialer.dial(Purpose::Inbox).await?,
        };
        if self
            .run_id
            .as_ref()
            .is_some_and(|before| *before != link.run_id)
        {
            // The clock of another engine may be behind, so that its new ids would be skipped.
            self.read_to = "0".into();
            self.numbers.reread();
        }
        self.run_id = Some(link.run_id.clone());
        let keys = self.dialer.scripts().keys();
        let block = u64::try_from(wait.as_millis()).expect("a second is short");
        let question = keys.read_inbox(self.nid, &self.read_to, block);
        let asking = question.query_async::<Value>(&mut link.connection);
        let answer = timeout(wait + ANSWER_TIMEOUT, asking).await;
        let answer = answer
            .map_err(|_| ReadError::Timeout)?
            .map_err(ScriptError::from)?;
        let deliveries = Delivery::parse(answer)?;
        self.link = Some(link);
        Ok(self.take(deliveries))
    }

    fn take(&mut self, deliveries: Vec<Delivery>) -> Reading {
        let mut reading = Reading::default();
        for delivery in deliveries {
            self.read_to = delivery.id;
            let (arrival, arrived) = match delivery.content {
                Content::Entry(Ok(entry)) => {
                    (self.numbers.entry(&entry), Some(Arrived::Entry(entry)))
                }
                Content::Pack(Ok(pack)) => {
                    self.numbers.message();
                    (Arrival::New, Some(Arrived::Pack(pack)))
                }
                Content::Unknown => {
                    self.numbers.message();
                    (Arrival::Old, None)
                }
                Content::Entry(Err(error)) | Content::Pack(Err(error)) => {
                    tracing::error!(%error, "the inbox has something that cannot be read");
                    self.numbers.message();
                    (Arrival::Lost, None)
                }
            };
            match arrival {
                Arrival::New => reading.arrived.extend(arrived),
                Arrival::Old => {}
                Arrival::Lost | Arrival::Behind => {
                    reading.trouble = Some(arrival);
                    break;
                }
            }
        }
        reading
    }

    /// The number of the last change that came out.
    pub fn last(&self) -> u64 {
        self.numbers.last()
    }

    /// The number of the last beat that came out. If two are missing, the connection leads nowhere.
    pub fn beat(&self) -> u64 {
        self.numbers.beat()
    }

    /// Drops the connection: the next call dials anew.
    pub fn redial(&mut self) {
        self.link = None;
    }

    /// Everything before this entry has been read.
    pub fn read_to(&self) -> &str {
        &self.read_to
    }
}
