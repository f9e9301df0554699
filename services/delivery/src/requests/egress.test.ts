/** Endpoints that may not be connected to, and those that are not what they were: with real sockets, names of the test. */
import { type AddressInfo, createServer, type LookupFunction, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Egress } from '@gridpost/egress';
import { Endpoint } from '@gridpost/model/testing';
import { good, key } from '../testing/certificates.js';
import { calm, Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
beforeEach(async () => {
  rig = await new Rig().prepare();
  endpoint = await new Endpoint().listen();
});
afterEach(async () => {
  const left = await rig.close();
  await endpoint.close();
  expect(left).toBe(0);
});

/** Resolves names to these addresses in turn; the last stands. */
function resolving(...addresses: string[]): LookupFunction {
  return (_, __, callback) => {
    const [address = ''] = addresses.length > 1 ? addresses.splice(0, 1) : addresses;
    callback(null, [{ address, family: 4 }]);
  };
}

const portOf = (url: string): string => new URL(url).port;
const once = { maxDeliveryAttempts: 1, eventTimeToLiveInMinutes: 60 };
const refused = {
  lastOutcome: 'AddressNotAllowed',
  lastError: 'ERR_ADDRESS_NOT_ALLOWED: the address is not allowed',
};

describe('an endpoint that may not be connected to', () => {
  test.each([
    ['by its address', '127.0.0.1'],
    ['by its address in another form', '[::ffff:127.0.0.1]'],
    ['by its name', 'name.test'],
    ['although nothing would answer there', '10.255.255.1'],
  ])('%s gets nothing, and the delivery is kept with the reason', async (_, host) => {
    const url = `http://${host}:${portOf(endpoint.url)}/`;
    const subscription = await rig.subscribe('hook', url, { retryPolicy: once });
    const { metrics } = await rig.work({}, { egress: new Egress({ lookup: resolving('127.0.0.1') }) });
    await rig.publish(['a']);
    await rig.settled();
    const [letter] = await rig.deadLetters(subscription);
    expect(letter!.state).toMatchObject(refused);
    expect(letter!.state.lastStatus).toBeUndefined();
    expect(metrics.deliveryAttempts.with('orders', 'hook', 'blocked').value).toBe(1);
    expect([endpoint.received, endpoint.connections]).toEqual([[], 0]);
  });

  test('is tried again by the schedule, and gets its backlog once it is allowed', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url);
    const waits = async (): Promise<boolean> =>
      (await rig.logEntries()) === 0 && (await rig.usage(subscription)).deferred === 2;
    await rig.work(calm, { egress: new Egress() });
    await rig.publish(['a', 'b']);
    await rig.watched.until(waits);
    for (const { delivery } of rig.workers.splice(0)) {
      await delivery.drain();
      await delivery.close();
    }
    expect(endpoint.received).toEqual([]);
    await rig.work(calm, { egress: new Egress({ allow: ['127.0.0.0/8'] }) });
    await rig.clock.skip(12_000);
    await rig.settled();
    expect(endpoint.ids().toSorted()).toEqual(['a', 'b']);
    expect(endpoint.received[0]!.headers['aeg-delivery-count']).toBe('1');
  });

  test('is not connected to for its dead letters either', async () => {
    await rig.subscribe('hook', 'http://127.0.0.1:1/', {
      retryPolicy: once,
      deadLetterDestination: { endpointType: 'WebHook', properties: { endpointUrl: endpoint.url } },
    });
    const { lines } = await rig.work({ deadLetterDelayMs: 0 }, { egress: new Egress() });
    await rig.publish(['a']);
    await rig.watched.until(async () => (await rig.logEntries()) === 0);
    await rig.clock.skip(5_000);
    await rig.watched.until(async () =>
      lines.some(({ fields }) => fields.error === 'Error: the address is not allowed'),
    );
    expect([endpoint.received, endpoint.connections]).toEqual([[], 0]);
  });
});

test('a name is looked up again for each connection, and each answer is checked', async () => {
  const subscription = await rig.subscribe('hook', `http://name.test:${portOf(endpoint.url)}/`, {
    retryPolicy: once,
  });
  const egress = new Egress({ allow: ['127.0.0.1'], lookup: resolving('127.0.0.1', '127.0.0.2') });
  await rig.work({}, { egress });
  await rig.publish(['a']);
  await rig.settled();
  expect(endpoint.ids()).toEqual(['a']);
  endpoint.disconnect();
  await endpoint.until(() => endpoint.connections === 0);
  await rig.publish(['b']);
  await rig.settled();
  expect(endpoint.ids()).toEqual(['a']);
  expect((await rig.deadLetters(subscription)).map(({ state }) => state)).toEqual([
    expect.objectContaining(refused),
  ]);
});

test('a host keeps its own name for TLS and in the request, whatever address it has', async () => {
  const seen: string[] = [];
  const server = createTlsServer({
    key,
    cert: good,
    SNICallback: (name, done) => {
      seen.push(name);
      done(null);
    },
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const subscription = await rig.subscribe('secure', `https://name.test:${port}/`, { retryPolicy: once });
  await rig.subscribe('plain', `http://name.test:${portOf(endpoint.url)}/`, { retryPolicy: once });
  const egress = new Egress({ allow: ['127.0.0.1'], lookup: resolving('127.0.0.1') });
  await rig.work({}, { egress });
  await rig.publish(['a']);
  await rig.settled();
  expect(seen).toEqual(['name.test']);
  // It is its own authority, which nobody here trusts.
  expect((await rig.deadLetters(subscription))[0]!.state).toMatchObject({ lastOutcome: 'TlsError' });
  expect(endpoint.received[0]!.headers.host).toBe(`name.test:${portOf(endpoint.url)}`);
  await new Promise((resolve) => server.close(resolve));
});

describe('through a proxy', () => {
  test('that says no, the attempt failed and does not tell where it is', async () => {
    const sockets = new Set<Socket>();
    const proxy = createServer((socket) => {
      sockets.add(socket);
      socket.once('data', () => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const subscription = await rig.subscribe('hook', 'http://name.test/', { retryPolicy: once });
    await rig.work({}, { egress: new Egress({ proxy: `http://127.0.0.1:${port}` }) });
    await rig.publish(['a']);
    await rig.settled();
    expect((await rig.deadLetters(subscription))[0]!.state).toMatchObject({
      lastOutcome: 'SocketError',
      lastError: 'ERR_EGRESS_PROXY: the egress proxy answered 403',
    });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });

  test('that never answers, the attempt ends at its deadline and the connecting with it', async () => {
    const sockets = new Set<Socket>();
    let ended = (): void => {};
    const closed = new Promise<void>((resolve) => (ended = resolve));
    const proxy = createServer((socket) => {
      sockets.add(socket.on('close', ended).resume());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const subscription = await rig.subscribe('hook', 'http://name.test/', {
      retryPolicy: once,
      timeoutSeconds: 2,
    });
    await rig.work({}, { egress: new Egress({ proxy: `http://127.0.0.1:${port}` }) });
    await rig.publish(['a']);
    await rig.watched.until(async () => (await rig.logEntries()) === 0 && sockets.size > 0);
    await rig.clock.skip(2_200);
    await rig.settled();
    await closed;
    expect((await rig.deadLetters(subscription))[0]!.state).toMatchObject({ lastOutcome: 'TimedOut' });
    await new Promise((resolve) => proxy.close(resolve));
  });
});
