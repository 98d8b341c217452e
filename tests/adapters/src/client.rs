//! A WebSocket client that writes every byte itself, so that it can break every rule.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use united_voice_core::{
    Codec,
    proto::{
        decode, encode_json, encode_protobuf,
        voice::{VoiceJoinRequest, VoiceSdpOffer},
        ws::{Envelope, envelope::Payload},
    },
};

use crate::{PATIENCE, Server};

/// The example of RFC 6455: a key, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A client after the answer to its request.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// The head of the answer, in lower case.
    pub head: String,
    /// What it writes messages in.
    pub codec: Codec,
}

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// 1 is text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Client {
    /// Opens a WebSocket for `user` that writes JSON, without a subprotocol.
    pub async fn open(server: &Server, user: &str) -> Self {
        let client = Self::request(server, &format!("X-User: {user}\r\n")).await;
        client.opened()
    }

    /// Offers subprotocols.
    pub async fn offer(server: &Server, user: &str, offers: &str) -> Self {
        let headers = format!("X-User: {user}\r\nSec-WebSocket-Protocol: {offers}\r\n");
        Self::request(server, &headers).await.opened()
    }

    /// Opens one whose socket takes little that it does not read.
    pub async fn open_narrow(server: &Server, user: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let stream = socket.connect(server.address).await.expect("it listens");
        let request = good_request(&format!("X-User: {user}\r\n"));
        Self::exchange(stream, &request).await.opened()
    }

    /// Sends a good request for a WebSocket with more headers.
    pub async fn request(server: &Server, headers: &str) -> Self {
        Self::send_request(server, &good_request(headers)).await
    }

    /// Sends any request.
    pub async fn send_request(server: &Server, request: &str) -> Self {
        let stream = TcpStream::connect(server.address).await;
        Self::exchange(stream.expect("it listens"), request).await
    }

    async fn exchange(mut stream: TcpStream, request: &str) -> Self {
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("an answer"));
            }
        };
        timeout(PATIENCE, read).await.expect("an answer in time");
        Self {
            stream,
            head: String::from_utf8(head).expect("ASCII").to_lowercase(),
            codec: Codec::Json,
        }
    }

    fn opened(self) -> Self {
        assert_eq!(self.status(), 101, "{}", self.head);
        let accept = self.header("sec-websocket-accept");
        assert_eq!(accept, Some(ACCEPT.to_lowercase().as_str()));
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).expect("a status");
        status.parse().expect("a number")
    }

    /// A header of the answer, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Reads the body of the answer.
    pub async fn body(&mut self) -> String {
        let length = self.header("content-length").expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut body)).await;
        read.expect("a body in time").expect("a body");
        String::from_utf8(body).expect("text")
    }

    /// Sends a final frame under a mask of zeros.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = header_of(0x80 | opcode, payload.len());
        frame.extend(payload);
        self.send_bytes(&frame).await;
    }

    /// Sends the header of a binary frame, and nothing of its payload.
    pub async fn announce(&mut self, length: usize) {
        self.send_bytes(&header_of(0x82, length)).await;
    }

    /// Sends any bytes.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes)).await;
        sent.expect("the server reads on").expect("sent");
    }

    /// Sends a message in the client's encoding.
    pub async fn send_payload(&mut self, payload: Payload) {
        let envelope = Envelope {
            request_id: "r".into(),
            payload: Some(payload),
        };
        match self.codec {
            Codec::Json => self.send(1, encode_json(&envelope).as_bytes()).await,
            _ => self.send(2, &encode_protobuf(&envelope)).await,
        }
    }

    /// Joins `general` and waits for the answer.
    pub async fn join(&mut self) {
        let channel_id = "general".into();
        let join = VoiceJoinRequest { channel_id };
        self.send_payload(Payload::VoiceJoinRequest(join)).await;
        let answer = self.payload().await;
        assert!(
            matches!(answer, Payload::VoiceJoinResponse(_)),
            "{answer:?}"
        );
    }

    /// Sends an offer of `size` bytes.
    pub async fn send_offer(&mut self, target: &str, size: usize) {
        let offer = VoiceSdpOffer {
            channel_id: "general".into(),
            target_user_id: target.into(),
            sdp: "s".repeat(size),
            ..VoiceSdpOffer::default()
        };
        self.send_payload(Payload::VoiceSdpOffer(offer)).await;
    }

    /// The payload of the next message, which has the kind of the client's encoding.
    pub async fn payload(&mut self) -> Payload {
        let Received { opcode, payload } = self.receive().await;
        let codec = match opcode {
            1 => Codec::Json,
            2 => Codec::Protobuf,
            _ => panic!("opcode {opcode}: {payload:?}"),
        };
        assert_eq!(codec, self.codec);
        let envelope = decode(codec, &payload, usize::MAX).expect("a good message");
        envelope.payload.expect("decoding checks that")
    }

    /// The next frame.
    pub async fn receive(&mut self) -> Received {
        let read = timeout(PATIENCE, read_frame(&mut self.stream)).await;
        read.expect("a frame in time").expect("a frame")
    }

    /// Reads until the server's close frame, and returns its code.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            let Received { opcode, payload } = self.receive().await;
            if opcode == 8 {
                let code = payload.first_chunk().expect("the server gives a code");
                return u16::from_be_bytes(*code);
            }
        }
    }

    /// Waits until the server has closed the connection.
    pub async fn closed(&mut self) {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        // A reset is an end too.
        let _ = read.expect("an end in time");
        assert_eq!(rest, [0; 0], "nothing follows a close frame");
    }
}

/// A request for a WebSocket, with more headers.
fn good_request(headers: &str) -> String {
    format!(
        "GET /voice HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{headers}\r\n"
    )
}

/// The header of a frame under a mask of zeros.
fn header_of(first: u8, length: usize) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..126 => header.push(0x80 | length as u8),
        126..0x1_0000 => {
            header.push(0x80 | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header.extend([0; 4]);
    header
}

/// Reads a frame of the server: whole, without a mask.
async fn read_frame(stream: &mut TcpStream) -> std::io::Result<Received> {
    let first = stream.read_u8().await?;
    assert_eq!(first & 0xf0, 0x80, "a final frame without extensions");
    let length = match stream.read_u8().await? {
        126 => stream.read_u16().await?.into(),
        127 => stream.read_u64().await?,
        length => length.into(),
    };
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    let opcode = first & 0x0f;
    Ok(Received { opcode, payload })
}
