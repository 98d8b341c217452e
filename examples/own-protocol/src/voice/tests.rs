use futures::FutureExt as _;
use united_voice_core::{
    proto::ws,
    test_util::{SinkUnderTest, conformance},
};

use super::*;
use crate::Limits;

struct UnderTest(Arc<Outbox>);

impl SinkUnderTest for UnderTest {
    type Sink = Sink;

    fn sink(&mut self, capacity: usize) -> Sink {
        self.0 = Arc::new(Outbox::new(Limits {
            messages: capacity,
            bytes: usize::MAX,
        }));
        Sink(Arc::clone(&self.0))
    }

    fn arrived(&mut self) -> Vec<ws::Envelope> {
        let next = || match self.0.next().now_or_never()? {
            Outgoing::Voice(signal) => Some(signal.envelope().clone()),
            other => panic!("not a signal: {other:?}"),
        };
        std::iter::from_fn(next).collect()
    }
}

#[test]
fn the_sink_keeps_its_promises() {
    conformance(&mut UnderTest(Arc::new(Outbox::new(Limits::default()))));
}
