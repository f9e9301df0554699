/**
 * HTTP as plainly as Node offers it: what is sent is what the test wrote, and nothing retries or reuses a connection
 * unless an agent is given. `exchange` goes below HTTP, for requests that no client would make.
 */
import { type Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON. Throws where it is not. */
  json<T = unknown>(): T;
}

export interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Buffer;
  /** Gives up with an error after this long. Default 60 s. */
  readonly timeoutMs?: number;
  /** Default: a connection of its own. */
  readonly agent?: Agent;
  /** Called with the first byte of the answer. */
  readonly onFirstByte?: () => void;
}

/** Makes one request. Rejects with Node's error if the connection fails, or with `TimedOut`. */
export function call(url: string, options: Call = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, timeoutMs = 60_000, agent = false, onFirstByte } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        agent,
        headers: body === undefined ? headers : { 'content-length': Buffer.byteLength(body), ...headers },
      },
      (incoming) => {
        onFirstByte?.();
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', failed);
        incoming.on('end', () => {
          clearTimeout(timer);
          const bytes = Buffer.concat(chunks);
          resolve({
            status: incoming.statusCode!,
            headers: incoming.headers,
            body: bytes,
            json: <T>() => JSON.parse(bytes.toString()) as T,
          });
        });
      },
    );
    const failed = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    const timer = setTimeout(() => outgoing.destroy(new TimedOut(`${method} ${url}`)), timeoutMs);
    outgoing.on('error', failed);
    outgoing.end(body);
  });
}

export class TimedOut extends Error {
  constructor(what: string) {
    super(`no answer in time: ${what}`);
    this.name = 'TimedOut';
  }
}

/**
 * Writes bytes to a connection of its own and resolves with everything that came back when the peer closed it, or
 * after `timeoutMs`.
 */
export function exchange(url: string, bytes: string | Buffer, timeoutMs = 60_000): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}
