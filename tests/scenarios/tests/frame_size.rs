//! The size limit of WebSocket messages: section 2, rule 10.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use united_voice_scenarios::{
    Client, Codec, Server, ServerKind, expect_payload, pair, request, soon,
    voice::{VoiceErrorCode, VoiceLeaveReason},
    ws::Envelope,
};

scenarios! {
    each codec:
        message_may_have_128_kib,
        larger_message_closes_the_connection,
        larger_message_in_fragments_closes_the_connection,
        fragments_are_read_as_one_message;
    once:
        limit_is_configurable,
        close_frame_reaches_a_client_that_is_still_sending,
}

const LIMIT: usize = 128 * 1024;

/// A message of exactly `size` bytes with an offer that is too large.
fn message_of(size: usize, codec: Codec) -> Message {
    let offer = |sdp: usize| {
        let payload = Some(request::offer("general", "somebody", &"s".repeat(sdp)));
        codec.encode(&Envelope {
            request_id: "large".to_owned(),
            payload,
        })
    };
    let overhead = offer(size - 1000).len() - (size - 1000);
    let message = offer(size - overhead);
    assert_eq!(message.len(), size);
    message
}

fn fragments_of(message: &Message, pieces: usize) -> Vec<Message> {
    let kind = if message.is_text() {
        Data::Text
    } else {
        Data::Binary
    };
    let bytes = message.clone().into_data();
    let chunks: Vec<_> = bytes.chunks(bytes.len().div_ceil(pieces)).collect();
    let frame = |(index, chunk): (usize, &&[u8])| {
        let kind = if index == 0 { kind } else { Data::Continue };
        Message::Frame(Frame::message(
            chunk.to_vec(),
            OpCode::Data(kind),
            index + 1 == chunks.len(),
        ))
    };
    chunks.iter().enumerate().map(frame).collect()
}

async fn message_may_have_128_kib(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, _bob) = pair(&server, codec).await;
    ann.send_message(message_of(LIMIT, codec)).await;
    let answer = ann.next().await;
    assert_eq!(answer.request_id, "large");
    let error = expect_payload!(answer.payload.expect("decoding checks that"), VoiceError);
    assert_eq!(error.code(), VoiceErrorCode::TooLarge);
    ann.expect_idle().await;
}

async fn larger_message_closes_the_connection(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    ann.send_message(message_of(LIMIT + 1, codec)).await;
    assert_eq!(ann.close_code().await, 1009);
    let left = bob
        .leave_event("general", VoiceLeaveReason::Disconnected)
        .await;
    assert_eq!(left.user_id, ann.user.id);
    bob.expect_idle().await;
}

async fn larger_message_in_fragments_closes_the_connection(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    for fragment in fragments_of(&message_of(LIMIT + 1, codec), 3) {
        ann.send_message(fragment).await;
    }
    assert_eq!(ann.close_code().await, 1009);
    bob.leave_event("general", VoiceLeaveReason::Disconnected)
        .await;
}

async fn fragments_are_read_as_one_message(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    let sdp = "é".repeat(1000);
    let offer = Envelope {
        request_id: String::new(),
        payload: Some(request::offer("general", &bob.user.id, &sdp)),
    };
    for fragment in fragments_of(&codec.encode(&offer), 7) {
        ann.send_message(fragment).await;
        ann.send_message(Message::Ping("between fragments".into()))
            .await;
    }
    assert_eq!(expect_payload!(bob.event().await, VoiceSdpOffer).sdp, sdp);
    ann.expect_idle().await;
}

async fn limit_is_configurable(kind: ServerKind) {
    let server = Server::with_config(kind, "[limits]\nmax_message_bytes = 4096\n").await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    ann.send_message(message_of(4096, Codec::Protobuf)).await;
    expect_payload!(
        ann.next().await.payload.expect("decoding checks that"),
        VoiceError
    );
    ann.send_message(message_of(4097, Codec::Protobuf)).await;
    assert_eq!(ann.close_code().await, 1009);
}

/// The server stops reading in the middle of a message. If it closed the socket with unread bytes,
/// TCP would reset the connection and the close frame would be lost.
async fn close_frame_reaches_a_client_that_is_still_sending(kind: ServerKind) {
    const SIZE: u32 = 8 * 1024 * 1024;
    let server = Server::start(kind).await;
    let ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let (mut reader, mut writer) = ann.socket.into_inner().into_split();
    let sending = tokio::spawn(async move {
        // A final binary frame with a 64-bit length and a mask of zeros.
        let mut header = vec![0x82, 0xff, 0, 0, 0, 0];
        header.extend(SIZE.to_be_bytes());
        header.extend([0; 4]);
        let mut written = writer.write_all(&header).await;
        for _ in 0..SIZE / 65_536 {
            if written.is_err() {
                break;
            }
            written = writer.write_all(&[0; 65_536]).await;
        }
        writer
    });
    let mut close = [0; 4];
    soon("the close frame", reader.read_exact(&mut close))
        .await
        .expect("a close frame before the end");
    assert_eq!(close[0], 0x88, "a close frame");
    assert_eq!(u16::from_be_bytes([close[2], close[3]]), 1009);
    sending.await.expect("the writer ends");
}
