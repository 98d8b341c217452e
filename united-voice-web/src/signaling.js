/**
 * The signaling connection: one WebSocket at a time, opened again until the caller stops it.
 *
 * It speaks the JSON form of `united.ws.Envelope` (subprotocol `united.voice.v1.json`) and matches
 * replies to requests by `requestId`. It knows nothing about calls, media or the page.
 */

export const SUBPROTOCOL = 'united.voice.v1.json';

/** How long a request waits for its reply. If the server takes longer, it counts as gone. */
export const REQUEST_TIMEOUT_MS = 10_000;
const OPEN_TIMEOUT_MS = 10_000;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
/** A connection that lasted this long was good: after it the delays start again at the shortest. */
const STABLE_AFTER_MS = 5_000;

/**
 * How many milliseconds to wait before attempt number `attempt`; 0 is the first after a loss. The
 * delay is random in a window that grows exponentially. So the clients of a restarted server do not
 * all come back in the same instant.
 */
export function backoffDelay(attempt, random = Math.random) {
  return Math.round(random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 16)));
}

/**
 * What a close code of the server means: the cause, and the shortest time to wait before the next
 * attempt. For example, a client that was closed for flooding must not come back with another
 * flood.
 */
export function closeReaction(code) {
  switch (code) {
    case 1001: return { cause: 'shutdown', minDelayMs: 0 };
    case 1008: return { cause: 'too-many-messages', minDelayMs: MAX_DELAY_MS };
    case 1009: return { cause: 'message-too-large', minDelayMs: 1_000 };
    case 1013: return { cause: 'too-slow', minDelayMs: 1_000 };
    default: return { cause: 'connection-lost', minDelayMs: 0 };
  }
}

/**
 * A refusal by the server, or a failure of this client.
 *
 * `code` is a `VoiceErrorCode` without its prefix (`CHANNEL_FULL`, `FORBIDDEN`, …) or one of the
 * client's own: `TIMEOUT` (no reply), `OFFLINE` (no connection, or it was lost), `SUPERSEDED` (a
 * later call replaced this one).
 */
export class VoiceError extends Error {
  constructor(code, message = '', channelId = '') {
    super(message || code);
    this.name = 'VoiceError';
    this.code = code;
    this.channelId = channelId;
  }

  /** Makes the error from a `VoiceError` of the wire. */
  static fromWire({ code = '', message = '', channelId = '' }) {
    return new VoiceError(String(code).replace('VOICE_ERROR_CODE_', '') || 'UNSPECIFIED', message, channelId);
  }

  /** Whether the same request may succeed later by itself. */
  get retryable() {
    return ['RATE_LIMITED', 'UNAVAILABLE', 'INTERNAL', 'TIMEOUT', 'OFFLINE'].includes(this.code);
  }
}

/** Splits a JSON envelope into `{ requestId, name, payload }`. Returns `null` for anything else. */
export function parseEnvelope(text) {
  let envelope;
  try {
    envelope = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof envelope !== 'object' || envelope === null) return null;
  const name = Object.keys(envelope).find((key) => key !== 'requestId');
  if (!name || typeof envelope[name] !== 'object' || envelope[name] === null) return null;
  return { requestId: envelope.requestId ?? '', name, payload: envelope[name] };
}

/**
 * Event: `state` `{ state, cause, retryInMs }`; the state is `idle`, `connecting`, `online`,
 * `waiting` or `refused`.
 *
 * Messages go to the callback `onMessage({ requestId, name, payload, answersRequest })`, in their
 * order in the stream. A reply goes there before the promise of its request settles, because a
 * roster needs that order.
 */
export class Signaling extends EventTarget {
  #address;
  #onMessage;
  #WebSocket;
  #random;
  #socket = null;
  #state = 'idle';
  #pending = new Map();
  #nextId = 1;
  #attempt = 0;
  #refused = false;
  #run = 0;
  #timer = 0;
  #stableTimer = 0;

  /**
   * @param {object} options
   * @param {(context: { refused: boolean }) => Promise<string>} options.address gives the URL for
   *   one attempt. `refused` says that the last attempt never opened, which is all that a browser
   *   tells about a refused token. An error with a true `fatal` ends the attempts
   * @param {(message: object) => void} options.onMessage
   */
  constructor({ address, onMessage, WebSocket = globalThis.WebSocket, random = Math.random }) {
    super();
    this.#address = address;
    this.#onMessage = onMessage;
    this.#WebSocket = WebSocket;
    this.#random = random;
  }

  get state() {
    return this.#state;
  }

  get online() {
    return this.#state === 'online';
  }

  /** Opens the connection and keeps it open. */
  start() {
    if (this.#state !== 'idle' && this.#state !== 'refused') return;
    this.#attempt = 0;
    this.#refused = false;
    this.#connect();
  }

  /** Closes the connection for good. Pending requests fail with `OFFLINE`. */
  stop() {
    this.#drop(1000);
    this.#setState('idle');
  }

  /** Makes the next attempt now, without the rest of the delay. */
  retryNow() {
    if (this.#state === 'waiting') this.#connect();
  }

  /** Drops a connection that looks dead, and opens another. */
  reset() {
    if (!this.online) return;
    this.#drop();
    this.#wait('connection-lost', 0);
  }

  /**
   * Sends a request. Resolves with the payload of its reply, or rejects with a {@link VoiceError}.
   * If no reply comes in time, the connection is dead, whatever the socket says, and another is
   * opened.
   */
  request(name, payload, timeoutMs = REQUEST_TIMEOUT_MS) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#settle(requestId, { error: new VoiceError('TIMEOUT') });
        this.reset();
      }, timeoutMs);
      const requestId = this.#transmit(name, payload, { resolve, reject, timer });
      if (requestId === null) {
        clearTimeout(timer);
        reject(new VoiceError('OFFLINE'));
      }
    });
  }

  /**
   * Sends a message that is answered only if it is refused; `onError` gets the refusal. Returns
   * whether it was sent.
   */
  relay(name, payload, onError = () => {}) {
    const timer = setTimeout(() => this.#settle(requestId, {}), REQUEST_TIMEOUT_MS);
    const requestId = this.#transmit(name, payload, { resolve: () => {}, reject: onError, timer, silent: true });
    if (requestId === null) clearTimeout(timer);
    return requestId !== null;
  }

  #transmit(name, payload, entry) {
    if (!this.online) return null;
    const requestId = `${this.#run}-${this.#nextId++}`;
    this.#pending.set(requestId, entry);
    this.#socket.send(JSON.stringify({ requestId, [name]: payload }));
    return requestId;
  }

  #settle(requestId, { error, payload }) {
    const entry = this.#pending.get(requestId);
    if (!entry) return;
    this.#pending.delete(requestId);
    clearTimeout(entry.timer);
    if (error) entry.reject(error);
    else entry.resolve(payload);
  }

  async #connect() {
    clearTimeout(this.#timer);
    const run = ++this.#run;
    this.#setState('connecting');
    let url;
    try {
      url = await this.#address({ refused: this.#refused });
    } catch (error) {
      if (run !== this.#run) return;
      if (error?.fatal) this.#setState('refused', { cause: error.message });
      else this.#wait('no-address', 0);
      return;
    }
    if (run !== this.#run) return;
    this.#open(url);
  }

  #open(url) {
    const socket = new this.#WebSocket(url, [SUBPROTOCOL]);
    this.#socket = socket;
    this.#refused = true;
    // Browsers let an attempt hang for minutes, which is too long.
    this.#timer = setTimeout(() => this.#lost(socket, 0), OPEN_TIMEOUT_MS);
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.#received(socket, event.data);
    socket.onclose = (event) => this.#lost(socket, event.code);
  }

  #opened(socket) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#timer);
    this.#refused = false;
    this.#stableTimer = setTimeout(() => { this.#attempt = 0; }, STABLE_AFTER_MS);
    this.#setState('online');
  }

  #received(socket, data) {
    if (socket !== this.#socket || typeof data !== 'string') return;
    const message = parseEnvelope(data);
    if (!message) return;
    this.#onMessage({ ...message, answersRequest: this.#pending.has(message.requestId) });
    if (!message.requestId) return;
    if (message.name === 'voiceError') this.#settle(message.requestId, { error: VoiceError.fromWire(message.payload) });
    else this.#settle(message.requestId, { payload: message.payload });
  }

  #lost(socket, code) {
    if (socket !== this.#socket) return;
    const reaction = closeReaction(code);
    this.#drop();
    this.#wait(reaction.cause, reaction.minDelayMs);
  }

  /** Closes the socket, if there is one, and fails the pending requests. */
  #drop(code) {
    clearTimeout(this.#timer);
    clearTimeout(this.#stableTimer);
    this.#run++;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(code);
    for (const [requestId, entry] of [...this.#pending]) {
      this.#settle(requestId, entry.silent ? {} : { error: new VoiceError('OFFLINE') });
    }
  }

  #wait(cause, minDelayMs) {
    const retryInMs = Math.max(minDelayMs, backoffDelay(this.#attempt++, this.#random));
    this.#timer = setTimeout(() => this.#connect(), retryInMs);
    this.#setState('waiting', { cause, retryInMs });
  }

  #setState(state, detail = {}) {
    if (this.#state === state) return;
    this.#state = state;
    this.dispatchEvent(new CustomEvent('state', { detail: { state, ...detail } }));
  }
}
