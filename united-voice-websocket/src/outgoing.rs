//! Turns messages into bytes, and keeps them until the socket has taken them. tungstenite writes
//! the headers.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};
use united_voice_core::Frame;

use crate::lent;

/// If this much waits, no more messages are taken until the socket has taken everything. It is less
/// than a lent buffer, so one more message of the usual size fits.
const ENOUGH_BYTES: usize = lent::BYTES / 2;

/// Frames that wait, in order.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// A lent buffer. It is given back when nothing waits.
    buffer: Vec<u8>,
    /// How many bytes of it the socket has taken.
    taken: usize,
    /// How many bytes the socket has taken since the beginning.
    taken_in_all: u64,
}

impl Outgoing {
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() >= ENOUGH_BYTES
    }

    /// How many bytes the socket has taken since the beginning.
    pub(crate) fn taken_in_all(&self) -> u64 {
        self.taken_in_all
    }

    /// Adds a message as one frame.
    pub(crate) fn push(&mut self, frame: &Frame) {
        match frame {
            Frame::Binary(bytes) => self.frame(OpCode::Data(Data::Binary), &[bytes]),
            Frame::Text(text) => self.frame(OpCode::Data(Data::Text), &[text.as_bytes()]),
            // Only clients send their messages in parts.
            Frame::Fragment => {}
            Frame::Ping(bytes) => self.frame(OpCode::Control(Control::Ping), &[bytes]),
            Frame::Pong(bytes) => self.frame(OpCode::Control(Control::Pong), &[bytes]),
            Frame::Close(None) => self.frame(OpCode::Control(Control::Close), &[]),
            Frame::Close(Some(close)) => {
                let code = close.code.to_be_bytes();
                let parts = [&code[..], close.reason.as_bytes()];
                self.frame(OpCode::Control(Control::Close), &parts);
            }
        }
    }

    fn frame(&mut self, opcode: OpCode, payload: &[&[u8]]) {
        if self.buffer.capacity() == 0 {
            self.buffer = lent::borrow();
        }
        let length: usize = payload.iter().map(|part| part.len()).sum();
        let header = FrameHeader {
            opcode,
            ..FrameHeader::default()
        };
        header
            .format(length as u64, &mut self.buffer)
            .expect("a Vec takes all that is written to it");
        for part in payload {
            self.buffer.extend_from_slice(part);
        }
    }

    /// Ready if the socket has taken everything.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.taken < self.buffer.len() {
            let Poll::Ready(written) =
                Pin::new(&mut *stream).poll_write(cx, &self.buffer[self.taken..])
            else {
                // The client may be slow for a long time, so the connection keeps no more memory
                // than it needs.
                self.buffer.drain(..self.taken);
                self.buffer.shrink_to_fit();
                self.taken = 0;
                return Poll::Pending;
            };
            match written? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => {
                    self.taken += written;
                    self.taken_in_all = self.taken_in_all.wrapping_add(written as u64);
                }
            }
        }
        self.taken = 0;
        lent::give_back(&mut self.buffer);
        Poll::Ready(Ok(()))
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    /// Does the same, and then flushes the stream.
    pub(crate) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_write(stream, cx))?;
        Pin::new(stream).poll_flush(cx)
    }
}
