//! A connection without a transport. It sends whole envelopes.

use std::{pin::Pin, sync::Arc, time::UNIX_EPOCH};

use futures::FutureExt;
use united_voice_core::{
    VoiceConnection,
    proto::ws::{Envelope, envelope::Payload},
    signaling,
    test_util::RecordingSink,
};

use super::{lines::line, payloads::join, server::Server, user};

pub(crate) struct Asker {
    pub(crate) connection: VoiceConnection,
    pub(crate) sink: Arc<RecordingSink>,
    server: Server,
}

impl Asker {
    pub(crate) fn new(server: &Server, name: &str) -> Self {
        let sink = Arc::new(RecordingSink::default());
        let connection = server
            .connect(&user(name), sink.clone())
            .expect("connected");
        Self {
            connection,
            sink,
            server: server.clone(),
        }
    }

    pub(crate) fn joined(server: &Server, name: &str, channel: &str) -> Self {
        let peer = Self::new(server, name);
        let told = peer.ask(join(channel));
        assert!(told[0].starts_with("#7 response"), "{told:?}");
        peer
    }

    /// Sends a payload under the request id 7 and returns the answers as lines. The payload must be
    /// one that is handled at once.
    pub(crate) fn ask(&self, payload: Payload) -> Vec<String> {
        self.ask_as("7", Some(payload))
    }

    pub(crate) fn ask_as(&self, request_id: &str, payload: Option<Payload>) -> Vec<String> {
        let dispatched = self.dispatch(request_id, payload);
        dispatched.now_or_never().expect("at once");
        self.lines()
    }

    /// Sends a payload that has to wait, under the request id 7.
    pub(crate) fn begin(&self, payload: Payload) -> Pin<Box<impl Future<Output = ()>>> {
        let mut dispatched = Box::pin(self.dispatch("7", Some(payload)));
        assert!(dispatched.as_mut().now_or_never().is_none(), "it waits");
        dispatched
    }

    fn dispatch(&self, request_id: &str, payload: Option<Payload>) -> impl Future<Output = ()> {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload,
        };
        signaling::dispatch(&self.server, &self.connection, envelope, UNIX_EPOCH)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.sink.take().iter().map(line).collect()
    }
}
