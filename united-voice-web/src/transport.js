/**
 * How envelopes travel: over a WebSocket in their JSON form (subprotocol `united.voice.v1.json`),
 * or over a connection of the host's own.
 */

export const SUBPROTOCOL = 'united.voice.v1.json';

/**
 * A function that prepares one attempt to connect. `refused` says that the last attempt never
 * opened, which is all that a browser tells about a refused token. The result begins the attempt:
 * it makes a transport, see `VoiceTransport` in the types.
 *
 * @param {object} options those of `VoiceClient`
 * @param {(userId: string) => void} options.onUser takes the user id that comes with a token
 * @returns {(context: { refused: boolean }) => Promise<() => object | Promise<object>>}
 */
export function connector({ url, token = '', authorize = asParameter, transport, WebSocket, onUser }) {
  if (transport) return async ({ refused }) => () => transport({ renew: refused });
  return async ({ refused }) => {
    const got = typeof token === 'function' ? await token({ renew: refused }) : token;
    if (got?.userId) onUser(got.userId);
    const own = new URL(url);
    const answer = authorize(own, (typeof got === 'string' ? got : got?.token) ?? '') ?? {};
    const { url: address = own, protocols = [] } = typeof answer === 'string' || answer instanceof URL ? { url: answer } : answer;
    return () => new WebSocketTransport(new WebSocket(String(address), [SUBPROTOCOL, ...protocols]));
  };
}

/** A browser can't set headers on a WebSocket. */
function asParameter(url, token) {
  if (token) url.searchParams.set('access_token', token);
}

class WebSocketTransport {
  onopen = null;
  onmessage = null;
  onclose = null;
  #socket;

  constructor(socket) {
    this.#socket = socket;
    socket.onopen = () => this.onopen?.();
    socket.onmessage = ({ data }) => {
      const envelope = parse(data);
      if (envelope !== undefined) this.onmessage?.(envelope);
    };
    socket.onclose = ({ code }) => this.onclose?.(code);
  }

  get state() {
    return ['connecting', 'open'][this.#socket.readyState] ?? 'closed';
  }

  send(envelope) {
    this.#socket.send(JSON.stringify(envelope));
  }

  close(code) {
    this.#socket.close(code);
  }
}

function parse(data) {
  if (typeof data !== 'string') return undefined;
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
