"""Makes the golden fixtures with Google's Python protobuf, which shares no code with this crate.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install protobuf==7.36.2 grpcio-tools==1.85.1
    /tmp/golden/bin/python united-voice-proto/tests/golden/generate.py

It compiles the .proto files and writes `messages.json` and `envelopes.json` next to itself. For each
sample they hold the name, the bytes in hex, and the proto3 JSON with defaults written out.
`tests/samples/mod.rs` has the same samples.
"""

import json
import sys
import tempfile
from pathlib import Path

from google.protobuf import json_format
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"

out = tempfile.mkdtemp()
status = protoc.main(["protoc", f"-I{PROTO}", f"--python_out={out}", "united/voice.proto", "united/ws.proto"])
assert status == 0
sys.path.insert(0, out)

from united import voice_pb2 as voice  # noqa: E402
from united import ws_pb2 as ws  # noqa: E402

SDP = "v=0\r\no=- 46117 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
CANDIDATE = '{"candidate":"candidate:1 1 udp 2122260223 192.0.2.7 49203 typ host","sdpMid":"0","sdpMLineIndex":0}'

zoe = voice.VoiceParticipant(
    user_id="zoë", display_name="Zoë 🎧 \"Z\" \\ <b>", pubkey="ed25519:AAAA", muted=True, deafened=False, session_id="s-2"
)
bob = voice.VoiceParticipant(user_id="bob", display_name="Bob", deafened=True, session_id="s-3")
stun = voice.IceServer(urls=["stun:stun.example.org:3478"])
turn = voice.IceServer(
    urls=["turn:turn.example.org:3478?transport=udp", "turn:turn.example.org:3478?transport=tcp"],
    username="1767225600:zoë",
    credential="c2VjcmV0+/=",
)

MESSAGES = {
    "VoiceJoinRequest": voice.VoiceJoinRequest(channel_id="lounge"),
    "VoiceJoinResponse": voice.VoiceJoinResponse(
        participants=[zoe, bob], ice_servers=[stun, turn], quality_warning=True, channel_id="lounge", session_id="s-9"
    ),
    "VoiceLeaveRequest": voice.VoiceLeaveRequest(channel_id="音声"),
    "VoiceLeaveEvent": voice.VoiceLeaveEvent(
        channel_id="lounge",
        user_id="zoë",
        display_name="Zoë",
        reason=voice.VOICE_LEAVE_REASON_EVICTED,
        session_id="s-2",
    ),
    "VoiceSdpOffer": voice.VoiceSdpOffer(
        target_user_id="bob",
        sdp=SDP,
        channel_id="lounge",
        sender_user_id="zoë",
        sender_session_id="s-2",
        target_session_id="s-3",
    ),
    "VoiceSdpAnswer": voice.VoiceSdpAnswer(
        target_user_id="zoë",
        sdp=SDP,
        channel_id="lounge",
        sender_user_id="bob",
        sender_session_id="s-3",
        target_session_id="s-2",
    ),
    "VoiceIceCandidate": voice.VoiceIceCandidate(
        target_user_id="bob",
        candidate_json=CANDIDATE,
        channel_id="lounge",
        sender_user_id="zoë",
        sender_session_id="s-2",
        target_session_id="s-3",
    ),
    "VoiceStateUpdate": voice.VoiceStateUpdate(channel_id="lounge", user_id="bob", muted=True, deafened=True),
    "VoiceSpeakingEvent": voice.VoiceSpeakingEvent(channel_id="lounge", user_id="bob", speaking=True),
    "VoiceParticipant": zoe,
    "VoiceParticipantJoinedEvent": voice.VoiceParticipantJoinedEvent(channel_id="lounge", participant=zoe),
    "IceServer": turn,
    "VoiceError": voice.VoiceError(
        code=voice.VOICE_ERROR_CODE_STALE_SESSION, message="not the present session", channel_id="lounge"
    ),
    "VoiceIceServersRequest": voice.VoiceIceServersRequest(channel_id="lounge"),
    "VoiceIceServersResponse": voice.VoiceIceServersResponse(ice_servers=[stun, turn], channel_id="lounge"),
}

PAYLOADS = {
    field.name: MESSAGES[field.message_type.name]
    for field in ws.Envelope.DESCRIPTOR.oneofs_by_name["payload"].fields
}

ENVELOPES = {
    # Every payload, with a request id.
    **{name: ws.Envelope(request_id="req-1", **{name: message}) for name, message in PAYLOADS.items()},
    # Every payload with all of its fields at their defaults. The payload itself is set.
    **{f"{name} (bare)": ws.Envelope(**{name: type(message)()}) for name, message in PAYLOADS.items()},
    "end of candidates": ws.Envelope(
        voice_ice_candidate=voice.VoiceIceCandidate(target_user_id="bob", candidate_json="", channel_id="lounge")
    ),
    "non-ASCII request id": ws.Envelope(
        request_id="né\u0000\u2028\U0001f9ea", voice_join_request=voice.VoiceJoinRequest(channel_id="l")
    ),
    "code of the future": ws.Envelope(voice_error=voice.VoiceError(code=4000, message="later", channel_id="lounge")),
    "reason of the future": ws.Envelope(voice_leave_event=voice.VoiceLeaveEvent(channel_id="lounge", reason=-1)),
}


def fixture(name, message):
    text = json_format.MessageToJson(message, always_print_fields_with_no_presence=True)
    return {"name": name, "hex": message.SerializeToString(deterministic=True).hex(), "json": json.loads(text)}


def write(file, samples):
    fixtures = [fixture(name, message) for name, message in samples.items()]
    (HERE / file).write_text(json.dumps(fixtures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


write("messages.json", MESSAGES)
write("envelopes.json", ENVELOPES)
