/** A TCP proxy before a server, to lose replies and freeze links. For tests. */
import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Relays the request that contains the text, and nothing of what is answered from then on; cuts when an answer came. */
  loseReplyTo(text: string): void;
  /** Sends another request in place of every one like this: what a later version would answer, for instance. */
  replace(request: readonly string[], by: readonly string[]): void;
  /** Stops relaying in both directions, with connections open and new ones accepted. */
  freeze(): void;
  /** Relays again, also what came meanwhile. */
  thaw(): void;
  /** Cuts every connection. */
  cut(): void;
  close(): Promise<void>;
}

export async function startProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let frozen = false;
  let losing: Buffer | undefined;
  const replaced = new Map<string, string>();

  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    let deaf = false;
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      if (frozen) socket.pause();
    }
    client.on('data', (chunk) => {
      if (losing && (chunk as Buffer).includes(losing)) {
        deaf = true;
        losing = undefined;
      }
      upstream.write(replaced.size ? replacedIn(chunk as Buffer, replaced) : chunk);
    });
    upstream.on('data', (chunk) => {
      if (deaf) client.destroy();
      else client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    loseReplyTo(text) {
      losing = Buffer.from(text);
    },
    replace(request, by) {
      replaced.set(wire(request), wire(by));
    },
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      frozen = false;
      for (const socket of sockets) socket.resume();
    },
    cut,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** As clients send it. */
const wire = (words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

function replacedIn(chunk: Buffer, replaced: ReadonlyMap<string, string>): Buffer {
  let text = chunk.toString('latin1');
  for (const [from, by] of replaced) text = text.replaceAll(from, by);
  return Buffer.from(text, 'latin1');
}
