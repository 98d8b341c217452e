//! Voice channels: everything that Tavern needs for them.
//!
//! Lines of code: 41 here, 19 marked `+voice` in other files.
//!
//! [`Chat`] tells the library which users may join which channels. A [`Connection`] is the
//! library's part of the loop around a socket: it takes each message of the client, and says what
//! to write and when to end.

use std::sync::Arc;

use united_voice_core::{
    Admission, AdmitError, ChannelId, ConnectionMachine, Disconnect, Frame, Now, Profile, Step,
    UserId, VoiceDirectory,
};

use crate::{Chat, Closed, Message, Presence, Request, Told, Turn, socket};

/// One client's voice connection. Dropping it is the disconnect.
pub(crate) type Connection = ConnectionMachine<Arc<Chat>>;

/// Every channel has voice. A user's id is the name, which is nobody else's.
#[async_trait::async_trait]
impl VoiceDirectory for Chat {
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        let channel = self.channel(channel.as_str());
        channel.ok_or(AdmitError::ChannelNotFound)?;
        Ok(Admission::new(Profile::new(user.as_str())))
    }
}

/// Waits for something to do, most often a message to write. Without one, the loop only has to look
/// again whether to read. `ready` says that the socket is writable. Cancel safe.
pub(crate) async fn step(voice: &mut Connection, ready: bool) -> Result<Option<Message>, Closed> {
    let timer = |at| tokio::time::sleep_until(tokio::time::Instant::from_std(at));
    Ok(match voice.step(ready, Now::read, timer).await {
        Step::Signal(signal) => Some(Told::Voice(signal.envelope()).message()),
        Step::Ping => Some(Message::Ping(Default::default())),
        Step::Close(close) => Some(socket::close(close.map(|close| close.code))),
        Step::End(_) => return Err(Closed),
        _ => None,
    })
}

/// Takes what happened to the socket. A line of text goes into the chat, if the client does not
/// send too fast.
pub(crate) fn receive(voice: &mut Connection, me: &Presence, turn: Turn) {
    let now = Now::read();
    match turn {
        Turn::Read(Message::Text(text)) => match Request::read(&text) {
            Some(Request::Chat(it)) if voice.receive_other(&it.id, text.len(), now) => me.say(&it),
            Some(Request::Chat(_)) => {}
            Some(Request::Voice(envelope)) => voice.receive_envelope(envelope, text.len(), now),
            // The library answers what can't be read, and closes if it is too large.
            None => voice.receive(Frame::Text(text.as_str().into()), now),
        },
        // They are signs of life, and count in the client's rate like messages.
        Turn::Read(Message::Ping(content)) => voice.receive(Frame::Ping(content), now),
        Turn::Read(Message::Pong(content)) => voice.receive(Frame::Pong(content), now),
        Turn::Read(_) => {}
        Turn::Wrote => voice.wrote(now),
        Turn::Lost => voice.end(Disconnect::Lost, now),
    }
}
