import { Agent, request } from 'node:https';
import { connect as connectPlainly } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, expect, test } from '@jest/globals';
import { makeCertificate } from '@gridpost/model/testing';
import { createHttpServer } from './http-server.js';
import { adminKey, eventOf, serve } from './testing/serve.js';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Resolves when the handshake is over; rejects if it fails. */
function shakeHands(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ...options });
    ends.push(() => socket.destroy());
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function nameShownTo(port: number, ca: string[]): Promise<string> {
  const socket = await shakeHands(port, { ca });
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

test('with a certificate the port speaks HTTPS, and every link says so', async () => {
  const { admin, publish, port } = await serve({ tls: makeCertificate() });
  const { status, json } = await admin('PUT', '/topics/orders');
  expect([status, json.properties.endpoint]).toEqual([
    201,
    `https://127.0.0.1:${port}/topics/orders:publish`,
  ]);
  await admin('PUT', '/topics/other');
  expect((await admin('GET', '/topics?$top=1')).json.nextLink).toMatch(
    /^https:\/\/127\.0\.0\.1:\d+\/topics\?/,
  );
  expect((await publish('orders', eventOf())).status).toBe(200);
});

test('a client that does not trust the certificate gets no further', async () => {
  const { port } = await serve({ tls: makeCertificate() });
  await expect(shakeHands(port, { ca: makeCertificate().cert })).rejects.toMatchObject({
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  });
});

test.each([
  ['TLSv1.1', false],
  ['TLSv1.2', true],
  ['TLSv1.3', true],
] as const)('%s is accepted: %s', async (version, accepted) => {
  const tls = makeCertificate();
  const { port } = await serve({ tls });
  // Without the lower security level the client itself would refuse the old version.
  const shaken = shakeHands(port, {
    ca: tls.cert,
    minVersion: version,
    maxVersion: version,
    ciphers: 'DEFAULT@SECLEVEL=0',
  }).then((socket) => socket.getProtocol());
  if (accepted) expect(await shaken).toBe(version);
  else await expect(shaken).rejects.toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
});

test('slow clients are given up on as without TLS', () => {
  const plain = createHttpServer();
  const secure = createHttpServer(makeCertificate());
  for (const limit of ['headersTimeout', 'requestTimeout', 'keepAliveTimeout'] as const)
    expect(secure[limit]).toBe(plain[limit]);
});

test('what is not HTTP within TLS is answered 400, and what is not TLS is not answered', async () => {
  const tls = makeCertificate();
  const { port, connect: connectRaw } = await serve({ tls });
  const socket = await shakeHands(port, { ca: tls.cert });
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write('this is not HTTP\r\n\r\n');
  await closed;
  expect(received).toMatch(/^HTTP\/1\.1 400 /);
  const plain = connectRaw();
  plain.socket.write('GET /livez HTTP/1.1\r\nhost: x\r\n\r\n');
  expect(await plain.closed).not.toContain('HTTP');
});

test('headers that are too large are refused within TLS as well', async () => {
  const { call } = await serve({ tls: makeCertificate() });
  expect((await call('GET', '/livez', { headers: { x: 'y'.repeat(16 * 1024) } })).status).toBe(431);
});

test('a renewed certificate is shown to new connections, and open ones live on', async () => {
  const [first, second] = [
    makeCertificate({ commonName: 'first' }),
    makeCertificate({ commonName: 'second' }),
  ];
  const { gateway, port } = await serve({ tls: first });
  const both = [first.cert, second.cert];
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: both });
  ends.push(() => agent.destroy());
  const ask = (): Promise<[number | undefined, unknown]> =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, path: '/livez', agent }, (incoming) => {
        const { CN } = (incoming.socket as TLSSocket).getPeerCertificate().subject;
        incoming.resume().on('end', () => resolve([incoming.statusCode, CN]));
      })
        .on('error', reject)
        .end();
    });
  expect(await ask()).toEqual([200, 'first']);
  gateway.renewCertificate(second);
  expect(await nameShownTo(port, both)).toBe('second');
  expect(await ask()).toEqual([200, 'first']);
});

test('what is no pair is refused, and the certificate before stays', async () => {
  const first = makeCertificate({ commonName: 'first' });
  const { gateway, port } = await serve({ tls: first });
  const { key } = makeCertificate();
  expect(() => gateway.renewCertificate({ cert: first.cert, key })).toThrow('key values mismatch');
  expect(() => gateway.renewCertificate({ cert: 'no certificate', key })).toThrow();
  expect(await nameShownTo(port, [first.cert])).toBe('first');
});

test('a gateway without a certificate cannot be given one', async () => {
  const { gateway } = await serve();
  expect(() => gateway.renewCertificate(makeCertificate())).toThrow('plain HTTP');
});

test('a drain answers what is under way, and waits for nobody who never shook hands', async () => {
  const tls = makeCertificate();
  const { gateway, admin, port } = await serve({ tls });
  await admin('PUT', '/topics/orders');
  const silent = connectPlainly(port, '127.0.0.1');
  ends.push(() => silent.destroy());
  await new Promise((resolve) => silent.once('connect', resolve));
  const underWay = await shakeHands(port, { ca: tls.cert });
  const body = JSON.stringify(eventOf());
  let received = '';
  underWay.on('data', (chunk) => {
    received += chunk;
  });
  const closed = new Promise((resolve) => underWay.on('close', resolve));
  underWay.write(
    `POST /topics/orders:publish HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${adminKey}\r\ncontent-type: application/cloudevents+json\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  await new Promise((resolve) => underWay.once('data', resolve));
  const drained = gateway.drain();
  underWay.write(body);
  await closed;
  await drained;
  expect(received).toContain('HTTP/1.1 200 OK');
});
