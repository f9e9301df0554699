/** What lets deliveries in at their endpoints: credentials of every kind, with real servers on both ends. */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Credentials, PushProperties } from '@gridpost/model';
import { answer, Endpoint, makeCertificate, type TestCertificate } from '@gridpost/model/testing';
import { Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
let issuer: Endpoint;
let servers: Server[];
beforeEach(async () => {
  rig = await new Rig().prepare();
  endpoint = await new Endpoint().listen();
  issuer = await new Endpoint().listen();
  servers = [];
});
afterEach(async () => {
  const left = await rig.close();
  await endpoint.until(() => endpoint.connections === 0);
  await Promise.all([endpoint.close(), issuer.close()]);
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  expect(left).toBe(0);
});

const once = { maxDeliveryAttempts: 1, eventTimeToLiveInMinutes: 60 };
const subscribe = (
  push: Partial<PushProperties>,
  url = endpoint.url,
  name = 'hook',
): ReturnType<Rig['subscribe']> => rig.subscribe(name, url, { push, retryPolicy: once });
const authorizations = (): unknown[] => endpoint.received.map(({ headers }) => headers.authorization);

describe('every delivery carries', () => {
  test.each<[string, Credentials, string]>([
    ['a bearer token', { type: 'bearer', token: 'abc.def' }, 'Bearer abc.def'],
    [
      'name and password',
      { type: 'basic', username: 'me', password: 'pässword:1' },
      `Basic ${Buffer.from('me:pässword:1').toString('base64')}`,
    ],
  ])('%s', async (_, credentials, expected) => {
    await subscribe({ credentials });
    await rig.work();
    await rig.publish(['a', 'b']);
    await rig.settled();
    expect(authorizations()).toEqual([expected, expected]);
  });
});

test.each<[Credentials, string]>([
  [{ type: 'bearer', token: 'CANARY-token' }, 'Bearer CANARY-token'],
  [{ type: 'basic', username: 'me', password: 'CANARY-password' }, 'CANARY-password'],
])('what an endpoint repeats of %j is not kept', async (credentials, repeated) => {
  const subscription = await subscribe(
    {
      credentials,
      deliveryAttributeMappings: [
        { name: 'x', type: 'Static', properties: { value: 'CANARY-header', isSecret: true } },
      ],
    },
    `${endpoint.url}/?code=CANARY-code`,
  );
  endpoint.reply(({ headers, path }, response) => {
    response.statusCode = 400;
    response.end(`${headers.authorization} ${headers.x} ${path} ${repeated} CANARY-he`);
  });
  const { lines } = await rig.work();
  await rig.publish(['a']);
  await rig.settled();
  const [letter] = await rig.deadLetters(subscription);
  expect(letter!.state.lastError).toMatch(/\*\*\*/);
  expect(JSON.stringify([letter!.state, lines])).not.toMatch(/CANARY/);
  expect(JSON.stringify([letter!.state, lines])).not.toContain(String(authorizations()[0]).split(' ')[1]);
});

describe('a token of OAuth 2.0', () => {
  const oauth2 = (): { credentials: Credentials } => ({
    credentials: {
      type: 'oauth2',
      tokenUrl: issuer.url,
      clientId: 'me',
      clientSecret: 'CANARY-secret',
      clientAuthentication: 'basic',
    },
  });
  beforeEach(() => {
    issuer.reply((_, response) => {
      const access_token = `CANARY-token-${issuer.received.length}`;
      response.end(JSON.stringify({ access_token, token_type: 'bearer', expires_in: 3_600 }));
    });
  });
  const bearers = (...numbers: number[]): string[] =>
    numbers.map((number) => `Bearer CANARY-token-${number}`);

  test('is obtained once for all deliveries, of all subscriptions with the same credentials', async () => {
    await subscribe(oauth2());
    await subscribe(oauth2(), endpoint.url, 'other');
    await rig.work();
    await rig.publish(rig.ids(20));
    await rig.settled();
    expect(authorizations()).toEqual(bearers(...Array.from({ length: 40 }, () => 1)));
    expect(issuer.received).toHaveLength(1);
  });

  test('that is refused is replaced within the attempt, once', async () => {
    const subscription = await subscribe(oauth2());
    endpoint.reply(({ headers }, response) => {
      response.statusCode = headers.authorization === bearers(1)[0] ? 401 : 200;
      response.end('no');
    });
    const { metrics } = await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    expect(authorizations()).toEqual(bearers(1, 2));
    expect(new Set(endpoint.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(await rig.deadLetters(subscription)).toEqual([]);
    expect(metrics.deliveryAttempts.with('orders', 'hook', 'success').value).toBe(1);

    endpoint.reply(answer(401, {}, `no, ${bearers(3)[0]} is wrong, and CANARY-secret`));
    await rig.publish(['b']);
    await rig.settled();
    expect(authorizations()).toEqual(bearers(1, 2, 2, 3));
    const [letter] = await rig.deadLetters(subscription);
    expect(letter!.state).toMatchObject({ attempts: 1, lastOutcome: 'Unauthorized', lastStatus: 401 });
    expect(letter!.state.lastError).toBe('no, Bearer *** is wrong, and ***');
  });

  test('that is the same again is not sent again', async () => {
    const subscription = await subscribe(oauth2());
    issuer.reply(answer(200, {}, '{"access_token":"CANARY-token-0","token_type":"bearer"}'));
    endpoint.reply(answer(401));
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    expect(authorizations()).toEqual(bearers(0));
    const [letter] = await rig.deadLetters(subscription);
    expect(letter!.state).toMatchObject({ lastOutcome: 'Unauthorized', lastStatus: 401 });
  });

  test('that is not to be had is a failure of the attempt, which says why and holds no secret', async () => {
    const subscription = await subscribe(oauth2());
    issuer.reply(answer(401, {}, '{"error":"invalid_client","error_description":"CANARY-secret"}'));
    const { lines, metrics } = await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    expect(endpoint.received).toEqual([]);
    const [letter] = await rig.deadLetters(subscription);
    expect(letter!.state).toMatchObject({
      attempts: 1,
      lastOutcome: 'TokenUnavailable',
      lastError: 'ERR_TOKEN_UNAVAILABLE: no token: the token endpoint answered 401 (invalid_client)',
    });
    expect(metrics.deliveryAttempts.with('orders', 'hook', 'retryable').value).toBe(1);
    expect(JSON.stringify(lines)).not.toContain('CANARY');
  });

  test('that is not to be had after a refusal is a failure that is tried again', async () => {
    const subscription = await subscribe(oauth2());
    endpoint.reply((_, response) => {
      issuer.reply(answer(503));
      response.statusCode = 401;
      response.end();
    });
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    const [letter] = await rig.deadLetters(subscription);
    expect(letter!.state).toMatchObject({ lastOutcome: 'TokenUnavailable' });
    expect(letter!.state.lastStatus).toBeUndefined();
  });

  test('that does not come in time ends with the attempt', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url, {
      push: oauth2(),
      timeoutSeconds: 2,
      retryPolicy: once,
    });
    issuer.reply(() => undefined);
    await rig.work();
    await rig.publish(['a']);
    await issuer.until((received) => received.length === 1);
    await rig.watched.until(async () => (await rig.logEntries()) === 0);
    await rig.clock.skip(2_200);
    await rig.settled();
    const [letter] = await rig.deadLetters(subscription);
    expect(letter!.state).toMatchObject({ lastOutcome: 'TimedOut', lastError: 'no answer in time' });
    expect(endpoint.received).toEqual([]);
  });
});

describe('over TLS', () => {
  const own = makeCertificate({ commonName: 'endpoint' });
  const [first, second] = [
    makeCertificate({ commonName: 'first' }),
    makeCertificate({ commonName: 'second' }),
  ];
  const tls = { caCertificates: own.cert };
  const certificate = ({ cert, key }: TestCertificate): { credentials: Credentials } => ({
    credentials: { type: 'clientCertificate', certificate: cert, privateKey: key },
  });

  /** An endpoint that notes whose certificate each request came with, and on which connection. */
  async function secure(
    options: { readonly requires?: boolean } = {},
  ): Promise<{ url: string; seen: [string, string][]; handshakes: () => number }> {
    const seen: [string, string][] = [];
    let handshakes = 0;
    const server = createServer(
      {
        ...own,
        ca: [first.cert, second.cert],
        requestCert: true,
        rejectUnauthorized: options.requires ?? true,
      },
      (request, response) => {
        const socket = request.socket as TLSSocket;
        const { subject } = socket.getPeerCertificate();
        let body = '';
        request.on('data', (chunk) => (body += chunk));
        request.on('end', () => {
          seen.push([JSON.parse(body).id, String(subject?.CN)]);
          response.end();
        });
      },
    );
    server.on('secureConnection', () => handshakes++);
    server.on('tlsClientError', () => undefined);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return { url: `https://127.0.0.1:${port}/`, seen, handshakes: () => handshakes };
  }

  test('only authorities of the subscription’s own are trusted', async () => {
    const { url, seen } = await secure({ requires: false });
    const strange = await subscribe({}, url, 'strange');
    const other = await subscribe({ tls: { caCertificates: first.cert } }, url, 'other');
    await subscribe({ tls }, url, 'trusting');
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    expect(seen).toEqual([['a', 'undefined']]);
    for (const subscription of [strange, other])
      expect((await rig.deadLetters(subscription))[0]!.state.lastOutcome).toBe('TlsError');
  });

  test('a client certificate lets in, and none or another does not', async () => {
    const { url, seen } = await secure();
    const stranger = makeCertificate({ commonName: 'stranger' });
    await subscribe({ tls, ...certificate(first) }, url, 'known');
    const unknown = await subscribe({ tls, ...certificate(stranger) }, url, 'unknown');
    const none = await subscribe({ tls }, url, 'none');
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    expect(seen).toEqual([['a', 'first']]);
    for (const subscription of [unknown, none]) {
      const [letter] = await rig.deadLetters(subscription);
      expect(['TlsError', 'SocketError']).toContain(letter!.state.lastOutcome);
    }
  });

  test('connections are shared by one identity and by no two', async () => {
    const { url, seen, handshakes } = await secure();
    await subscribe({ tls, ...certificate(first) }, url, 'one');
    await subscribe({ tls, ...certificate(second) }, url, 'two');
    await rig.work({ concurrency: 1 });
    for (const id of ['a', 'b', 'c']) {
      await rig.publish([id]);
      await rig.settled();
    }
    for (const id of ['a', 'b', 'c'])
      expect(
        seen
          .filter((each) => each[0] === id)
          .map(([, name]) => name)
          .sort(),
      ).toEqual(['first', 'second']);
    expect(handshakes()).toBe(2);
  });
});
