//! How long a client may take for each request of a connection.
//!
//! Web frameworks limit the first request of a connection, and each limits something else. This
//! clock sees only the bytes that come and go, so it treats every request alike, on every
//! framework. It stops when the connection becomes a WebSocket.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::REQUEST_PATIENCE;

/// How long a connection is kept for the next request. Proxies must give a connection up before the
/// server does, or a request of theirs meets a closed one: nginx keeps it for 60 s, and so do most
/// load balancers.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long the answer may take from the end of the head: the time for the body, and as much again.
const ANSWER_PATIENCE: Duration = REQUEST_PATIENCE.saturating_mul(2);

/// How long a client may take to read the rest of an answer that the kernel can't take all at once.
/// The files of the page are small. A list of a megabyte needs a line of about 400 kbit/s.
const UNREAD_PATIENCE: Duration = Duration::from_secs(20);

/// The status line of an answer after which the connection is a WebSocket.
const SWITCHED: &[u8] = b"HTTP/1.1 101";

/// The status line of an answer that is none yet.
const CONTINUE: &[u8] = b"HTTP/1.1 100";

#[derive(Debug)]
pub(crate) struct RequestClock {
    stage: Stage,
    alarm: Pin<Box<Sleep>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No byte of the next request has come.
    Idle,
    /// A part of the head has come.
    Head(Line),
    /// The answer is awaited.
    Answer,
    /// The client does not read the answer fast enough.
    Unread,
}

/// How much of a line of a head has come. The head ends with an empty line. Lines end with LF,
/// mostly after CR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Something,
    Nothing,
    Cr,
}

/// What becomes of a connection after some bytes were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It waits for the next request.
    Answered,
    /// It is a WebSocket.
    Switched,
}

/// What a client has not done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// Sent the next request.
    Idle,
    /// Sent the whole request.
    Request,
    /// Read the answer.
    Answer,
}

impl RequestClock {
    /// A clock for a connection that was accepted at the time `now`. The first head must be there
    /// [`REQUEST_PATIENCE`] later.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            stage: Stage::Head(Line::Something),
            alarm: Box::pin(sleep_until(now + REQUEST_PATIENCE)),
        }
    }

    /// The client has sent these bytes.
    pub(crate) fn received(&mut self, bytes: &[u8], now: Instant) {
        let mut line = match self.stage {
            Stage::Idle => {
                self.set(Stage::Head(Line::Something), now + REQUEST_PATIENCE);
                Line::Something
            }
            Stage::Head(line) => line,
            Stage::Answer | Stage::Unread => return,
        };
        for byte in bytes {
            line = match (byte, line) {
                (b'\n', Line::Something) => Line::Nothing,
                (b'\r', Line::Nothing) => Line::Cr,
                (b'\n', Line::Nothing | Line::Cr) => {
                    self.set(Stage::Answer, now + ANSWER_PATIENCE);
                    return;
                }
                _ => Line::Something,
            };
        }
        self.stage = Stage::Head(line);
    }

    /// The server has sent these bytes.
    pub(crate) fn sent(&mut self, bytes: &[u8], now: Instant) -> Sent {
        if bytes.starts_with(SWITCHED) {
            return Sent::Switched;
        }
        // The client may send its body now. The answer comes after that.
        if bytes.starts_with(CONTINUE) {
            return Sent::Answered;
        }
        // More may wait. A client that takes a little now and then gets no more time.
        if self.stage != Stage::Unread {
            self.set(Stage::Idle, now + KEEP_ALIVE);
        }
        Sent::Answered
    }

    /// The server can't send at the moment.
    pub(crate) fn blocked(&mut self, now: Instant) {
        if self.stage != Stage::Unread {
            self.set(Stage::Unread, now + UNREAD_PATIENCE);
        }
    }

    /// Everything is sent.
    pub(crate) fn flushed(&mut self, now: Instant) {
        if self.stage == Stage::Unread {
            self.set(Stage::Idle, now + KEEP_ALIVE);
        }
    }

    /// Whether the head of a request is incomplete.
    pub(crate) fn is_half_open(&self) -> bool {
        matches!(self.stage, Stage::Head(_))
    }

    /// Why the client's time is up, if it is.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        self.alarm.as_mut().poll(cx).map(|()| match self.stage {
            Stage::Idle => Expired::Idle,
            Stage::Head(_) | Stage::Answer => Expired::Request,
            Stage::Unread => Expired::Answer,
        })
    }

    fn set(&mut self, stage: Stage, until: Instant) {
        self.stage = stage;
        self.alarm.as_mut().reset(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock, and the time.
    struct Watched {
        clock: RequestClock,
        now: Instant,
    }

    impl Watched {
        fn new() -> Self {
            let now = Instant::now();
            let clock = RequestClock::new(now);
            Self { clock, now }
        }

        fn received(&mut self, text: &str) {
            self.clock.received(text.as_bytes(), self.now);
        }

        fn answered(&mut self) {
            let sent = self.clock.sent(b"HTTP/1.1 200 OK\r\n\r\n", self.now);
            assert_eq!(sent, Sent::Answered);
        }

        /// Whether the client's time is up this many seconds later.
        fn is_up_after(&mut self, seconds: u64) -> bool {
            self.now += Duration::from_secs(seconds);
            self.now >= self.clock.alarm.deadline()
        }
    }

    #[tokio::test]
    async fn the_first_request_must_come_soon() {
        let mut client = Watched::new();
        assert!(!client.is_up_after(9));
        assert!(client.is_up_after(1));
    }

    #[tokio::test]
    async fn a_head_that_drips_has_its_time_in_every_request() {
        let mut client = Watched::new();
        for _ in 0..3 {
            client.received("GET / HTTP/1.1\r\n");
            for _ in 0..9 {
                client.received("X");
                assert!(!client.is_up_after(1));
            }
            client.received(": y\r\n\r\n");
            assert!(!client.is_up_after(19));
            client.answered();
            assert!(!client.is_up_after(74));
        }
        client.received("GET / HTTP/1.1\r\n");
        assert!(!client.is_up_after(9));
        client.received("X");
        assert!(client.is_up_after(1));
    }

    #[tokio::test]
    async fn a_body_has_its_time() {
        let mut client = Watched::new();
        client.received("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na");
        assert!(!client.is_up_after(19));
        client.received("b");
        assert!(client.is_up_after(1));
    }

    #[tokio::test]
    async fn a_kept_connection_outlives_those_of_proxies() {
        let mut client = Watched::new();
        client.received("GET / HTTP/1.1\r\n\r\n");
        client.answered();
        assert!(!client.is_up_after(60), "nginx keeps it so long");
        assert!(client.is_up_after(15));
    }

    #[tokio::test]
    async fn an_answer_must_be_read_whole_in_its_time() {
        let mut client = Watched::new();
        client.received("GET / HTTP/1.1\r\n\r\n");
        client.answered();
        client.clock.blocked(client.now);
        for _ in 0..19 {
            assert!(!client.is_up_after(1));
            client.answered();
            client.clock.blocked(client.now);
        }
        assert!(client.is_up_after(1));

        client.clock.flushed(client.now);
        assert!(!client.is_up_after(74));
        client.clock.blocked(client.now);
        assert!(!client.is_up_after(19), "each answer has its time");
    }

    #[tokio::test]
    async fn the_end_of_a_head_is_found_however_it_is_cut() {
        for (parts, complete) in [
            (&["a\r\n\r\n"][..], true),
            (&["a\r", "\n\r", "\n"], true),
            (&["a", "\r", "\n", "\r", "\n"], true),
            (&["a\r\r\n\r\n"], true),
            (&["a\r\n\r"], false),
            (&["a\r\nb\r\n"], false),
            (&["a\n\n"], true),
            (&["a\nb\n\r", "\n"], true),
            (&["a\r\n\rb\n"], false),
        ] {
            let mut client = Watched::new();
            parts.iter().for_each(|part| client.received(part));
            assert_eq!(client.clock.stage == Stage::Answer, complete, "{parts:?}");
        }
    }

    #[tokio::test]
    async fn a_websocket_needs_no_clock() {
        let mut client = Watched::new();
        let sent = client
            .clock
            .sent(b"HTTP/1.1 101 Switching Protocols\r\n", client.now);
        assert_eq!(sent, Sent::Switched);
    }
}
