//! What clients and the host do, read from the fuzzer's bytes.

use united_voice_proto::{
    voice::{
        VoiceIceServersRequest, VoiceJoinRequest, VoiceLeaveRequest, VoiceSpeakingEvent,
        VoiceStateUpdate,
    },
    ws::envelope::Payload,
};

use super::host::CHANNELS;
use crate::input::{Input, relayed};

/// The connections that there may be at the same time.
pub(super) const SLOTS: usize = 12;

#[derive(Debug)]
pub(super) enum Operation {
    Connect { slot: usize, user: usize },
    Disconnect { slot: usize },
    Request { slot: usize, payload: Payload },
    Relay { slot: usize, relay: Relayed },
    Kick { user: usize },
    KickFrom { user: usize, channel: usize },
    LeaveAll { user: usize },
    CloseChannel { channel: usize },
    Limit { channel: usize, limit: u32 },
    Ban { user: usize, channel: usize },
    Evict { slot: usize },
    Shutdown,
}

/// A message from one member to another.
#[derive(Debug)]
pub(super) struct Relayed {
    pub(super) kind: usize,
    pub(super) channel: String,
    pub(super) target: usize,
    pub(super) session: Session,
    pub(super) content: String,
}

/// Which session the message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    None,
    Present,
    Stale,
    TooLong,
}

impl Operation {
    pub(super) fn read(input: &mut Input<'_>, users: usize) -> Self {
        let (kind, slot) = (input.byte(), input.below(SLOTS));
        match kind % 16 {
            0..=3 => Self::Request {
                slot,
                payload: Payload::VoiceJoinRequest(VoiceJoinRequest {
                    channel_id: channel(input),
                }),
            },
            4 => Self::Request {
                slot,
                payload: Payload::VoiceLeaveRequest(VoiceLeaveRequest {
                    channel_id: channel(input),
                }),
            },
            5 => Self::Request {
                slot,
                payload: Payload::VoiceStateUpdate(VoiceStateUpdate {
                    channel_id: channel(input),
                    user_id: input.text(),
                    muted: input.flag(),
                    deafened: input.flag(),
                }),
            },
            6 => Self::Request {
                slot,
                payload: Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
                    channel_id: channel(input),
                    user_id: input.text(),
                    speaking: input.flag(),
                }),
            },
            7 | 8 => Self::Relay {
                slot,
                relay: Relayed {
                    kind: input.below(3),
                    channel: channel(input),
                    target: input.below(users),
                    session: input.pick(&[
                        Session::None,
                        Session::Present,
                        Session::Present,
                        Session::Stale,
                        Session::TooLong,
                    ]),
                    content: input.text(),
                },
            },
            9 => Self::Request {
                slot,
                payload: Payload::VoiceIceServersRequest(VoiceIceServersRequest {
                    channel_id: channel(input),
                }),
            },
            10 | 11 => Self::Connect {
                slot,
                user: input.below(users),
            },
            12 => Self::Disconnect { slot },
            13 => {
                let (user, channel) = (input.below(users), input.below(CHANNELS.len()));
                match input.below(4) {
                    0 => Self::Kick { user },
                    1 => Self::KickFrom { user, channel },
                    2 => Self::LeaveAll { user },
                    _ => Self::CloseChannel { channel },
                }
            }
            14 => {
                let channel = input.below(CHANNELS.len());
                match input.below(3) {
                    0 => Self::Ban {
                        user: input.below(users),
                        channel,
                    },
                    _ => Self::Limit {
                        channel,
                        limit: input.pick(&[0, 1, 2, 3, 9]),
                    },
                }
            }
            _ if kind == 255 => Self::Shutdown,
            _ => Self::Evict { slot },
        }
    }
}

fn channel(input: &mut Input<'_>) -> String {
    match input.below(16) {
        0 => "text".to_owned(),
        1 => "nowhere".to_owned(),
        2 => String::new(),
        3 => "x".repeat(129),
        4..8 => "b".to_owned(),
        8..10 => "c".to_owned(),
        _ => "a".to_owned(),
    }
}

impl Relayed {
    /// The message as a client sends it. What it says about its sender is not true.
    pub(super) fn payload(&self, target: &str, session: &str) -> Payload {
        let sender_session = "0000000000000000";
        let [target, session, sender, sender_session] =
            [target, session, "mallory", sender_session].map(ToOwned::to_owned);
        let (content, channel) = (self.content.clone(), self.channel.clone());
        let texts = [target, content, channel, sender, sender_session, session];
        relayed(self.kind, texts)
    }
}

/// The content of a relayed message.
pub(super) fn content(payload: &Payload) -> Option<&str> {
    match payload {
        Payload::VoiceSdpOffer(offer) => Some(&offer.sdp),
        Payload::VoiceSdpAnswer(answer) => Some(&answer.sdp),
        Payload::VoiceIceCandidate(candidate) => Some(&candidate.candidate_json),
        _ => None,
    }
}
