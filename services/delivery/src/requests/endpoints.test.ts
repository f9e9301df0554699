/** Endpoints that misbehave in every way that a socket allows (faults F19 to F26 of the fault table). */
import { createServer, type AddressInfo, type LookupFunction, type Server, Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DeliveryState } from '@gridpost/store';
import type { Connector } from '@gridpost/egress';
import { buildConnector } from 'undici';
import { Origin } from './connections.js';
import { elsewhere, expired, good, key } from '../testing/certificates.js';
import { answer, Endpoint } from '@gridpost/model/testing';
import { Rig } from '../testing/rig.js';

let rig: Rig;
let servers: Server[];
let sockets: Set<Socket>;
let signals: Set<() => void>;
beforeEach(async () => {
  rig = await new Rig().prepare();
  servers = [];
  sockets = new Set();
  signals = new Set();
});
afterEach(async () => {
  const left = await rig.close();
  await allClosed();
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  expect(left).toBe(0);
});

/** Resolves when the worker has closed every connection to the raw sinks. */
async function allClosed(): Promise<void> {
  while (sockets.size > 0) await new Promise<void>((resolve) => signals.add(resolve));
}

function watch(server: Server): void {
  servers.push(server);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      for (const signal of signals) signal();
      signals.clear();
    });
  });
}

async function listening(server: Server, scheme = 'http'): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

/** A sink that does what it likes once it has received a request. */
async function raw(received: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    let seen = '';
    socket.on('data', (chunk) => {
      seen += chunk.toString();
      // The request is whole: its body is the last thing in it and ends so.
      if (!seen.endsWith('}}')) return;
      seen = '';
      received(socket);
    });
  });
  watch(server);
  return listening(server);
}

async function tls(options: TlsOptions): Promise<string> {
  const server = createTlsServer({ key, ...options }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
  });
  server.on('tlsClientError', () => undefined);
  watch(server);
  return listening(server, 'https');
}

/** Delivers one event to the url, runs past the deadline of an attempt if told so, and returns what was noted. */
async function attempt(
  url: string,
  { expires = false, connector }: { expires?: boolean; connector?: Connector } = {},
): Promise<{ state: DeliveryState }> {
  const subscription = await rig.subscribe('hook', url, {
    timeoutSeconds: 2,
    retryPolicy: { maxDeliveryAttempts: 1, eventTimeToLiveInMinutes: 60 },
  });
  await rig.work({}, connector ? { egress: { connector: () => connector } } : {});
  await rig.publish(['a']);
  if (expires) {
    await rig.watched.until(async () => (await rig.logEntries()) === 0);
    await rig.clock.skip(2_200);
  }
  await rig.settled();
  const [letter] = await rig.deadLetters(subscription);
  return { state: letter?.state ?? { attempts: 1, liveFrom: 0, lastOutcome: 'Delivered' } };
}

const head = (status: string, rest = ''): string => `HTTP/1.1 ${status}\r\n${rest}\r\n`;

describe('an endpoint', () => {
  test('that accepts and never answers is given up at the deadline', async () => {
    const { state } = await attempt(await raw(() => undefined), { expires: true });
    expect(state).toMatchObject({ lastOutcome: 'TimedOut', lastError: 'no answer in time' });
    expect(state.lastStatus).toBeUndefined();
  });

  test('that answers with 103 for ever is given up at the deadline', async () => {
    const url = await raw((socket) => {
      const ticking = setInterval(() => socket.write(head('103 Early Hints', 'link: </x>\r\n')), 5);
      socket.on('close', () => clearInterval(ticking));
    });
    expect((await attempt(url, { expires: true })).state).toMatchObject({ lastOutcome: 'TimedOut' });
  });

  test('whose head drips is given up at the deadline', async () => {
    const url = await raw((socket) => {
      const bytes = [...head('200 OK', `x-long: ${'x'.repeat(10_000)}\r\n`)];
      const ticking = setInterval(() => socket.write(bytes.shift() ?? ''), 5);
      socket.on('close', () => clearInterval(ticking));
    });
    expect((await attempt(url, { expires: true })).state).toMatchObject({ lastOutcome: 'TimedOut' });
  });

  test.each([
    ['200 OK', 'Delivered'],
    ['500 No', 'ServerError'],
  ] as const)(
    'whose body drips for ever after %s is let go at the deadline: the status decides',
    async (status, outcome) => {
      const url = await raw((socket) => {
        socket.write(head(status, 'transfer-encoding: chunked\r\n'));
        const ticking = setInterval(() => socket.write('1\r\nx\r\n'), 5);
        socket.on('close', () => clearInterval(ticking));
      });
      expect((await attempt(url, { expires: true })).state.lastOutcome).toBe(outcome);
    },
  );

  test.each([
    ['200 OK', 'Delivered'],
    ['500 No', 'ServerError'],
  ] as const)(
    'whose body after %s has no end is cut at 64 KiB: the status decides',
    async (status, outcome) => {
      let sent = 0;
      const url = await raw((socket) => {
        socket.write(head(status, 'content-type: text/plain\r\n'));
        const pour = (): void => {
          while (!socket.destroyed && socket.write('y'.repeat(16_384))) sent += 16_384;
        };
        socket.on('drain', pour);
        pour();
      });
      const { state } = await attempt(url);
      expect(state.lastOutcome).toBe(outcome);
      if (outcome !== 'Delivered') expect(state.lastError).toBe('y'.repeat(256));
      await allClosed();
      // What the sockets' buffers hold, and no more.
      expect(sent).toBeLessThan(8 * 1024 * 1024);
    },
  );

  test('whose answer is compressed is not asked for that, and the answer is not decompressed', async () => {
    // 30 MB, of which 30 KB are sent.
    const bomb = gzipSync(Buffer.alloc(30_000_000, 'y'));
    const endpoint = await new Endpoint().listen();
    endpoint.reply((_, response) =>
      response.writeHead(500, { 'content-encoding': 'gzip', 'content-length': bomb.length }).end(bomb),
    );
    const { state } = await attempt(endpoint.url);
    expect(state.lastOutcome).toBe('ServerError');
    expect(state.lastError).not.toContain('yyy');
    expect(endpoint.received[0]!.headers).not.toHaveProperty('accept-encoding');
    await endpoint.close();
  });

  test.each([
    ['301 Moved', 'Redirected'],
    ['302 Found', 'Redirected'],
    ['307 Temporary Redirect', 'Redirected'],
    ['308 Permanent Redirect', 'Redirected'],
  ])('that redirects with %s is not followed', async (status, outcome) => {
    const other = await new Endpoint().listen();
    const url = await raw((socket) =>
      socket.end(head(status, `location: ${other.url}/\r\ncontent-length: 0\r\n`)),
    );
    expect((await attempt(url)).state).toMatchObject({ lastOutcome: outcome });
    expect(other.received).toEqual([]);
    await other.close();
  });

  test('that resets the connection after the request failed', async () => {
    const { state } = await attempt(await raw((socket) => socket.resetAndDestroy()));
    expect(state).toMatchObject({ lastOutcome: 'SocketError', attempts: 1 });
    expect(state.lastError).toMatch(/^(ECONNRESET|UND_ERR_SOCKET): /);
  });

  test('that closes the connection after the request failed', async () => {
    const { state } = await attempt(await raw((socket) => socket.destroy()));
    expect(state).toMatchObject({ lastOutcome: 'SocketError' });
  });

  test.each([
    ['a garbage status line', 'HELO you\r\n\r\n'],
    ['another protocol', '220 mail.example ESMTP\r\n'],
    ['two lengths', head('200 OK', 'content-length: 1\r\ncontent-length: 2\r\n')],
    [
      'an upgrade that nobody asked for',
      head('101 Switching Protocols', 'upgrade: x\r\nconnection: upgrade\r\n'),
    ],
    ['a head without end', `${head('200 OK').slice(0, -2)}x: ${'x'.repeat(40_000)}`],
  ])('that answers with %s failed', async (_, bytes) => {
    const { state } = await attempt(await raw((socket) => socket.write(bytes)));
    expect(state).toMatchObject({ lastOutcome: 'SocketError' });
  });

  test('that resets the connection in the middle of a body has answered', async () => {
    const url = await raw((socket) => {
      socket.write(head('200 OK', 'content-length: 100\r\n'));
      socket.write('half', () => socket.resetAndDestroy());
    });
    expect((await attempt(url)).state.lastOutcome).toBe('Delivered');
  });

  test('that answers before it has read the request has answered', async () => {
    const server = createServer((socket) => {
      socket.on('data', () => undefined);
      socket.end(head('413 Too Large', 'content-length: 0\r\nconnection: close\r\n'));
    });
    watch(server);
    const { state } = await attempt(await listening(server));
    expect(['PayloadTooLarge', 'SocketError']).toContain(state.lastOutcome);
  });

  test('that refuses connections failed', async () => {
    expect((await attempt('http://127.0.0.1:1/')).state).toMatchObject({ lastOutcome: 'SocketError' });
  });

  test('whose URL is none fails like one that is not there', async () => {
    for (const url of ['not a url', 'ftp://127.0.0.1/', 'file:///etc/passwd']) {
      const { state } = await attempt(url);
      expect(state).toMatchObject({ lastOutcome: 'SocketError' });
      for (const { delivery } of rig.workers.splice(0)) await delivery.close();
      await rig.watched.memory.release(0, 'w1', 0);
    }
  });

  test('that takes no connection is given up at the deadline, and the connecting ends', async () => {
    // A socket that is never connected: as one whose SYN goes nowhere.
    const socket = new Socket();
    const { state } = await attempt('http://endpoint.test/', { expires: true, connector: () => socket });
    expect(state).toMatchObject({ lastOutcome: 'TimedOut' });
    expect(socket.destroyed).toBe(true);
  });

  test('whose connection was dropped silently while idle is connected to again', async () => {
    const endpoint = await new Endpoint().listen();
    await rig.subscribe('hook', endpoint.url);
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    endpoint.disconnect();
    await endpoint.until(() => endpoint.connections === 0);
    await rig.publish(['b']);
    await rig.settled();
    expect(endpoint.ids()).toEqual(['a', 'b']);
    for (const { delivery } of rig.workers) await delivery.close();
    await endpoint.close();
  });

  test('whose connection in use goes dead without a word is given up at the deadline, and another is made', async () => {
    const used: Socket[] = [];
    const url = await raw((socket) => {
      used.push(socket);
      // The first connection is dead after its first answer: what is written to it arrives nowhere.
      if (used.length !== 2) socket.write(head('200 OK', 'content-length: 0\r\n'));
    });
    const subscription = await rig.subscribe('hook', url, {
      timeoutSeconds: 2,
      retryPolicy: { maxDeliveryAttempts: 2, eventTimeToLiveInMinutes: 60, delaysInSeconds: [0.1] },
    });
    const { metrics } = await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    await rig.publish(['b']);
    await rig.watched.until(async () => (await rig.logEntries()) === 0 && used.length === 2);
    expect(used[1]).toBe(used[0]);
    await rig.clock.skip(2_200);
    await rig.settled();
    expect(metrics.deliveryAttempts.with('orders', 'hook', 'timeout').value).toBe(1);
    expect(used).toHaveLength(3);
    expect(used[2]).not.toBe(used[0]);
    expect(used[0]!.destroyed).toBe(true);
    expect(await rig.deadLetters(subscription)).toEqual([]);
  });

  test('whose failure is described in its own words, made printable and short', async () => {
    const text = `no\r\n\u0007 \u202Eway ${'é'.repeat(2_000)}`;
    const url = await raw((socket) =>
      socket.write(head('500 No', `content-length: ${Buffer.byteLength(text)}\r\n`) + text),
    );
    const { state } = await attempt(url);
    expect(state.lastError).toMatch(/^no way é+$/);
    expect(state.lastError!.length).toBeLessThanOrEqual(256);
  });
});

describe('a name', () => {
  const lookups = (answer: (callback: Parameters<LookupFunction>[2]) => void): LookupFunction => {
    return (_, __, callback) => answer(callback);
  };

  test.each(['ENOTFOUND', 'EAI_AGAIN', 'ESERVFAIL'])('that does not resolve (%s) failed', async (code) => {
    const lookup = lookups((callback) =>
      callback(Object.assign(new Error(`lookup ${code}`), { code }), '', 4),
    );
    const { state } = await attempt('http://endpoint.test/', { connector: buildConnector({ lookup }) });
    expect(state).toMatchObject({ lastOutcome: 'ResolutionError', lastError: `${code}: lookup ${code}` });
  });

  test('whose server does not answer is given up at the deadline', async () => {
    const connector = buildConnector({ lookup: lookups(() => undefined) });
    const { state } = await attempt('http://endpoint.test/', { expires: true, connector });
    expect(state).toMatchObject({ lastOutcome: 'TimedOut' });
  });
});

describe('TLS', () => {
  const trusting = (...ca: string[]) => buildConnector({ ca });

  test('with a certificate that is trusted and fits is fine', async () => {
    const { state } = await attempt(await tls({ cert: good }), { connector: trusting(good) });
    expect(state.lastOutcome).toBe('Delivered');
  });

  test.each([
    ['is self-signed', good, [], /^DEPTH_ZERO_SELF_SIGNED_CERT/],
    ['is for another host', elsewhere, [elsewhere], /^ERR_TLS_CERT_ALTNAME_INVALID/],
    ['has expired', expired, [expired], /^CERT_HAS_EXPIRED/],
  ])('with a certificate that %s fails before anything is sent', async (_, cert, ca, message) => {
    const { state } = await attempt(await tls({ cert }), ca.length > 0 ? { connector: trusting(...ca) } : {});
    expect(state).toMatchObject({ lastOutcome: 'TlsError' });
    expect(state.lastError).toMatch(message);
  });

  test('of an old version fails', async () => {
    const url = await tls({
      cert: good,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    expect((await attempt(url, { connector: trusting(good) })).state).toMatchObject({
      lastOutcome: 'TlsError',
    });
  });

  test('that the other side does not speak fails', async () => {
    const server = createServer((socket) => socket.resume().end(head('400 Bad Request')));
    watch(server);
    expect((await attempt(await listening(server, 'https'))).state).toMatchObject({
      lastOutcome: 'TlsError',
    });
  });

  test('that ends in a reset failed', async () => {
    const server = createServer((socket) => socket.on('data', () => socket.resetAndDestroy()));
    watch(server);
    expect((await attempt(await listening(server, 'https'))).state).toMatchObject({
      lastOutcome: 'SocketError',
    });
  });
});

describe('connections to one origin', () => {
  const origin = (connectionsPerOrigin: number, users: number): Origin => {
    const made = new Origin('http://127.0.0.1:1', undefined, {
      connectionsPerOrigin,
      connector: () => () => undefined,
    });
    for (let i = 0; i < users; i++) made.join();
    return made;
  };

  test('are bounded, and yet everybody has an even share, at least one', async () => {
    const shared = origin(4, 2);
    for (let i = 0; i < 4; i++) {
      expect(shared.offers(i)).toBe(true);
      shared.take();
    }
    expect(shared.offers(4)).toBe(false);
    expect(shared.offers(2)).toBe(false);
    expect(shared.offers(1)).toBe(true);
    const crowded = origin(1, 5);
    crowded.take();
    expect(crowded.offers(0)).toBe(true);
    expect(crowded.offers(1)).toBe(false);
  });

  test('are used again, the last one first, and those refused are told', async () => {
    const own = origin(1, 1);
    const first = own.take();
    const told = new Promise<void>((resolve) => own.whenFree(resolve));
    own.giveBack(first);
    await told;
    expect(own.take()).toBe(first);
    own.discard(first);
    const second = own.take();
    expect(second).not.toBe(first);
    own.discard(second);
    expect(first.client.destroyed).toBe(true);
  });

  test('never hold one subscription up for another', async () => {
    const endpoint = await new Endpoint().listen();
    endpoint.reply((request, response) => {
      if (request.path === '/quick') answer(200)(request, response);
    });
    await rig.subscribe('slow', `${endpoint.url}/slow`);
    await rig.subscribe('quick', `${endpoint.url}/quick`);
    await rig.work({ connectionsPerOrigin: 2 });
    for (let i = 0; i < 5; i++) {
      await rig.publish(rig.ids(5));
      await endpoint.until(() => endpoint.ids('/quick').length === 5 * (i + 1));
    }
    expect(endpoint.ids('/slow').length).toBeLessThanOrEqual(2);
    for (const { delivery } of rig.workers) await delivery.close();
    await endpoint.close();
  });
});
