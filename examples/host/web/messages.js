/** The texts of the page, in one place. */

const ERRORS = {
  MALFORMED: 'The server did not understand this page. Reload it; if that does not help, page and server are of different versions.',
  UNSUPPORTED: 'The server does not support this. Page and server may be of different versions.',
  CHANNEL_NOT_FOUND: 'There is no such channel.',
  NOT_A_VOICE_CHANNEL: 'This is a text channel. Pick a voice channel to talk.',
  FORBIDDEN: 'You are not allowed to join this channel.',
  CHANNEL_FULL: 'This channel is full. Try again when somebody has left.',
  NOT_IN_CHANNEL: 'You are no longer in this channel. Join it again to talk.',
  TARGET_NOT_IN_CHANNEL: 'The person is no longer in this channel.',
  TOO_LARGE: 'A connection description was too large for the server, so one person may not hear you.',
  RATE_LIMITED: 'That was too much at once. Wait a few seconds, then try again.',
  SESSION_REPLACED: 'You joined from somewhere else, so this tab left the channel.',
  UNAVAILABLE: 'The server cannot do this at the moment. Try again shortly.',
  INTERNAL: 'Something went wrong on the server. Try again shortly.',
  STALE_SESSION: 'The person has just reconnected. Your connection to them is being renewed.',
  TIMEOUT: 'The server did not answer in time.',
  OFFLINE: 'There is no connection to the server.',
};

/**
 * Isolates a name within a sentence (Unicode's FIRST STRONG ISOLATE), so that its letters, whatever
 * their direction, rearrange nothing around it.
 */
export function isolated(name) {
  return `\u2068${name}\u2069`;
}

/** A sentence or two for a `VoiceError`. `channelName` is what the user knows the channel by. */
export function errorText({ code, message }, channelName = '') {
  const name = channelName && `“${isolated(channelName)}”`;
  if (code === 'CHANNEL_NOT_FOUND' && name) return `There is no channel called ${name}.`;
  if (code === 'CHANNEL_FULL' && name) return `${name} is full. Try again when somebody has left.`;
  if (code === 'FORBIDDEN' && name) return `You are not allowed to join ${name}.`;
  return ERRORS[code] ?? `The server refused: ${message || code}`;
}

/** What a link invites to; `''` if it names no channel. */
export function invitationText(channelName) {
  return channelName ? `You are invited to “${isolated(channelName)}”.` : '';
}

/**
 * Who came and went, for screen readers: `''` if nobody did. More than three are only counted.
 *
 * @param {{ joined: string[], left: string[] }} names
 */
export function comingAndGoing({ joined, left }) {
  const sentence = (names, what) => {
    if (names.length === 0) return [];
    if (names.length > 3) return [`${names.length} people ${what}.`];
    return [`${LIST.format(names.map(isolated))} ${what}.`];
  };
  return [...sentence(joined, 'joined'), ...sentence(left, 'left')].join(' ');
}

const LIST = new Intl.ListFormat('en', { type: 'conjunction' });

const LEFT = {
  kicked: 'You were removed from the channel.',
  evicted: 'Your connection was too slow to keep up, so the server took you out of the channel. Join again when it is better.',
};

/** Why the user is out of the channel; `''` if the user knows or another message says it. */
export function leftText(reason) {
  return LEFT[reason] ?? '';
}

const MICROPHONE = {
  NotAllowedError: 'The microphone is blocked. You can listen; to speak, allow it in your browser’s site settings.',
  NotFoundError: 'No microphone was found. You can listen; plug one in to speak.',
  NotReadableError: 'Another program may be using the microphone. You can listen meanwhile.',
  SecurityError: 'Browsers allow the microphone only over HTTPS or on this very computer. You can listen.',
};

/** A text for what `getUserMedia` threw. */
export function microphoneText(error) {
  return MICROPHONE[error?.name] ?? 'The microphone could not be started. You can listen.';
}

export const MICROPHONE_LOST = 'The microphone was unplugged or taken away.';

/**
 * A text about the call as a whole; `''` if all is well.
 *
 * @param {object} call
 * @param {boolean} call.offline whether a call goes on without the server
 * @param {string[]} call.lingering names of users that lost the server while audio goes on
 * @param {boolean} call.relayMissing whether the user wants relays only, and the server offers none
 * @param {boolean} call.crowded whether the channel has more people than a full mesh is good for
 */
export function callText({ offline, lingering, relayMissing, crowded }) {
  const names = lingering.map(isolated).join(', ');
  if (offline) return 'The server cannot be reached. The call goes on. The list of people is updated when the server is back.';
  if (names) return `${names}: no connection to the server. You may hear each other until they are back or gone.`;
  if (relayMissing) return 'This page was opened for relays only, but the server offers none. Nobody can be heard.';
  if (crowded) return 'More than eight people are here. Everyone sends to everyone, so quality may drop.';
  return '';
}

/**
 * The connection to the server: `{ words, tone }` with tone `good`, `busy`, `bad` or `idle`. During
 * a reconnection the words stay the same through all attempts, because screen readers read changes
 * out.
 */
export function signalingStatus(state, { cause = '', wasOnline = false } = {}) {
  switch (state) {
    case 'online': return { words: 'Connected', tone: 'good' };
    case 'connecting':
    case 'waiting': return wasOnline ? { words: 'Reconnecting…', tone: 'bad' } : { words: 'Connecting…', tone: 'busy' };
    case 'refused': return { words: cause || 'Signed out', tone: 'bad' };
    default: return { words: 'Not connected', tone: 'idle' };
  }
}

const CONNECTION = {
  none: { words: 'Connecting…', tone: 'busy' },
  connecting: { words: 'Connecting…', tone: 'busy' },
  interrupted: { words: 'Interrupted, reconnecting…', tone: 'bad' },
  failed: { words: 'No connection, still trying…', tone: 'bad' },
  silent: { words: 'No sound, reconnecting…', tone: 'bad' },
  unavailable: { words: 'No audio in this browser', tone: 'bad' },
};
const QUALITY = {
  good: { words: 'Good connection', tone: 'good' },
  fair: { words: 'Fair connection', tone: 'busy' },
  poor: { words: 'Poor connection', tone: 'bad' },
};

/** The audio connection to one person: `{ words, tone }`. */
export function connectionStatus(connection, quality) {
  if (connection !== 'connected') return CONNECTION[connection] ?? CONNECTION.none;
  return QUALITY[quality] ?? { words: 'Connected', tone: 'good' };
}

/**
 * A connection in numbers; `''` before it was measured.
 *
 * @param {object | undefined} details
 * @param {number | null} details.roundTripTimeMs
 * @param {number} details.loss the share of incoming packets that were lost, from 0 to 1
 * @param {boolean} details.relayed whether a TURN server passes the packets on
 * @param {string} details.relayProtocol how this side reaches its relay: `udp`, `tcp` or `tls`
 */
export function detailsText(details) {
  if (!details) return '';
  const { roundTripTimeMs, loss, relayed, relayProtocol } = details;
  const path = relayed ? `by a relay${relayProtocol && ` (${relayProtocol.toUpperCase()})`}` : 'direct';
  const trip = roundTripTimeMs === null ? [] : [`Round trip ${Math.round(roundTripTimeMs)} ms`];
  return [...trip, `Loss ${(100 * loss).toFixed(1)} %`, `Path ${path}`].join(' · ');
}

const RELAY_REFUSALS = new Map([
  [400, 'did not understand this browser'],
  [401, 'refused our credentials'],
  [403, 'does not relay to the others'],
  [437, 'lost track of this connection'],
  [441, 'refused our credentials'],
  [486, 'is at its limit for you'],
  [508, 'has no capacity left'],
  [701, 'does not answer'],
]);

/**
 * What the error of a TURN server means; `''` for errors without an effect, such as a STUN server
 * out of reach.
 */
export function iceErrorText({ code, url = '' }, { relayOnly = false } = {}) {
  const refusal = RELAY_REFUSALS.get(code);
  // STUN servers are out of reach in many networks, and calls come about all the same.
  if (!refusal || (code === 701 && !url.startsWith('turn'))) return '';
  const effect = relayOnly
    ? 'Nobody can be heard, since this page was opened for relays only.'
    : 'People behind strict firewalls may not hear you.';
  return `The relay server ${refusal}. ${effect}`;
}

/**
 * Why there can be no audio.
 *
 * @param {{ reason: 'unsupported' | 'failed' }} unavailable
 * @param {string} name of the participant; `''` for everybody
 */
export function audioUnavailableText({ reason }, name) {
  if (reason === 'unsupported') return 'This browser cannot make audio connections: WebRTC is missing or switched off. You see who is here, but hear nobody.';
  return `This browser could not make an audio connection to ${name ? isolated(name) : 'anybody'}.`;
}
