//! Adapts a framed stream to `drive`. It answers pings, and after it has refused a frame, it drops
//! all further bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::codec::Framed;
use united_voice_core::{Frame, TransportError};

use super::codec::FrameCodec;

#[derive(Debug)]
pub(crate) struct Transport<S> {
    framed: Framed<S, FrameCodec>,
    /// The content of the last ping, until it is answered. Earlier pings need no answer.
    ping: Option<Bytes>,
    /// A frame was refused. The stream can't be decoded further, but it must be emptied. A socket
    /// that is closed with unread data resets the connection, and the close frame may be lost.
    refused: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    pub(crate) fn new(framed: Framed<S, FrameCodec>) -> Self {
        Self {
            framed,
            ping: None,
            refused: false,
        }
    }

    /// Puts the answer to a ping into the write buffer.
    fn poll_answer_ping(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ping.is_some() {
            ready!(self.framed.poll_ready_unpin(cx))?;
            if let Some(content) = self.ping.take() {
                self.framed.start_send_unpin(Frame::Pong(content))?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 4096];
        loop {
            let mut dropped = ReadBuf::new(&mut space);
            let read = Pin::new(self.framed.get_mut()).poll_read(cx, &mut dropped);
            if ready!(read).is_err() || dropped.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Transport<S> {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ping.is_some() {
            // If the pong can't be written now, the task is woken when it can. If the stream is
            // broken, the next read or write reports the error.
            let _ = self.poll_flush_unpin(cx);
        }
        if self.refused {
            return self.poll_discard(cx).map(|()| None);
        }
        let frame = match ready!(self.framed.poll_next_unpin(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.refused = true;
                return Poll::Ready(Some(Err(error.into())));
            }
            None => return Poll::Ready(None),
        };
        if let Frame::Ping(content) = &frame {
            self.ping = Some(content.clone());
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Frame> for Transport<S> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer_ping(cx))?;
        self.framed.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> io::Result<()> {
        self.framed.start_send_unpin(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer_ping(cx))?;
        self.framed.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.framed.poll_close_unpin(cx)
    }
}
