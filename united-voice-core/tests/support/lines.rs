//! Prints an envelope as a short line, so that a test can show a whole exchange.

use united_voice_proto::{
    voice::VoiceParticipant,
    ws::{Envelope, envelope::Payload},
};

/// `#id` if there is a request id, then the payload. Session ids are left out.
pub(crate) fn line(envelope: &Envelope) -> String {
    let payload = envelope.payload.as_ref().expect("a payload");
    if envelope.request_id.is_empty() {
        describe(payload)
    } else {
        format!("#{} {}", envelope.request_id, describe(payload))
    }
}

fn describe(payload: &Payload) -> String {
    match payload {
        Payload::VoiceJoinResponse(response) => {
            let others: Vec<String> = response.participants.iter().map(participant).collect();
            let warning = if response.quality_warning { " !" } else { "" };
            let channel = &response.channel_id;
            format!("response {channel} [{}]{warning}", others.join(" "))
        }
        Payload::VoiceParticipantJoinedEvent(event) => {
            let who = event.participant.as_ref().expect("a participant");
            format!("joined {} {}", event.channel_id, participant(who))
        }
        Payload::VoiceLeaveEvent(event) => {
            let reason = event.reason().as_str_name();
            let reason = reason.trim_start_matches("VOICE_LEAVE_REASON_");
            format!("left {} {} {reason}", event.channel_id, event.user_id)
        }
        Payload::VoiceStateUpdate(update) => {
            let state = flags(update.muted, update.deafened);
            format!("state {} {}{state}", update.channel_id, update.user_id)
        }
        Payload::VoiceSpeakingEvent(event) => {
            let speaking = if event.speaking { "on" } else { "off" };
            format!("speaking {} {} {speaking}", event.channel_id, event.user_id)
        }
        Payload::VoiceSdpOffer(offer) => format!("offer {} {}", offer.sender_user_id, offer.sdp),
        Payload::VoiceSdpAnswer(answer) => {
            format!("answer {} {}", answer.sender_user_id, answer.sdp)
        }
        Payload::VoiceIceCandidate(candidate) => format!(
            "candidate {} {}",
            candidate.sender_user_id, candidate.candidate_json
        ),
        Payload::VoiceError(error) => {
            let code = error.code().as_str_name();
            let code = code.trim_start_matches("VOICE_ERROR_CODE_");
            format!("error {code} {}", error.channel_id)
        }
        Payload::VoiceIceServersResponse(response) => {
            let count = response.ice_servers.len();
            format!("ice {} {count}", response.channel_id)
        }
        Payload::VoiceJoinRequest(_)
        | Payload::VoiceLeaveRequest(_)
        | Payload::VoiceIceServersRequest(_) => panic!("a server sent a request"),
    }
}

fn participant(who: &VoiceParticipant) -> String {
    format!("{}{}", who.user_id, flags(who.muted, who.deafened))
}

fn flags(muted: bool, deafened: bool) -> &'static str {
    match (muted, deafened) {
        (false, false) => "",
        (true, false) => "(m)",
        (false, true) => "(d)",
        (true, true) => "(md)",
    }
}
