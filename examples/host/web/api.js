/** The server's REST routes. */

import { identityFor } from './session.js';

/** How long the server may take to say that it is there. */
const REACH_TIMEOUT_MS = 5_000;

/** A response other than 2xx. `fatal` says that the same request would fail again. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
    this.fatal = status >= 400 && status < 500 && status !== 408 && status !== 429;
  }
}

/** All addresses are relative, since a proxy may serve the page under a path. */
export class Api {
  #name;
  #keys;
  #token = '';
  userId = '';

  constructor(name) {
    this.#name = name;
    this.#keys = identityFor(name);
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

  /** Rejects if the server does not answer. */
  async reach() {
    // After a change of network, the browser may use a connection that is dead.
    const response = await fetch('healthz', { signal: AbortSignal.timeout(REACH_TIMEOUT_MS) });
    if (!response.ok) throw new ApiError(response.status, `healthz: ${response.status}`);
  }

  /**
   * The voice channels, each with its `participants`. Those of the channel `except` are known and
   * not fetched.
   */
  async channels(except) {
    const channels = await this.#get('api/channels');
    return Promise.all(channels.filter(({ kind }) => kind === 'voice').map(async (channel) => ({
      ...channel,
      participants: channel.participantCount > 0 && channel.id !== except
        ? await this.#get(`api/voice/${encodeURIComponent(channel.id)}/participants`).catch(() => [])
        : [],
    })));
  }

  async #login() {
    const response = await fetch('api/dev/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ displayName: this.#name, ...this.#keys }),
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
