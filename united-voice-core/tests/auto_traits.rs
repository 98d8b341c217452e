//! Every public type goes where a host's tasks take it: `Send`, `Sync` and `Unpin`, and so do the
//! futures.

use std::sync::Arc;

use united_voice_core::{
    proto::{Codec, DecodeError, ws::Envelope},
    signaling,
    test_util::RecordingSink,
    *,
};

fn shared<T: Send + Sync + Unpin>() {}
fn owned<T: Send + Sync + Unpin + 'static>() {}
fn sent<T: Send>(_: &T) {}

macro_rules! check {
    ($check:ident: $($type:ty),* $(,)?) => { $( $check::<$type>(); )* };
}

#[test]
fn types() {
    check!(owned:
        UserId, ChannelId, SessionId, IdError, SessionIdError,
        Signal, Urgency, SinkError, CloseReason, Arc<dyn SignalSink>, Box<dyn SignalSink>,
        QueueSink, QueueStream, RecordingSink,
        VoiceRoomRegistry, VoiceEvent, VoiceEvents, EventsMissed,
        VoiceServer<OpenDirectory>, VoiceServerBuilder<OpenDirectory>, Stats, Limits, LimitsError,
        VoiceConnection, Arc<dyn VoiceDirectory>,
        Admission, AdmitError, Profile, OpenDirectory,
        ConnectError, NotInChannel, RequestError,
        IceConfig, TurnConfig, TurnConfigError, TurnCredentials, SharedSecret,
        Frame, CloseFrame, TransportError, Disconnect, Codec, DecodeError, Now,
    );
    // The directory's future, which it holds during a join, can only be sent.
    fn movable<T: Send + Unpin + 'static>() {}
    check!(movable: ConnectionMachine<OpenDirectory>, Step);
    check!(shared: &VoiceConnection, &VoiceRoomRegistry);
}

#[test]
fn clones_are_cheap_and_there() {
    fn cloned<T: Clone>() {}
    check!(cloned:
        UserId, ChannelId, SessionId, Signal, QueueSink, VoiceRoomRegistry, VoiceServer<OpenDirectory>, IceConfig,
        TurnConfig, SharedSecret, Limits, Profile, Admission, Frame, VoiceEvent,
    );
    // What a registry or signal shares is counted, whatever else it holds.
    assert_eq!(size_of::<VoiceRoomRegistry>(), size_of::<usize>());
    assert_eq!(size_of::<VoiceServer<OpenDirectory>>(), size_of::<usize>());
    assert_eq!(size_of::<UserId>(), size_of::<usize>());
    // One may be kept as its bytes alone, with no allocation of its own.
    assert!(size_of::<Signal>() <= 64);
}

#[test]
fn errors_are_errors() {
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    check!(error:
        IdError, SessionIdError, SinkError, EventsMissed, LimitsError, AdmitError, ConnectError,
        NotInChannel, RequestError, TurnConfigError, TransportError, DecodeError,
    );
}

/// A transport that is never used: only the types count.
type Transport = std::pin::Pin<Box<dyn Both + Send>>;

trait Both:
    futures::Stream<Item = Result<Frame, TransportError>> + futures::Sink<Frame, Error = ()>
{
}

#[test]
fn futures_can_be_spawned() {
    // Made and never polled.
    fn check_drive(server: &VoiceServer<OpenDirectory>, transport: Transport, user: UserId) {
        sent(&drive(server, transport, user, None));
    }
    fn check_dispatch(server: &VoiceServer<OpenDirectory>, connection: &VoiceConnection) {
        sent(&signaling::dispatch(
            server,
            connection,
            Envelope::default(),
            std::time::UNIX_EPOCH,
        ));
        sent(&server.drained());
    }
    let _ = (check_drive, check_dispatch);
    let server = VoiceServer::builder(OpenDirectory).build().expect("built");
    let mut events = server.registry().events();
    sent(&events.recv());
}
