/**
 * Types of the browser client of United Voice servers. The modules and the README say more.
 */

/**
 * The code of a `VoiceError`: the wire's, without `VOICE_ERROR_CODE_`, or one of the client's own.
 */
export type VoiceErrorCode =
  | 'UNSPECIFIED' | 'MALFORMED' | 'UNSUPPORTED' | 'CHANNEL_NOT_FOUND' | 'NOT_A_VOICE_CHANNEL' | 'FORBIDDEN' | 'CHANNEL_FULL'
  | 'NOT_IN_CHANNEL' | 'TARGET_NOT_IN_CHANNEL' | 'TOO_LARGE' | 'RATE_LIMITED' | 'SESSION_REPLACED' | 'UNAVAILABLE' | 'INTERNAL'
  | 'STALE_SESSION'
  /** No reply in 10 s. The client then opens another connection. */
  | 'TIMEOUT'
  /** There is no connection, or it was lost. */
  | 'OFFLINE'
  /** A later `join` or `leave` replaced the call. */
  | 'SUPERSEDED';

/** A refusal by the server, or a failure of the client. */
export class VoiceError extends Error {
  constructor(code: VoiceErrorCode, message?: string, channelId?: string);
  /** Makes the error from a `VoiceError` of the wire in its JSON form. */
  static fromWire(error: { code?: string; message?: string; channelId?: string }): VoiceError;
  readonly code: VoiceErrorCode;
  readonly channelId: string;
  /** Whether the same request may succeed later by itself. */
  get retryable(): boolean;
}

/**
 * Milliseconds before attempt number `attempt`; 0 is the first after a loss. `random` gives numbers
 * from 0 to 1.
 */
export function backoffDelay(attempt: number, random?: () => number): number;

/** How good a connection was between two readings of its `stats()`. */
export function quality(now: ConnectionNumbers, before?: ConnectionNumbers): 'good' | 'fair' | 'poor';

/** The signaling connection. */
export type SignalingState = 'idle' | 'connecting' | 'online' | 'waiting' | 'refused';

/**
 * The audio connection to a participant. `silent`: it is up, but nothing comes in from somebody
 * that is not muted. `unavailable`: the browser can't make one, see the event `audiounavailable`.
 */
export type AudioConnection = 'none' | 'connecting' | 'connected' | 'silent' | 'interrupted' | 'failed' | 'unavailable';

/** Why a participant left, as on the wire. */
export type LeaveReason =
  | 'VOICE_LEAVE_REASON_UNSPECIFIED' | 'VOICE_LEAVE_REASON_LEFT' | 'VOICE_LEAVE_REASON_MOVED' | 'VOICE_LEAVE_REASON_DISCONNECTED'
  | 'VOICE_LEAVE_REASON_REPLACED' | 'VOICE_LEAVE_REASON_KICKED' | 'VOICE_LEAVE_REASON_EVICTED';

export interface Participant {
  readonly userId: string;
  readonly displayName: string;
  readonly pubkey: string;
  readonly sessionId: string;
  readonly muted: boolean;
  readonly deafened: boolean;
  readonly speaking: boolean;
  readonly connection: AudioConnection;
}

/** Totals of one peer connection since it was made. */
export interface ConnectionNumbers {
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly packetsSent: number;
  readonly totalAudioEnergy: number;
  /** `null` until it is measured. */
  readonly roundTripTimeMs: number | null;
  /** Empty until a pair of candidates is in use, as are the next two. */
  readonly localCandidateType: '' | RTCIceCandidateType;
  readonly remoteCandidateType: '' | RTCIceCandidateType;
  readonly relayProtocol: string;
}

export interface ConnectionStats extends ConnectionNumbers {
  readonly userId: string;
  readonly displayName: string;
  readonly sessionId: string;
  readonly connectionState: RTCPeerConnectionState;
  readonly iceState: RTCIceConnectionState;
  /** Completed rounds of offer and answer. */
  readonly negotiations: number;
  /** A number that no other peer connection of the page has. */
  readonly connectionId: number;
}

/** An envelope in its JSON form: a `requestId`, and one payload under its name. */
export interface VoiceEnvelope {
  requestId?: string;
  [payload: string]: unknown;
}

/**
 * A connection that carries envelopes, for hosts that have a connection of their own. The client
 * sets the three callbacks. If `state` is `open` from the start, `onopen` need not be called.
 */
export interface VoiceTransport {
  readonly state: 'connecting' | 'open' | 'closed';
  send(envelope: VoiceEnvelope): void;
  /**
   * The client needs this transport no longer: it was stopped, the server does not answer, or the
   * page is frozen (`code` is 4000).
   */
  close(code?: number): void;
  onopen: (() => void) | null;
  /** Takes every envelope of the server. The client ignores payloads that are not voice. */
  onmessage: ((envelope: VoiceEnvelope) => void) | null;
  /** The connection is gone. `code` is the close code of a WebSocket, if there is one. */
  onclose: ((code?: number) => void) | null;
}

/** A token; with it may come the user's id. */
export type Token = string | { token?: string; userId?: string };

/** Options for every kind of connection to the server. */
export interface CommonOptions {
  /** The user's own id, if `token` does not give it. */
  userId?: string;
  /** Use TURN relays only, so that no participant learns the user's address. */
  relayOnly?: boolean;
  /** Replaces the platform's own in tests. */
  RTCPeerConnection?: unknown;
  /** Replaces `Math.random` in tests. */
  random?: () => number;
  /** Replaces the page's document and window in tests. */
  page?: { document?: EventTarget; window?: EventTarget };
}

/** The client opens WebSockets. */
export interface WebSocketOptions extends CommonOptions {
  /** The WebSocket's address, without the token. */
  url: string | URL;
  /**
   * A token, or a function that gets one before each attempt to connect. `renew` says that the
   * server may have refused the last token. An error with a true `fatal` ends the attempts. If it
   * takes longer than 10 s, it is called again for another attempt. Without a token, the browser's
   * cookies have to do.
   */
  token?: string | ((context: { renew: boolean }) => Promise<Token>);
  /**
   * How the token reaches the server. Changes `url`, or returns another address, or returns
   * subprotocols to offer besides the client's own. Without it, the token becomes the parameter
   * `access_token`. `token` is empty if there is none.
   */
  authorize?: (url: URL, token: string) => void | string | URL | { url?: string | URL; protocols?: string[] };
  transport?: undefined;
  /** Replaces the platform's own in tests. */
  WebSocket?: unknown;
}

/** The host has a connection of its own. */
export interface TransportOptions extends CommonOptions {
  /**
   * Called for each attempt to connect, with `renew` as for `token`. An error with a true `fatal`
   * ends the attempts.
   */
  transport: (context: { renew: boolean }) => VoiceTransport | Promise<VoiceTransport>;
  url?: undefined;
}

export type VoiceClientOptions = WebSocketOptions | TransportOptions;

/** The events of a client by name. */
export interface VoiceClientEventMap {
  /** The signaling connection changed. */
  state: CustomEvent<{ state: SignalingState; cause?: string; retryInMs?: number }>;
  /** The user is in a channel, or in none (`null`). */
  channel: CustomEvent<ChannelDetail>;
  /** Anything about `participants` changed. */
  roster: CustomEvent<Record<string, never>>;
  /** Somebody came. */
  participantjoined: CustomEvent<{ participant: Participant }>;
  /** Somebody went. */
  participantleft: CustomEvent<{ participant: Omit<Participant, 'connection'>; reason: LeaveReason }>;
  /** A track to play. */
  track: CustomEvent<{ userId: string; track: MediaStreamTrack }>;
  /** The track is to be played no longer. */
  trackended: CustomEvent<{ userId: string }>;
  /** An error that no promise reports. */
  error: CustomEvent<{ error: VoiceError; action: 'rejoin' | 'relay' | 'none' }>;
  /** A step of a negotiation failed. For logs. */
  peererror: CustomEvent<{ userId: string; error: unknown }>;
  /**
   * A STUN or TURN server refused or did not answer. `code` is its own: 401 and 403 (credentials),
   * 437, 486 (quota), 508 (no capacity), …, or 701 if it did not answer.
   */
  iceerror: CustomEvent<{ userId: string; code: number; text: string; url: string }>;
  /**
   * There can be no audio with this participant, or with anybody (`null`). `unsupported`: the
   * browser has no `RTCPeerConnection`. `failed`: it made none.
   */
  audiounavailable: CustomEvent<{ userId: string | null; reason: 'unsupported' | 'failed'; error: unknown }>;
}

export type ChannelDetail =
  | { channelId: string; reason: 'joined' | 'rejoined'; qualityWarning: boolean }
  | { channelId: null; reason: 'left' | 'kicked' | 'evicted' | 'replaced' | 'refused' };

type Listener<Type extends keyof VoiceClientEventMap> =
  | ((this: VoiceClient, event: VoiceClientEventMap[Type]) => unknown)
  | { handleEvent(event: VoiceClientEventMap[Type]): unknown }
  | null;

export class VoiceClient extends EventTarget {
  constructor(options: VoiceClientOptions);

  /** The user's own id; empty until it is known. */
  get userId(): string;
  /** The channel that the user is in, even while signaling reconnects; `null` if none. */
  get channelId(): string | null;
  /** The session, which is this stay in the channel; empty if there is none. */
  get sessionId(): string;
  get state(): SignalingState;
  get muted(): boolean;
  get deafened(): boolean;
  /** The others in the channel, in the order they joined. */
  get participants(): Participant[];
  /** Users that lost the server while audio with them goes on. None of them is a participant. */
  get lingering(): { userId: string; displayName: string }[];
  /** The ICE servers in use, without their credentials. */
  get iceServerUrls(): string[];

  /** Connects, and stays connected until `close`. */
  connect(): void;
  /** Leaves, and disconnects. */
  close(): void;
  /**
   * Makes the next attempt to connect now, if the client is waiting for it. If it is connected, it
   * asks the server whether the connection is alive. The client does so by itself if the page
   * becomes visible, if the browser is online again, and if a frozen page goes on.
   */
  retryNow(): void;
  /**
   * Joins a channel and leaves the present one. Waits for the connection if there is none. Rejects
   * with a `VoiceError`. A join that is refused, or lost with its connection, changes nothing.
   */
  join(channelId: string): Promise<{ channelId: string; qualityWarning: boolean }>;
  /** Leaves the channel at once. */
  leave(): void;
  /** Tells the others. The caller, which owns the track, has to silence it. */
  setMuted(muted: boolean): void;
  /** Tells the others. A deafened user counts as muted. */
  setDeafened(deafened: boolean): void;
  /**
   * Tells the others whether the user speaks. May be called often: only changes are sent, at most
   * four a second.
   */
  setSpeaking(speaking: boolean): void;
  /**
   * What the others hear. A change needs no negotiation. While there is no track, or while the
   * system mutes it, the others see the user as muted.
   */
  setTrack(track: MediaStreamTrack | null): void;
  /** An entry for each connection to another user; `lingering` users are among them. */
  stats(): Promise<ConnectionStats[]>;

  addEventListener<Type extends keyof VoiceClientEventMap>(
    type: Type, listener: Listener<Type>, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<Type extends keyof VoiceClientEventMap>(
    type: Type, listener: Listener<Type>, options?: boolean | EventListenerOptions): void;
}

/** The events of a microphone by name. */
export interface MicrophoneEventMap {
  /** Send this track from now on; `null` for none. */
  track: CustomEvent<{ track: MediaStreamTrack | null }>;
  /** How loud it is, in decibels relative to full scale. */
  level: CustomEvent<{ db: number }>;
  /** The user begins or ceases to be heard. */
  open: CustomEvent<{ open: boolean }>;
  /** The device is gone. */
  lost: CustomEvent<Record<string, never>>;
  /** The system mutes the microphone for a while, or gives it back. */
  interrupted: CustomEvent<{ interrupted: boolean }>;
}

type MicrophoneListener<Type extends keyof MicrophoneEventMap> =
  | ((this: Microphone, event: MicrophoneEventMap[Type]) => unknown)
  | { handleEvent(event: MicrophoneEventMap[Type]): unknown }
  | null;

/** The microphone: captured once, always metered, and sent only if the user wants to be heard. */
export class Microphone extends EventTarget {
  /**
   * The audio graph of the meter; `null` if the browser makes none. Then the microphone is open
   * unless it is muted. `workletUrl` is the address of `voice-activity-worklet.js`, if it is not
   * beside the module.
   */
  constructor(context: AudioContext | null, options?: { workletUrl?: string | URL });
  /** Whether there is a microphone to speak into. */
  get present(): boolean;
  /** Whether the system mutes the microphone at the moment, for example during a phone call. */
  get interrupted(): boolean;
  /** The device in use; empty if unknown. */
  get deviceId(): string;
  /**
   * Starts the capture, or changes the device. Rejects with the error of `getUserMedia`. If `stop`
   * or another start comes while the browser asks the user, this start has no effect.
   */
  start(deviceId?: string): Promise<void>;
  stop(): void;
  set muted(muted: boolean);
  /** `activity`: open while the user speaks. `push`: open while `pressed`. */
  set mode(mode: 'activity' | 'push');
  set pressed(pressed: boolean);
  /** The level at which speech begins, in decibels relative to full scale (-100 to 0). */
  set thresholdDb(thresholdDb: number);
  /** Whether the browser takes noise out of the sound; by default it does. */
  set noiseSuppression(suppress: boolean);

  addEventListener<Type extends keyof MicrophoneEventMap>(
    type: Type, listener: MicrophoneListener<Type>, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<Type extends keyof MicrophoneEventMap>(
    type: Type, listener: MicrophoneListener<Type>, options?: boolean | EventListenerOptions): void;
}

/** Plays the others. Its event `change` says that `blocked` may have changed. */
export class AudioOutput extends EventTarget {
  /** Without an audio graph, the volume of a person ends at 1. */
  constructor(context: AudioContext | null);
  /** Whether the speaker can be chosen in this browser. */
  get canPickSink(): boolean;
  /** Whether the browser holds the sound back until the user clicks. */
  get blocked(): boolean;
  /** Starts what the browser held back. Call it in the handler of a click. */
  resume(): Promise<void>;
  play(id: string, track: MediaStreamTrack): void;
  stop(id: string): void;
  /** From 0 to 2; 1 is as it was sent. */
  setVolume(id: string, volume: number): void;
  set deafened(deafened: boolean);
  /** Plays on another device; an empty text is the system's choice. Rejects if the device is gone. */
  setSink(deviceId: string): Promise<void>;
}
