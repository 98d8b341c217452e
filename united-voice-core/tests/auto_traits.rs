//! Every public type is `Send`, `Sync` and `Unpin`, and every future is `Send`, so a host may use
//! them in any task.

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
fn public_types_are_send_sync_and_unpin() {
    check!(owned:
        UserId, ChannelId, SessionId, IdError, SessionIdError,
        Signal, Urgency, SinkError, CloseReason, Arc<dyn SignalSink>,
        QueueSink, QueueStream, RecordingSink,
        VoiceRoomRegistry, VoiceEvent, VoiceEvents, EventsMissed,
        VoiceServer<OpenDirectory>, VoiceServerBuilder<OpenDirectory>, Stats, Limits, LimitsError,
        VoiceConnection, Arc<dyn VoiceDirectory>,
        Admission, AdmitError, Profile, OpenDirectory,
        ConnectError, NotInChannel, RequestError,
        IceConfig, StunUrlError, TurnConfig, TurnConfigError, TurnCredentials, SharedSecret,
        Frame, CloseFrame, TransportError, Disconnect, Codec, DecodeError, Now,
    );
    // The machine holds the directory's future during a join. That future is `Send` but not `Sync`.
    fn movable<T: Send + Unpin + 'static>() {}
    check!(movable: ConnectionMachine<OpenDirectory>, Step);
    check!(shared: &VoiceConnection, &VoiceRoomRegistry);
}

#[test]
fn shared_types_are_clone_and_small() {
    fn cloned<T: Clone>() {}
    check!(cloned:
        UserId, ChannelId, SessionId, Signal, QueueSink, VoiceRoomRegistry, VoiceServer<OpenDirectory>, IceConfig,
        TurnConfig, SharedSecret, Limits, Profile, Admission, Frame, VoiceEvent,
    );
    // A registry, a server and an id hold only a pointer to their shared data.
    assert_eq!(size_of::<VoiceRoomRegistry>(), size_of::<usize>());
    assert_eq!(size_of::<VoiceServer<OpenDirectory>>(), size_of::<usize>());
    assert_eq!(size_of::<UserId>(), size_of::<usize>());
    // A signal holds its encoded forms inline, without an allocation of its own.
    assert!(size_of::<Signal>() <= 144);
}

#[test]
fn errors_implement_error() {
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    check!(error:
        IdError, SessionIdError, SinkError, EventsMissed, LimitsError, AdmitError, ConnectError,
        NotInChannel, RequestError, StunUrlError, TurnConfigError, TransportError, DecodeError,
    );
}

/// A transport that is never used. Only its type matters.
type Transport = std::pin::Pin<Box<dyn Both + Send>>;

trait Both:
    futures::Stream<Item = Result<Frame, TransportError>> + futures::Sink<Frame, Error = ()>
{
}

#[test]
fn futures_can_be_spawned() {
    // These functions build futures but never poll them.
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
