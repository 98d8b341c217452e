//! A `ConnectionMachine` without a socket. The test sets the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use united_voice_core::{
    Codec, ConnectionMachine, Frame, Now, Step,
    proto::{
        decode, encode_protobuf,
        ws::{Envelope, envelope::Payload},
    },
};

use super::{
    lines::line,
    payloads::join,
    server::{Gated, Server},
    user,
};

/// The wall clock when a test begins, in seconds since 1970.
pub(crate) const EPOCH: u64 = 1_700_000_000;

pub(crate) struct Hosted {
    pub(crate) machine: ConnectionMachine<Gated>,
    pub(crate) now: Now,
    pub(crate) writable: bool,
    pub(crate) wakes: Arc<Wakes>,
}

#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn start() -> Now {
    Now {
        monotonic: Instant::now(),
        wall: UNIX_EPOCH + Duration::from_secs(EPOCH),
    }
}

impl Hosted {
    pub(crate) fn new(server: &Server, name: &str) -> Self {
        Self::with_codec(server, name, Some(Codec::Protobuf))
    }

    pub(crate) fn with_codec(server: &Server, name: &str, codec: Option<Codec>) -> Self {
        let now = start();
        Self::of(
            ConnectionMachine::open(server, &user(name), codec, now),
            now,
        )
    }

    pub(crate) fn of(machine: ConnectionMachine<Gated>, now: Now) -> Self {
        Self {
            machine,
            now,
            writable: true,
            wakes: Arc::default(),
        }
    }

    pub(crate) fn joined(server: &Server, name: &str, channel: &str) -> Self {
        let mut hosted = Self::new(server, name);
        hosted.ask("join", join(channel));
        let steps = hosted.steps();
        assert!(steps[0].starts_with("#join response"), "{steps:?}");
        hosted
    }

    pub(crate) fn ask(&mut self, request_id: &str, payload: Payload) {
        self.receive(Frame::Binary(encode_protobuf(&Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        })));
    }

    pub(crate) fn receive(&mut self, frame: Frame) {
        self.machine.receive(frame, self.now);
    }

    /// Advances the time and runs no step.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall += time;
    }

    pub(crate) fn wait_secs(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds));
    }

    /// Seconds until the machine's deadline, rounded up.
    pub(crate) fn due_in(&self) -> u64 {
        let time = self.machine.deadline() - self.now.monotonic;
        (time + Duration::from_nanos(999_999_999)).as_secs()
    }

    pub(crate) fn step(&mut self) -> Option<Step> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut cx = Context::from_waker(&waker);
        match self.machine.poll_step(&mut cx, self.now, self.writable) {
            Poll::Ready(step) => Some(step),
            Poll::Pending => None,
        }
    }

    /// All steps that are ready now, one line each. Stops after the end of the connection.
    pub(crate) fn steps(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(step) = self.step() {
            let is_end = matches!(step, Step::End(_));
            lines.push(self.describe(step));
            if is_end {
                break;
            }
        }
        lines
    }

    fn describe(&self, step: Step) -> String {
        match step {
            Step::Signal(signal) => match self.machine.encode(signal) {
                Frame::Binary(bytes) => line(&decode(Codec::Protobuf, &bytes, usize::MAX).unwrap()),
                Frame::Text(text) => {
                    let bytes = str::as_bytes(&text);
                    format!(
                        "json {}",
                        line(&decode(Codec::Json, bytes, usize::MAX).unwrap())
                    )
                }
                other => panic!("{other:?}"),
            },
            Step::Ping => "ping".into(),
            Step::Close(Some(close)) => format!("close {}", close.code),
            Step::Close(None) => "close".into(),
            Step::End(disconnect) => format!("end {disconnect:?}"),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn unix_time(&self) -> u64 {
        let since = self.now.wall.duration_since(SystemTime::UNIX_EPOCH);
        since.expect("after 1970").as_secs()
    }
}
