/**
 * The fields of the server's messages. The other files get each of them with a value of its type,
 * whatever came, so that no message can stop a handler halfway.
 */

const text = (value) => (typeof value === 'string' ? value : '');
/** The name of a value, or its number if it has none. */
const named = (value) => (typeof value === 'number' ? String(value) : text(value));
const flag = (value) => value === true;
const list = (element) => (value) => (Array.isArray(value) ? value.filter(isObject).map(element) : []);
const object = (fields) => (value) => Object.fromEntries(Object.entries(fields).map(([name, read]) => [name, read(value[name])]));

const participant = object({ userId: text, displayName: text, pubkey: text, muted: flag, deafened: flag, sessionId: text });
const iceServers = list(object({
  urls: (value) => (Array.isArray(value) ? value.filter((url) => typeof url === 'string') : []),
  username: text,
  credential: text,
}));
const route = { channelId: text, targetUserId: text, senderUserId: text, senderSessionId: text, targetSessionId: text };

const MESSAGES = {
  voiceJoinResponse: object({
    participants: list(participant), iceServers, qualityWarning: flag, channelId: text, sessionId: text,
  }),
  voiceLeaveEvent: object({ channelId: text, userId: text, displayName: text, reason: named, sessionId: text }),
  voiceSdpOffer: object({ ...route, sdp: text }),
  voiceSdpAnswer: object({ ...route, sdp: text }),
  voiceIceCandidate: object({ ...route, candidateJson: text }),
  voiceStateUpdate: object({ channelId: text, userId: text, muted: flag, deafened: flag }),
  voiceSpeakingEvent: object({ channelId: text, userId: text, speaking: flag }),
  voiceParticipantJoinedEvent: object({
    channelId: text, participant: (value) => (isObject(value) ? participant(value) : null),
  }),
  voiceError: object({ code: named, message: text, channelId: text }),
  voiceIceServersResponse: object({ iceServers, channelId: text }),
};

/**
 * The payload with every field that the message has. A field that is missing, or has a value of
 * another type, gets its default. A message of a later version stays as it came.
 */
export function wellFormed(name, payload) {
  return Object.hasOwn(MESSAGES, name) ? MESSAGES[name](payload) : payload;
}

function isObject(value) {
  return typeof value === 'object' && value !== null;
}
