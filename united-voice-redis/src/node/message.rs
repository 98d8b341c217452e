//! What nodes say to each other without the engine: relays, their refusals, and speaking.

use prost::Message as _;
use united_voice_core::{
    ChannelId, Codec, SessionId, UserId,
    cluster::{Forward, ForwardedBy, RelayFailure, Said},
};

/// A message from another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Forward(Forward),
    Bounced {
        sender: ForwardedBy,
        channel: ChannelId,
        why: RelayFailure,
    },
    Said(Said),
}

/// The bytes of a [`Message`] are this, in protobuf. Fields that a version does not know are
/// skipped.
#[derive(Clone, PartialEq, prost::Message)]
struct Wire {
    #[prost(enumeration = "Kind", tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    channel: String,
    /// The sender's, or the speaker's.
    #[prost(fixed64, tag = "3")]
    session: u64,
    #[prost(string, tag = "4")]
    user: String,
    #[prost(fixed64, tag = "5")]
    connection: u64,
    #[prost(string, tag = "6")]
    request_id: String,
    #[prost(string, tag = "7")]
    target_user: String,
    #[prost(fixed64, tag = "8")]
    target: u64,
    #[prost(bool, tag = "9")]
    named: bool,
    #[prost(bool, tag = "10")]
    is_json: bool,
    #[prost(bytes = "bytes", tag = "11")]
    frame: bytes::Bytes,
    #[prost(enumeration = "Why", tag = "12")]
    why: i32,
    #[prost(bool, tag = "13")]
    speaking: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum Kind {
    Unknown = 0,
    Forward = 1,
    Bounced = 2,
    Said = 3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum Why {
    Unreachable = 0,
    NotInChannel = 1,
    TargetNotInChannel = 2,
    StaleSession = 3,
    TargetBusy = 4,
}

impl Message {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Forward(forward) => Wire {
                target_user: forward.target_user.as_str().into(),
                target: forward.target.to_u64(),
                named: forward.named,
                is_json: forward.codec == Codec::Json,
                frame: forward.frame,
                ..about(Kind::Forward, &forward.sender, &forward.channel)
            },
            Self::Bounced {
                sender,
                channel,
                why,
            } => Wire {
                why: match why {
                    RelayFailure::NotInChannel => Why::NotInChannel,
                    RelayFailure::TargetNotInChannel => Why::TargetNotInChannel,
                    RelayFailure::StaleSession => Why::StaleSession,
                    RelayFailure::TargetBusy => Why::TargetBusy,
                    _ => Why::Unreachable,
                }
                .into(),
                ..about(Kind::Bounced, &sender, &channel)
            },
            Self::Said(said) => Wire {
                kind: Kind::Said.into(),
                channel: said.channel.as_str().into(),
                session: said.session.to_u64(),
                speaking: said.speaking,
                ..Wire::default()
            },
        }
        .encode_to_vec()
    }

    /// `None` if this version does not know it, or if the bytes are no message.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let wire = Wire::decode(bytes).ok()?;
        let channel = ChannelId::new(&wire.channel).ok()?;
        let session = SessionId::from_u64(wire.session);
        let sender = || {
            Some(ForwardedBy {
                user: UserId::new(&wire.user).ok()?,
                session,
                connection: wire.connection,
                request_id: wire.request_id.as_str().into(),
            })
        };
        match wire.kind() {
            Kind::Unknown => None,
            Kind::Forward => Some(Self::Forward(Forward {
                sender: sender()?,
                target_user: UserId::new(&wire.target_user).ok()?,
                target: SessionId::from_u64(wire.target),
                named: wire.named,
                channel,
                codec: if wire.is_json {
                    Codec::Json
                } else {
                    Codec::Protobuf
                },
                frame: wire.frame.clone(),
            })),
            Kind::Bounced => Some(Self::Bounced {
                sender: sender()?,
                channel,
                why: match wire.why() {
                    Why::Unreachable => RelayFailure::Unreachable,
                    Why::NotInChannel => RelayFailure::NotInChannel,
                    Why::TargetNotInChannel => RelayFailure::TargetNotInChannel,
                    Why::StaleSession => RelayFailure::StaleSession,
                    Why::TargetBusy => RelayFailure::TargetBusy,
                },
            }),
            Kind::Said => Some(Self::Said(Said {
                channel,
                session,
                speaking: wire.speaking,
            })),
        }
    }
}

fn about(kind: Kind, sender: &ForwardedBy, channel: &ChannelId) -> Wire {
    Wire {
        kind: kind.into(),
        channel: channel.as_str().into(),
        session: sender.session.to_u64(),
        user: sender.user.as_str().into(),
        connection: sender.connection,
        request_id: sender.request_id.to_string(),
        ..Wire::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender() -> ForwardedBy {
        ForwardedBy {
            user: UserId::new("ada\0").expect("an id"),
            session: SessionId::from_u64(u64::MAX),
            connection: 7,
            request_id: "1".into(),
        }
    }

    #[test]
    fn messages_come_back() {
        let channel = ChannelId::new("general").expect("an id");
        let forward = Forward {
            sender: sender(),
            target_user: UserId::new("bea").expect("an id"),
            target: SessionId::from_u64(1),
            named: true,
            channel: channel.clone(),
            codec: Codec::Json,
            frame: bytes::Bytes::from_static(b"{}"),
        };
        let bounced = |why| Message::Bounced {
            sender: sender(),
            channel: channel.clone(),
            why,
        };
        let messages = [
            Message::Forward(forward.clone()),
            Message::Forward(Forward {
                codec: Codec::Protobuf,
                named: false,
                ..forward
            }),
            bounced(RelayFailure::NotInChannel),
            bounced(RelayFailure::TargetNotInChannel),
            bounced(RelayFailure::StaleSession),
            bounced(RelayFailure::TargetBusy),
            bounced(RelayFailure::Unreachable),
            Message::Said(Said {
                channel: channel.clone(),
                session: SessionId::from_u64(3),
                speaking: true,
            }),
        ];
        for message in messages {
            assert_eq!(Message::decode(&message.clone().encode()), Some(message));
        }
    }

    #[test]
    fn what_is_no_message_is_none() {
        for bytes in [&b""[..], b"\xff", b"\x08\x01", b"\x08\x09\x12\x01a"] {
            assert_eq!(Message::decode(bytes), None, "{bytes:?}");
        }
    }
}
