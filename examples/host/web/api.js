/** The server's REST routes, and the identity of the user. */

const IDENTITIES = 'united-voice.identities';
const LAST = 'united-voice.last';

/**
 * A random key for a name, remembered by this tab: a reload is the same user again. Another tab is
 * another user, even under the same name. So the key is not in local storage, which all tabs share.
 */
export function identityFor(name, storage = sessionStorage) {
  const identities = readJson(storage, IDENTITIES) ?? {};
  if (!Object.hasOwn(identities, name)) {
    const bytes = crypto.getRandomValues(new Uint8Array(24));
    identities[name] = btoa(String.fromCharCode(...bytes));
    storage.setItem(IDENTITIES, JSON.stringify(identities));
  }
  return identities[name];
}

/**
 * The user of this tab and the channel, so that a reload goes on there: `{ name, channelId }` or
 * `null`.
 */
export function lastSession() {
  return readJson(sessionStorage, LAST);
}

export function rememberSession(session) {
  if (session) sessionStorage.setItem(LAST, JSON.stringify(session));
  else sessionStorage.removeItem(LAST);
}

export function readJson(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

/** A response other than 2xx. `fatal` says that the same request would fail again. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
    this.fatal = status >= 400 && status < 500 && status !== 408 && status !== 429;
  }
}

export class Api {
  #name;
  #pubkey;
  #token = '';
  userId = '';

  constructor(name) {
    this.#name = name;
    this.#pubkey = identityFor(name);
  }

  /** A token for this user. `renew` gets a new one even if there is one already. */
  async token({ renew = false } = {}) {
    if (!this.#token || renew) {
      const { userId, token } = await this.#login();
      this.userId = userId;
      this.#token = token;
    }
    return { token: this.#token, userId: this.userId };
  }

  /**
   * The voice channels, each with its `participants`. Those of the channel `except` are known and
   * not fetched.
   */
  async channels(except) {
    const channels = await this.#get('/api/channels');
    return Promise.all(channels.filter(({ kind }) => kind === 'voice').map(async (channel) => ({
      ...channel,
      participants: channel.participantCount > 0 && channel.id !== except
        ? await this.#get(`/api/voice/${encodeURIComponent(channel.id)}/participants`).catch(() => [])
        : [],
    })));
  }

  async #login() {
    const response = await fetch('/api/dev/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ displayName: this.#name, pubkey: this.#pubkey }),
    });
    if (response.ok) return response.json();
    if (response.status === 400) throw new ApiError(400, 'The server does not accept this name.');
    if (response.status === 404) throw new ApiError(404, 'This server does not let people sign in by name alone.');
    throw new ApiError(response.status, `The server could not sign you in (${response.status}).`);
  }

  async #get(path) {
    let response = await this.#fetch(path);
    if (response.status === 401) {
      await this.token({ renew: true }); // tokens expire
      response = await this.#fetch(path);
    }
    if (!response.ok) throw new ApiError(response.status, `${path}: ${response.status}`);
    return response.json();
  }

  #fetch(path) {
    return fetch(path, { headers: { authorization: `Bearer ${this.#token}` } });
  }
}
