/** A TCP proxy before a server, to lose replies and freeze links. For tests. */
import { createServer, connect, type Socket } from 'node:net';

export interface Proxy {
  readonly port: number;
  /** Relays the request that contains the text, and nothing of what is answered from then on; cuts when an answer came. */
  loseReplyTo(text: string): void;
  /** Stops relaying in both directions, with connections open and new ones accepted. */
  freeze(): void;
  /** Relays again, also what came meanwhile. */
  thaw(): void;
  /** Cuts every connection. */
  cut(): void;
  close(): Promise<void>;
}

export async function startProxy(target: { readonly host: string; readonly port: number }): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let frozen = false;
  let losing: Buffer | undefined;

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
      upstream.write(chunk);
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
