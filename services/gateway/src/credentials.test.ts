import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Subscription, subscriptionPath } from '@gridpost/model';
import { agree, Endpoint, makeCertificate } from '@gridpost/model/testing';
import { serveAsking } from './testing/asked.js';
import { serve, type Served } from './testing/serve.js';

const path = '/topics/orders/eventsubscriptions/billing';
const at = '/destination/properties';
const own = makeCertificate();
const other = makeCertificate();

const hook = (properties: object, url = 'https://example.com/hook?code=c'): object => ({
  destination: { endpointType: 'WebHook', properties: { endpointUrl: url, ...properties } },
});
const credentials = (more: object, url?: string): object => hook({ credentials: more }, url);

const bearer = { type: 'bearer', token: 'CANARY.token' };
const basic = { type: 'basic', username: 'me', password: 'CANARY password' };
const oauth2 = {
  type: 'oauth2',
  tokenUrl: 'https://login.example.com/token',
  clientId: 'me',
  clientSecret: 'CANARY secret',
};
const certificate = { type: 'clientCertificate', certificate: own.cert, privateKey: own.key };

async function setup(): Promise<Served & { kept(): Promise<unknown> }> {
  const served = await serve();
  await served.admin('PUT', '/topics/orders');
  return {
    ...served,
    async kept() {
      const stored = await served.store.resources.get(subscriptionPath('orders', 'billing'));
      return (stored?.value as Subscription | undefined)?.properties.destination?.properties.credentials;
    },
  };
}

/** The last line of a key's base64, which nothing else has. */
const tail = own.key.split('\n').at(-3)!;

describe('a secret', () => {
  test.each([
    ['bearer', bearer, { type: 'bearer', token: null }],
    ['basic', basic, { type: 'basic', username: 'me', password: null }],
    ['oauth2', oauth2, { ...oauth2, clientAuthentication: 'basic', clientSecret: null }],
    [
      'oauth2',
      { ...oauth2, clientAuthentication: 'body', scope: 'a b', audience: 'x' },
      { ...oauth2, clientAuthentication: 'body', scope: 'a b', audience: 'x', clientSecret: null },
    ],
    [
      'oauth2',
      { ...oauth2, tokenCaCertificates: own.cert },
      { ...oauth2, clientAuthentication: 'basic', tokenCaCertificates: own.cert, clientSecret: null },
    ],
    ['clientCertificate', certificate, { ...certificate, privateKey: null }],
  ])('of %s is written and shown as null, and stays if that is put back', async (_, written, shown) => {
    const { admin, kept, lines } = await setup();
    const created = await admin('PUT', path, credentials(written));
    expect([created.status, created.json.properties.destination.properties.credentials]).toEqual([
      201,
      shown,
    ]);
    const stored = await kept();
    expect(stored).toMatchObject(written);
    const again = await admin('PUT', path, credentials(shown, 'https://example.com/other'));
    expect([again.status, again.json.properties.destination.properties.credentials]).toEqual([200, shown]);
    expect(await kept()).toEqual(stored);
    const read = [
      created,
      again,
      await admin('GET', path),
      await admin('GET', '/topics/orders/eventsubscriptions'),
    ];
    for (const { text } of read) expect(text).not.toMatch(/CANARY/);
    for (const { text } of read) expect(text).not.toContain(tail);
    expect(lines.join()).not.toMatch(/CANARY/);
    expect((await admin('PUT', path, hook({ credentials: null }))).status).toBe(200);
    expect(await kept()).toBeUndefined();
  });

  test.each<[string, object, object]>([
    ['the endpoint is at another host', bearer, credentials({ type: 'bearer' }, 'https://evil.example/hook')],
    [
      'the endpoint has another port',
      bearer,
      credentials({ type: 'bearer' }, 'https://example.com:444/hook'),
    ],
    ['the endpoint is without TLS', bearer, credentials({ type: 'bearer' }, 'http://example.com/hook')],
    ['the name is another', basic, credentials({ ...basic, username: 'you', password: null })],
    ['the client is another', oauth2, credentials({ ...oauth2, clientId: 'you', clientSecret: null })],
    [
      'the token endpoint is another',
      oauth2,
      credentials({ ...oauth2, tokenUrl: 'https://evil.example/token', clientSecret: null }),
    ],
    [
      'the certificate is another',
      certificate,
      credentials({ ...certificate, certificate: other.cert, privateKey: null }),
    ],
    ['the type is another', bearer, credentials({ type: 'basic', username: 'me' })],
  ])('is not kept where %s', async (_, before, after) => {
    const { admin, kept } = await setup();
    await admin('PUT', path, credentials(before));
    const stored = await kept();
    const { status, json } = await admin('PUT', path, after);
    expect([status, json.errors]).toEqual([
      400,
      [
        {
          pointer: expect.stringMatching(/credentials\/(token|password|clientSecret|privateKey)$/),
          message: expect.stringMatching(/^is missing/),
        },
      ],
    ]);
    expect(await kept()).toEqual(stored);
  });

  test('that is neither written nor stored is missing, and nothing is made', async () => {
    const { admin, store } = await setup();
    const inDomain = '/domains/shop/topics/north/eventsubscriptions/billing';
    await admin('PUT', '/domains/shop');
    for (const place of [path, inDomain]) {
      const { json } = await admin('PUT', place, credentials({ type: 'bearer', token: null }));
      expect(json.errors).toEqual([
        { pointer: `${at}/credentials/token`, message: 'is missing, and none of this type is stored' },
      ]);
    }
    expect(await store.resources.get('domains/shop/topics/north')).toBeUndefined();
  });
});

const garbled = own.cert.replace(/MII[\s\S]{40}/, '');
const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const locked = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'CANARY' })
  .toString();
const mapping = (name: string): object => ({ name, type: 'Static', properties: { value: 'x' } });

test.each<[object, string, string | RegExp]>([
  [credentials({}), '/credentials/type', 'is missing'],
  [credentials({ type: 'CANARY' }), '/credentials/type', /^saw 6 characters, expected "bearer" or/],
  [hook({ credentials: 'CANARY' }), '/credentials', /^saw 6 characters, expected an object/],
  [credentials({ ...bearer, secret: 'CANARY' }), '/credentials/secret', /^is not a property/],
  [credentials({ ...bearer, token: ['CANARY'] }), '/credentials/token', /expected a string or null$/],
  [credentials({ ...bearer, token: 'CANARY\r\nx: y' }), '/credentials/token', /^expected printable ASCII/],
  [credentials({ ...bearer, token: 'CANARY é' }), '/credentials/token', /^expected printable ASCII/],
  [credentials({ ...bearer, token: 'C'.repeat(8_193) }), '/credentials/token', /at most 8192 characters$/],
  [credentials({ ...bearer, password: 'CANARY' }), '/credentials/password', /it is not of the type bearer$/],
  [credentials({ type: 'basic', password: 'CANARY' }), '/credentials/username', 'is missing'],
  [credentials({ ...basic, username: 'a:b' }), '/credentials/username', /^saw a colon/],
  [credentials({ ...basic, password: 'CANARY\n' }), '/credentials/password', /^saw a control character/],
  [credentials({ ...oauth2, tokenUrl: null }), '/credentials/tokenUrl', 'is missing'],
  [
    credentials({ ...oauth2, tokenUrl: 'http://example.com/' }),
    '/credentials/tokenUrl',
    /^expected an https URL/,
  ],
  [
    credentials({ ...oauth2, tokenUrl: 'https://a:CANARY@example.com/' }),
    '/credentials/tokenUrl',
    /^saw a user name/,
  ],
  [credentials({ ...oauth2, tokenUrl: 'https://10.0.0.1/' }), '/credentials/tokenUrl', /does not connect to/],
  [
    credentials({ ...oauth2, tokenCaCertificates: 'CANARY' }),
    '/credentials/tokenCaCertificates',
    /^expected certificates in PEM/,
  ],
  [
    credentials({ ...oauth2, tokenCaCertificates: 'C'.repeat(131_073) }),
    '/credentials/tokenCaCertificates',
    /at most 131072 characters$/,
  ],
  [
    credentials({ ...oauth2, tokenUrl: 'http://127.0.0.1/', tokenCaCertificates: own.cert }),
    '/credentials/tokenCaCertificates',
    'is of https token endpoints, and this one is of http',
  ],
  [
    credentials({ ...bearer, tokenCaCertificates: own.cert }),
    '/credentials/tokenCaCertificates',
    /it is not of the type bearer$/,
  ],
  [credentials({ ...oauth2, scope: 'a  b' }), '/credentials/scope', /expected scopes with single spaces/],
  [
    credentials({ ...oauth2, clientSecret: 'CANARY\0' }),
    '/credentials/clientSecret',
    /^expected printable ASCII/,
  ],
  [
    credentials({ ...certificate, certificate: 'CANARY' }),
    '/credentials/certificate',
    /^expected a certificate in PEM/,
  ],
  [
    credentials({ ...certificate, certificate: garbled }),
    '/credentials/certificate',
    /^expected a certificate in PEM/,
  ],
  [
    credentials({ ...certificate, certificate: own.cert + own.key }),
    '/credentials/certificate',
    /and nothing else$/,
  ],
  [
    credentials({ ...certificate, privateKey: 'CANARY' }),
    '/credentials/privateKey',
    /^expected one private key/,
  ],
  [credentials({ ...certificate, privateKey: locked }), '/credentials/privateKey', /without a passphrase$/],
  [
    credentials({ ...certificate, privateKey: other.key }),
    '/credentials/privateKey',
    'is not the key of the certificate',
  ],
  [
    credentials({ ...certificate, privateKey: ed25519 }),
    '/credentials/privateKey',
    'is not the key of the certificate',
  ],
  [credentials(certificate, 'HTTP://example.com/'), '/credentials/type', /is of https endpoints/],
  [hook({ tls: { caCertificates: 'CANARY' } }), '/tls/caCertificates', /^expected certificates in PEM/],
  [
    hook({ tls: { caCertificates: own.cert } }, 'http://example.com/'),
    '/tls/caCertificates',
    /is of https endpoints/,
  ],
  [hook({ tls: { ca: own.cert } }), '/tls/ca', /^is not a property/],
  [
    hook({ credentials: bearer, deliveryAttributeMappings: [mapping('AUTHORIZATION')] }),
    '/credentials',
    /beside a custom header Authorization/,
  ],
])(
  '%# is refused with its pointer, without the secret, and stored nowhere',
  async (body, pointer, message) => {
    const { admin, kept, lines } = await setup();
    const answer = await admin('PUT', path, body);
    expect([answer.status, answer.json.errors]).toEqual([
      400,
      [
        {
          pointer: at + pointer,
          message: typeof message === 'string' ? message : expect.stringMatching(message),
        },
      ],
    ]);
    expect(answer.text + lines.join()).not.toMatch(/CANARY/);
    expect(await kept()).toBeUndefined();
  },
);

test('a certificate goes with a custom header Authorization, and what is long enough is taken', async () => {
  const { admin } = await setup();
  const both = hook({ credentials: certificate, deliveryAttributeMappings: [mapping('authorization')] });
  expect((await admin('PUT', path, both)).status).toBe(201);
  const longest = credentials({ ...bearer, token: 'C'.repeat(8_192) });
  expect((await admin('PUT', path, longest)).status).toBe(200);
  const two = hook({ tls: { caCertificates: `${own.cert}\n${other.cert}` } });
  const answer = await admin('PUT', path, two);
  expect(answer.json.properties.destination.properties.tls.caCertificates).toContain(other.cert);
});

const armPath =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders/eventSubscriptions/billing?api-version=2025-02-15';
test('an update on Azure’s routes keeps them, and shows none', async () => {
  const { admin, kept } = await setup();
  await admin('PUT', armPath, { properties: credentials(bearer) });
  const updated = await admin('PATCH', armPath, { labels: ['x'] });
  expect(updated.text).not.toContain('CANARY');
  expect(await kept()).toEqual(bearer);
});

describe('an endpoint is asked with the credentials that deliveries have:', () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  test('a token, which is replaced if it is refused', async () => {
    const { admin, endpoint, reached } = await serveAsking();
    const issuer = await new Endpoint().listen();
    ends.push(() => issuer.close());
    issuer.reply((_, response) => {
      const access_token = `token-${issuer.received.length}`;
      response.end(JSON.stringify({ access_token, token_type: 'bearer' }));
    });
    endpoint.reply((request, response) => {
      if (request.headers.authorization === 'Bearer token-2') return agree(request, response);
      response.statusCode = 401;
      response.end();
    });
    await admin('PUT', path, credentials({ ...oauth2, tokenUrl: issuer.url }, endpoint.url));
    await reached('Succeeded');
    expect(endpoint.received.map(({ method }) => method)).toEqual(['OPTIONS', 'OPTIONS']);
  });

  test('a token that is not to be had is said, and asked for again', async () => {
    const { admin, endpoint, clock, reached, registry } = await serveAsking();
    endpoint.reply(agree);
    const issuer = await new Endpoint().listen();
    ends.push(() => issuer.close());
    issuer.reply((_, response) => {
      response.statusCode = 400;
      response.end('{"error":"invalid_client"}');
    });
    await admin('PUT', path, credentials({ ...oauth2, tokenUrl: issuer.url }, endpoint.url));
    const reason = await new Promise((resolve) => {
      const stop = registry.onChange(() => {
        const { provisioning } = registry.subscriptionAt('orders', 'billing')!.subscription;
        if (!provisioning || !('reason' in provisioning)) return;
        stop();
        resolve(provisioning.reason);
      });
    });
    expect(reason).toBe('no token: the token endpoint answered 400 (invalid_client)');
    issuer.reply((_, response) => response.end('{"access_token":"t","token_type":"bearer"}'));
    await clock.advance(10_000);
    await reached('Succeeded');
    expect(endpoint.received[0]!.headers.authorization).toBe('Bearer t');
  });

  test('a client certificate, with an authority of one’s own; and so is the notice of its deletion', async () => {
    const { admin, reached } = await serveAsking();
    const seen: [unknown, string][] = [];
    let told = (): void => undefined;
    const both = new Promise<void>((resolve) => {
      told = resolve;
    });
    const server = createServer({ ...other, ca: [own.cert], requestCert: true }, (request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        const { subject } = (request.socket as TLSSocket).getPeerCertificate();
        seen.push([request.headers['aeg-event-type'], String(subject.CN)]);
        const [{ data }] = JSON.parse(body);
        response.end(JSON.stringify({ validationResponse: data.validationCode }));
        if (seen.length === 2) told();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ends.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const { port } = server.address() as AddressInfo;
    const written = hook(
      { credentials: certificate, tls: { caCertificates: other.cert } },
      `https://127.0.0.1:${port}/`,
    );
    await admin('PUT', path, { ...written, eventDeliverySchema: 'EventGridSchema' });
    await reached('Succeeded');
    await admin('DELETE', path);
    await both;
    expect(seen).toEqual([
      ['SubscriptionValidation', 'localhost'],
      ['SubscriptionDeletion', 'localhost'],
    ]);
  });
});
