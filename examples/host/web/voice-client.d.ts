/** Types of `voice-client.js`: the client module of United Voice servers. What each thing does stands in the module and its README. */

/** The code of a `VoiceError`: one of the wire's without `VOICE_ERROR_CODE_`, or one of this client's own. */
export type VoiceErrorCode =
  | 'UNSPECIFIED' | 'MALFORMED' | 'UNSUPPORTED' | 'CHANNEL_NOT_FOUND' | 'NOT_A_VOICE_CHANNEL' | 'FORBIDDEN' | 'CHANNEL_FULL'
  | 'NOT_IN_CHANNEL' | 'TARGET_NOT_IN_CHANNEL' | 'TOO_LARGE' | 'RATE_LIMITED' | 'SESSION_REPLACED' | 'UNAVAILABLE' | 'INTERNAL'
  | 'STALE_SESSION'
  /** No reply in 10 s. Another connection to the server is opened then. */
  | 'TIMEOUT'
  /** The connection was or went down. */
  | 'OFFLINE'
  /** A later `join` or `leave` took its place. */
  | 'SUPERSEDED';

/** A refusal by the server, or a failure on this side. */
export class VoiceError extends Error {
  constructor(code: VoiceErrorCode, message?: string, channelId?: string);
  /** From the wire's `VoiceError` in its JSON form. */
  static fromWire(error: { code?: string; message?: string; channelId?: string }): VoiceError;
  readonly code: VoiceErrorCode;
  readonly channelId: string;
  /** Whether the same request may succeed later without anybody changing anything. */
  get retryable(): boolean;
}

/** Milliseconds before attempt number `attempt`, 0 being the first after a loss. `random` gives numbers from 0 to 1. */
export function backoffDelay(attempt: number, random?: () => number): number;

/** How good a connection was between two of its `stats()`. */
export function quality(now: ConnectionNumbers, before?: ConnectionNumbers): 'good' | 'fair' | 'poor';

/** The signaling connection. */
export type SignalingState = 'idle' | 'connecting' | 'online' | 'waiting' | 'refused';

/** The audio connection to a participant. */
export type AudioConnection = 'none' | 'connecting' | 'connected' | 'interrupted' | 'failed';

/** Why somebody else left, as on the wire. */
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

/** Of one peer connection since it was made. */
export interface ConnectionNumbers {
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly packetsSent: number;
  readonly totalAudioEnergy: number;
  /** `null` while it has not been measured. */
  readonly roundTripTimeMs: number | null;
  /** Empty while no pair of candidates is in use, as are the next two. */
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
  /** Offer and answer rounds. */
  readonly negotiations: number;
  /** Another one for each new peer connection. */
  readonly connectionId: number;
}

export interface VoiceClientOptions {
  /** Of the WebSocket, without the token. */
  url: string;
  /**
   * A token, or what gets one before each attempt to connect. `renew` says that the one before may have been refused. An error
   * with a true `fatal` ends the attempts.
   */
  token: string | ((context: { renew: boolean }) => Promise<string | { token: string; userId?: string }>);
  /** One's own user id, where `token` does not give it. */
  userId?: string;
  /** Use TURN relays only, so that no participant learns one's address. */
  relayOnly?: boolean;
  /** In the place of the platform's own, for tests. */
  WebSocket?: unknown;
  /** In the place of the platform's own, for tests. */
  RTCPeerConnection?: unknown;
  /** In the place of `Math.random`, for tests. */
  random?: () => number;
}

/** The events of a client by name. */
export interface VoiceClientEventMap {
  /** The signaling connection changed. */
  state: CustomEvent<{ state: SignalingState; cause?: string; retryInMs?: number }>;
  /** One is in a channel, or out of it (`null`). */
  channel: CustomEvent<ChannelDetail>;
  /** Anything about `participants` changed. */
  roster: CustomEvent<Record<string, never>>;
  /** Somebody came. */
  participantjoined: CustomEvent<{ participant: Participant }>;
  /** Somebody went. */
  participantleft: CustomEvent<{ participant: Omit<Participant, 'connection'>; reason: LeaveReason }>;
  /** Something to play. */
  track: CustomEvent<{ userId: string; track: MediaStreamTrack }>;
  /** Nothing to play any more. */
  trackended: CustomEvent<{ userId: string }>;
  /** An error that no promise reports. */
  error: CustomEvent<{ error: VoiceError; action: 'rejoin' | 'relay' | 'none' }>;
  /** A step of a negotiation failed; for logs. */
  peererror: CustomEvent<{ userId: string; error: unknown }>;
  /** A STUN or TURN server refused or did not answer. */
  iceerror: CustomEvent<{ userId: string; code: number; text: string; url: string }>;
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

  /** One's own user id; empty until it is known. */
  get userId(): string;
  /** The channel one is in, also while signaling is being reconnected; else `null`. */
  get channelId(): string | null;
  /** Names this stay in the channel; empty while there is none. */
  get sessionId(): string;
  get state(): SignalingState;
  get muted(): boolean;
  get deafened(): boolean;
  /** The others in the channel, in the order they joined. */
  get participants(): Participant[];
  /** Those whose signaling broke off and whose audio goes on for the moment. They are not participants. */
  get lingering(): { userId: string; displayName: string }[];
  /** The ICE servers in use, without their credentials. */
  get iceServerUrls(): string[];

  /** Connects, and stays connected until `close`. */
  connect(): void;
  /** Leaves, and disconnects. */
  close(): void;
  /** Does not wait any longer for the next attempt to connect. */
  retryNow(): void;
  /** Joins a channel, leaving the one before. Rejects with a `VoiceError`; a refused join changes nothing. */
  join(channelId: string): Promise<{ channelId: string; qualityWarning: boolean }>;
  /** Leaves the channel at once. */
  leave(): void;
  /** Tells the others. Silencing the track is the caller's part. */
  setMuted(muted: boolean): void;
  setDeafened(deafened: boolean): void;
  /** Tells the others whether one speaks. May be called as often as one likes. */
  setSpeaking(speaking: boolean): void;
  /** What the others hear. */
  setTrack(track: MediaStreamTrack | null): void;
  /** One entry for each connection to another, those who are `lingering` included. */
  stats(): Promise<ConnectionStats[]>;

  addEventListener<Type extends keyof VoiceClientEventMap>(
    type: Type, listener: Listener<Type>, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<Type extends keyof VoiceClientEventMap>(
    type: Type, listener: Listener<Type>, options?: boolean | EventListenerOptions): void;
}
