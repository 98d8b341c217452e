/**
 * The ICE servers of the present moment, and when connections have to use new credentials.
 *
 * A TURN relay takes no second credentials for what it has granted. So new credentials restart ICE
 * on connections through a relay of ours. All other connections keep them for their next restart.
 */

/** The longest delay that `setTimeout` accepts. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * When the first of these credentials runs out, in milliseconds since 1970; `NaN` if none of them
 * says.
 */
export function expiryOf(iceServers) {
  const expiries = iceServers.map(({ username = '' }) => 1000 * Number.parseInt(username, 10)).filter((expiry) => expiry > 0);
  return expiries.length === 0 ? NaN : Math.min(...expiries);
}

export class IceServers {
  #servers = [];
  #relayOnly;
  #renewRelays;
  /** The expiry of the oldest credentials that a connection may still use. */
  #inUseUntil = NaN;
  #timer = 0;

  /**
   * @param {object} options
   * @param {boolean} options.relayOnly
   * @param {() => boolean} options.renewRelays makes connections through a relay use the present
   *   servers. Returns whether it could
   */
  constructor({ relayOnly, renewRelays }) {
    this.#relayOnly = relayOnly;
    this.#renewRelays = renewRelays;
  }

  get urls() {
    return this.#servers.flatMap(({ urls }) => urls);
  }

  /** The configuration of a connection. */
  get configuration() {
    return { iceServers: this.#servers, iceTransportPolicy: this.#relayOnly ? 'relay' : 'all' };
  }

  /** Sets the servers for connections and restarts that begin from now on. */
  set(servers) {
    this.#servers = servers;
    clearTimeout(this.#timer);
  }

  /**
   * Plans what follows {@link set}.
   *
   * @param {boolean} now whether connections through a relay use the servers at once. If not, these
   *   use them after three quarters of the time that their own credentials have left: the server
   *   has given new ones, and sees no reason to remind us
   */
  renew(now) {
    if (now) {
      this.#renew();
    } else if (!Number.isNaN(this.#inUseUntil)) {
      const delayMs = Math.max(0, (this.#inUseUntil - Date.now()) * 0.75);
      this.#timer = setTimeout(() => this.#renew(), Math.min(MAX_TIMEOUT_MS, delayMs));
    }
  }

  /** There are no connections any more. */
  stop() {
    clearTimeout(this.#timer);
  }

  #renew() {
    // If it can't, the next join brings new servers, and comes here again.
    if (this.#renewRelays()) this.#inUseUntil = expiryOf(this.#servers);
  }
}
