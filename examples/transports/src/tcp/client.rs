//! A client, for trials of the transport and for its tests.

use std::io;

use futures::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, ToSocketAddrs},
};
use tokio_util::codec::Framed;
use united_voice_core::{
    CloseFrame, Codec, Frame,
    proto::{
        decode, encode_protobuf,
        ws::{Envelope, envelope::Payload},
    },
};

use super::codec::FrameCodec;

/// The size limit of a server's message in bytes. The largest is the snapshot of a large channel.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// The connection of one client.
#[derive(Debug)]
pub struct TcpClient<S> {
    framed: Framed<S, FrameCodec>,
}

/// A message or the end, as a client receives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A message.
    Message(Envelope),
    /// The server ends the connection and gives the reason.
    Closed(Option<CloseFrame>),
}

impl TcpClient<TcpStream> {
    /// Connects as `user`.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn connect(address: impl ToSocketAddrs, user: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream, user).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TcpClient<S> {
    /// Sends the user id over `stream`.
    ///
    /// # Errors
    ///
    /// If the stream is broken.
    pub async fn over(stream: S, user: &str) -> io::Result<Self> {
        let framed = Framed::new(stream, FrameCodec::new(MAX_MESSAGE_BYTES));
        let mut client = Self { framed };
        let hello = Frame::Binary(user.to_owned().into());
        client.send_frame(hello).await?;
        Ok(client)
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// If the stream is broken.
    pub async fn send(&mut self, request_id: &str, payload: Payload) -> io::Result<()> {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        };
        let frame = Frame::Binary(encode_protobuf(&envelope));
        self.send_frame(frame).await
    }

    /// Sends any frame.
    ///
    /// # Errors
    ///
    /// If the stream is broken, or the frame is text.
    pub async fn send_frame(&mut self, frame: Frame) -> io::Result<()> {
        self.framed.send(frame).await
    }

    /// Waits for the server's next message and answers its pings meanwhile.
    ///
    /// # Errors
    ///
    /// If the stream is broken, or the server speaks another protocol.
    pub async fn next(&mut self) -> io::Result<Heard> {
        loop {
            match self.next_frame().await? {
                Frame::Close(close) => return Ok(Heard::Closed(close)),
                Frame::Ping(content) => self.send_frame(Frame::Pong(content)).await?,
                Frame::Binary(message) => {
                    let message = decode(Codec::Protobuf, &message, MAX_MESSAGE_BYTES);
                    let message = message.map_err(io::Error::other)?;
                    return Ok(Heard::Message(message));
                }
                _ => {}
            }
        }
    }

    /// Waits for the next frame of any kind and answers no pings.
    ///
    /// # Errors
    ///
    /// If the stream is broken.
    pub async fn next_frame(&mut self) -> io::Result<Frame> {
        let end = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let frame = self.framed.next().await.ok_or_else(end)?;
        Ok(frame?)
    }

    /// The stream itself, for tests that do what no client would do.
    pub fn stream_mut(&mut self) -> &mut S {
        self.framed.get_mut()
    }
}
