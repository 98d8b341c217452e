//! A whole connection over a transport, from the first frame to the last.

use std::{
    future::{Future, poll_fn},
    pin::pin,
};

use futures::{Sink, Stream};
use tokio::time::sleep_until;

use crate::{
    Codec, ConnectionMachine, Disconnect, Frame, TransportError, UserId, VoiceDirectory,
    VoiceServer,
    connection::{
        clock::after,
        sampler::Sampler,
        shell::{Clocks, Goodbye, Shell},
    },
};

/// Runs one connection of an authenticated user to its end.
///
/// `transport` is the framework's socket as a `Stream` and `Sink` of [`Frame`]s. It must answer
/// pings, hand out whole messages and refuse those over
/// [`Limits::max_message_bytes`](crate::Limits::max_message_bytes). `codec` is the encoding that
/// the WebSocket subprotocol names. If it is `None`, the kind of the first message decides: binary
/// is protobuf, and text is JSON.
///
/// If the client sends a close frame, `drive` answers it. A transport that answers close frames by
/// itself may refuse this answer. It is flushed in any case.
///
/// After an error the transport should go on reading as far as it can, and drop what it reads. If a
/// socket is closed with unread data, the connection is reset, and the close frame may not arrive.
///
/// One task does everything: it reads, answers, writes what the queue holds, and flushes once for
/// each wake-up. It gives up the seat as soon as it knows that the connection will end, before the
/// closing handshake.
///
/// A client for which the transport takes nothing for a second counts as stalled, and others may
/// then fill its queue until it is evicted ([`SignalSink`](crate::SignalSink) says how). A `Sink`
/// tells only when it has taken whole messages. If your transport can count bytes, call
/// [`drive_counting`] instead, so that a client with a slow line is not taken for stalled during a
/// large message.
///
/// # On axum
///
/// The crate `united-voice-axum` calls this for you. These are all the lines that voice takes in
/// its example, `united-voice-axum/examples/voice_on_axum.rs`:
///
/// ```ignore
/// use united_voice_axum::{VoiceUpgrade, upgrade};
/// use united_voice_core::{OpenDirectory, VoiceServer};
///
/// type Voice = VoiceServer<OpenDirectory>;
///
/// async fn ws(voice: State<Voice>, user: User, request: VoiceUpgrade) -> Result<Response> {
///     let user = user.0.parse().map_err(|_| StatusCode::FORBIDDEN)?;
///     Ok(upgrade(&voice, user, request))
/// }
///
/// // At the start.
/// let voice = VoiceServer::builder(OpenDirectory).build()?;
///
/// // On the router.
/// .route("/voice", get(ws))
/// .with_state(voice.clone());
///
/// // In the future of `with_graceful_shutdown`.
/// voice.shutdown();
/// voice.drained().await;
/// ```
///
/// # On Actix Web
///
/// So does `united-voice-actix`, with its example `united-voice-actix/examples/voice_on_actix.rs`:
///
/// ```ignore
/// use united_voice_actix::upgrade;
/// use united_voice_core::{OpenDirectory, VoiceServer};
///
/// type Voice = Data<VoiceServer<OpenDirectory>>;
///
/// async fn ws(voice: Voice, user: User, req: HttpRequest, body: Payload) -> Result<HttpResponse> {
///     upgrade(&voice, user.0.parse().map_err(ErrorForbidden)?, &req, body)
/// }
///
/// // At the start.
/// let voice = VoiceServer::builder(OpenDirectory).build()?;
/// let data = Data::new(voice.clone());
///
/// // On the app.
/// .app_data(data.clone())
/// .route("/voice", web::get().to(ws))
///
/// // In the future of `shutdown_signal`.
/// voice.shutdown();
/// voice.drained().await;
/// ```
///
/// On another framework, `united-voice-websocket` has the WebSocket over any stream of bytes.
///
/// # Cancel safety
///
/// Dropping the future ends the connection without a close frame. The seat is given up, and the
/// others are told `DISCONNECTED`.
///
/// # Panics
///
/// If it is polled outside a Tokio runtime with time enabled.
pub fn drive<D, T>(
    server: &VoiceServer<D>,
    transport: T,
    user: UserId,
    codec: Option<Codec>,
) -> impl Future<Output = Disconnect>
where
    D: VoiceDirectory,
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame> + Unpin,
{
    // No async function, since its future would have room for two transports.
    drive_counting(server, transport, user, codec, |_| 0)
}

/// Does what [`drive`] does, with a transport that counts the bytes which its socket has taken.
///
/// `bytes_taken` returns this number. It may wrap around. It is asked only while the transport
/// takes no more messages: a client whose number changes at least once a second reads, and has not
/// stalled.
///
/// The number is as exact as the system is. If the system takes megabytes at once for a client with
/// a slow line, it takes nothing for seconds after that. Linux holds little if the socket has the
/// option `TCP_NOTSENT_LOWAT`, for example with 32 KiB. Set it on the socket that listens: accepted
/// sockets inherit it.
///
/// # Cancel safety
///
/// As for [`drive`].
///
/// # Panics
///
/// As for [`drive`].
pub async fn drive_counting<D, T>(
    server: &VoiceServer<D>,
    mut transport: T,
    user: UserId,
    codec: Option<Codec>,
    bytes_taken: fn(&T) -> u64,
) -> Disconnect
where
    D: VoiceDirectory,
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame> + Unpin,
{
    let (clocks, now) = Clocks::read();
    let opened = server.registry().counters().connections_opened();
    let mut shell = Shell {
        server,
        // The machine is made in its final place. If it were moved there, the future would keep
        // room for both places.
        machine: ConnectionMachine::open(server, &user, codec, now),
        timer: pin!(sleep_until(
            after(now.monotonic, server.limits().ping_interval).into()
        )),
        transport: &mut transport,
        clocks,
        unflushed: false,
        goodbye: Goodbye::Unsaid,
        batched: false,
        yielded: false,
        blocked_at: None,
        bytes_taken,
        messages: Sampler::new(opened),
        wake_ups: Sampler::new(opened),
    };
    poll_fn(|cx| shell.poll(cx)).await
}
