/**
 * The signaling connection: one transport at a time, opened again until the caller stops it.
 *
 * It sends and receives `united.ws.Envelope` in its JSON form and matches replies to requests by
 * `requestId`. It knows nothing about calls, media or the page.
 */

/** How long a request waits for its reply. If the server takes longer, it counts as gone. */
export const REQUEST_TIMEOUT_MS = 10_000;
const OPEN_TIMEOUT_MS = 10_000;
/** How long the caller may take to prepare an attempt, for example to get a token. */
const PREPARE_TIMEOUT_MS = 10_000;
/**
 * If nothing came in for the first time, the server is asked. If it does not answer within the
 * second, it counts as gone. A page sees no pings, so nothing else tells it. Together the two stay
 * below half a minute.
 */
export const QUIET_MS = 20_000;
const QUIET_ANSWER_MS = 8_000;
/** The time for an answer if there is a reason to doubt the connection. */
export const CHECK_ANSWER_MS = 5_000;
/** A connection that has delivered something so recently is not asked. */
const FRESH_MS = 1_000;
/**
 * Names a channel that the user is not in. A speaking event there is the cheapest message that
 * always has an answer: the server refuses it, and tells nobody.
 */
const NOWHERE = '-';
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
/**
 * The first attempts, which take about half a minute, wait no longer than this. So after a short
 * outage everybody is back soon after the server is.
 */
const EAGER_ATTEMPTS = 16;
const MAX_EAGER_DELAY_MS = 4_000;
/** A connection that lasted this long was good: after it the delays start again at the shortest. */
const STABLE_AFTER_MS = 5_000;

/**
 * How many milliseconds to wait before attempt number `attempt`; 0 is the first after a loss. The
 * delay is random in a window that grows exponentially. So the clients of a restarted server do not
 * all come back in the same instant.
 */
export function backoffDelay(attempt, random = Math.random) {
  const longest = attempt < EAGER_ATTEMPTS ? MAX_EAGER_DELAY_MS : MAX_DELAY_MS;
  return Math.round(random() * Math.min(longest, FIRST_DELAY_MS * 2 ** Math.min(attempt, 16)));
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

/**
 * Splits an envelope into `{ requestId, name, payload }`. Returns `null` for anything else, such as
 * the payloads of a host's own.
 */
export function readEnvelope(envelope) {
  if (typeof envelope !== 'object' || envelope === null) return null;
  const name = Object.keys(envelope).find((key) => key.startsWith('voice'));
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
  #prepare;
  #onMessage;
  #random;
  #now;
  #transport = null;
  #state = 'idle';
  #pending = new Map();
  #nextId = 1;
  #attempt = 0;
  #refused = false;
  #run = 0;
  #timer = 0;
  #stableTimer = 0;
  #quietTimer = 0;
  #heardAt = -Infinity;
  #checking = false;
  #penalty = false;

  /**
   * @param {object} options
   * @param {(context: { refused: boolean }) => Promise<() => object | Promise<object>>}
   *   options.prepare prepares an attempt, see `connector` in `transport.js`. An error with a true
   *   `fatal` ends the attempts
   * @param {(message: object) => void} options.onMessage
   */
  constructor({ prepare, onMessage, random = Math.random, now = () => performance.now() }) {
    super();
    this.#prepare = prepare;
    this.#onMessage = onMessage;
    this.#random = random;
    this.#now = now;
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

  /** Makes the next attempt now, without the rest of the delay. If online, asks the server. */
  retryNow() {
    if (this.#state === 'waiting') this.#connect();
    else this.check();
  }

  /**
   * Closes the connection, and opens none until {@link retryNow} or {@link wake}. The code is none
   * of those with which a client ends its stay for good. If it
   * waits for the next attempt, it goes on waiting.
   */
  pause(cause) {
    if (this.#state !== 'connecting' && this.#state !== 'online') return;
    this.#drop(4000);
    this.#penalty = false; // its delay is over
    this.#setState('waiting', { cause });
  }

  /**
   * Something has happened after which a connection may be dead, or may be possible again. Unlike
   * {@link retryNow}, this does not cut short a delay that the server imposed.
   */
  wake() {
    if (this.#state === 'waiting' && !this.#penalty) this.retryNow();
    else if (this.#now() - this.#heardAt >= FRESH_MS) this.check();
  }

  /** Asks the server whether the connection is alive, if it is online. */
  check(timeoutMs = CHECK_ANSWER_MS) {
    if (!this.online || this.#checking) return;
    this.#checking = true;
    const asked = this.request('voiceSpeakingEvent', { channelId: NOWHERE, speaking: false }, timeoutMs);
    asked.catch(() => {}).then(() => { this.#checking = false; });
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
    const transport = this.#transport;
    try {
      transport.send({ requestId, [name]: payload });
    } catch {
      this.#lost(transport, 0);
      return null;
    }
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
    this.#timer = setTimeout(() => {
      this.#drop();
      this.#wait('no-address', 0);
    }, PREPARE_TIMEOUT_MS);
    try {
      const begin = await this.#prepare({ refused: this.#refused });
      if (run !== this.#run) return;
      const transport = await begin();
      if (run === this.#run) this.#adopt(transport);
      else transport.close();
    } catch (error) {
      if (run !== this.#run) return;
      clearTimeout(this.#timer);
      if (error?.fatal) this.#setState('refused', { cause: error.message });
      else this.#wait('no-address', 0);
    }
  }

  #adopt(transport) {
    this.#transport = transport;
    this.#refused = true;
    clearTimeout(this.#timer);
    // Browsers let an attempt hang for minutes, which is too long.
    this.#timer = setTimeout(() => this.#lost(transport, 0), OPEN_TIMEOUT_MS);
    transport.onopen = () => this.#opened(transport);
    transport.onmessage = (envelope) => this.#received(transport, envelope);
    transport.onclose = (code) => this.#lost(transport, code);
    if (transport.state === 'open') this.#opened(transport);
    else if (transport.state === 'closed') this.#lost(transport, 0);
  }

  #opened(transport) {
    if (transport !== this.#transport || this.online) return;
    clearTimeout(this.#timer);
    this.#refused = false;
    this.#penalty = false;
    this.#checking = false;
    this.#stableTimer = setTimeout(() => { this.#attempt = 0; }, STABLE_AFTER_MS);
    this.#heard();
    this.#setState('online');
  }

  #heard() {
    this.#heardAt = this.#now();
    clearTimeout(this.#quietTimer);
    this.#quietTimer = setTimeout(() => this.check(QUIET_ANSWER_MS), QUIET_MS);
  }

  #received(transport, envelope) {
    if (transport !== this.#transport) return;
    this.#heard();
    const message = readEnvelope(envelope);
    if (!message) return;
    try {
      this.#onMessage({ ...message, answersRequest: this.#pending.has(message.requestId) });
    } finally {
      // Whatever the callback does, the request has its reply.
      if (message.name === 'voiceError') this.#settle(message.requestId, { error: VoiceError.fromWire(message.payload) });
      else this.#settle(message.requestId, { payload: message.payload });
    }
  }

  #lost(transport, code) {
    if (transport !== this.#transport) return;
    const reaction = closeReaction(code);
    this.#drop();
    this.#wait(reaction.cause, reaction.minDelayMs);
  }

  /** Closes the transport, if there is one, and fails the pending requests. */
  #drop(code) {
    for (const timer of [this.#timer, this.#stableTimer, this.#quietTimer]) clearTimeout(timer);
    this.#run++;
    const transport = this.#transport;
    this.#transport = null;
    if (transport) {
      transport.onopen = transport.onmessage = transport.onclose = null;
      transport.close(code);
    }
    for (const [requestId, entry] of [...this.#pending]) {
      this.#settle(requestId, entry.silent ? {} : { error: new VoiceError('OFFLINE') });
    }
  }

  #wait(cause, minDelayMs) {
    this.#penalty = minDelayMs > 0;
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
