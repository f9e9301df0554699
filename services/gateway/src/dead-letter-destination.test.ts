import { expect, test } from '@jest/globals';
import { type Subscription, subscriptionPath } from '@gridpost/model';
import { makeCertificate } from '@gridpost/model/testing';
import { serve, type Served } from './testing/serve.js';

const path = '/topics/orders/eventsubscriptions/billing';
const both = { directory: true, s3: true };
const secretUrl = 'https://example.com/letters?code=hidden-code';

const directory = (path: unknown): object => ({ endpointType: 'Directory', properties: { path } });
const s3 = (bucket: unknown, prefix?: unknown): object => ({
  endpointType: 'S3',
  properties: { bucket, prefix },
});
const webHook = (endpointUrl: unknown): object => ({ endpointType: 'WebHook', properties: { endpointUrl } });
const bodyOf = (deadLetterDestination: unknown, others: object = {}): object => ({
  destination: { endpointType: 'WebHook', properties: { endpointUrl: 'https://example.com/' } },
  deadLetterDestination,
  ...others,
});

async function setup(deadLetterPlaces = both): Promise<Served> {
  const served = await serve({ deadLetterPlaces });
  await served.admin('PUT', '/topics/orders');
  return served;
}

async function stored({ store }: Served): Promise<Subscription | undefined> {
  return (await store.resources.get(subscriptionPath('orders', 'billing')))?.value as
    | Subscription
    | undefined;
}

test.each([
  [directory('a')],
  [directory('2026/dead-letters/a_b.c')],
  [directory('x'.repeat(64))],
  [directory(`${'x'.repeat(63)}/${'x'.repeat(64)}/${'x'.repeat(63)}/${'x'.repeat(63)}`)],
  [s3('abc')],
  [s3('a.b-c3', 'orders/dead')],
  [s3('x'.repeat(63))],
])('%j is kept and shown as it is', async (destination) => {
  const served = await setup();
  const { status, json } = await served.admin('PUT', path, bodyOf(destination));
  expect(status).toBe(201);
  const expected = JSON.parse(JSON.stringify(destination));
  expect(json.properties.deadLetterDestination).toEqual(expected);
  expect((await stored(served))!.properties.deadLetterDestination).toEqual(expected);
  expect((await served.admin('PUT', path, json)).json.code).toBe('InvalidResource');
  json.properties.destination.properties.endpointUrl = 'https://example.com/';
  expect((await served.admin('PUT', path, json)).status).toBe(200);
});

test('a webhook is shown without its query', async () => {
  const served = await setup({ directory: false, s3: false });
  const { status, text, json } = await served.admin('PUT', path, bodyOf(webHook(secretUrl)));
  expect(status).toBe(201);
  expect(json.properties.deadLetterDestination).toEqual({
    endpointType: 'WebHook',
    properties: { endpointBaseUrl: 'https://example.com/letters' },
  });
  const list = await served.admin('GET', '/topics/orders/eventsubscriptions');
  expect(text + list.text + served.lines.join()).not.toContain('hidden-code');
  expect((await stored(served))!.properties.deadLetterDestination).toEqual(webHook(secretUrl));
});

test('queue subscriptions have one as well, and null is none', async () => {
  const served = await setup();
  const queue = { deliveryConfiguration: { deliveryMode: 'Queue' } };
  const { json } = await served.admin('PUT', path, { ...queue, deadLetterDestination: directory('a') });
  expect(json.properties.deadLetterDestination).toEqual(directory('a'));
  const without = await served.admin('PUT', path, { ...queue, deadLetterDestination: null });
  expect([without.status, 'deadLetterDestination' in without.json.properties]).toEqual([200, false]);
});

const at = '/deadLetterDestination';
test.each<[object, string, RegExp]>([
  [
    { endpointType: 'StorageBlob', properties: {} },
    `${at}/endpointType`,
    /^saw "StorageBlob", expected "Directory"/,
  ],
  [{ endpointType: 'Directory' }, `${at}/properties`, /^is missing$/],
  [{ properties: { path: 'a' } }, `${at}/endpointType`, /^is missing$/],
  [directory(undefined), `${at}/properties/path`, /^is missing$/],
  [directory(null), `${at}/properties/path`, /^is missing$/],
  [directory(1), `${at}/properties/path`, /^saw 1, expected a string or null$/],
  ...[
    '',
    '/',
    '/etc',
    'a/',
    'a//b',
    '..',
    '../a',
    'a/../b',
    'a/..',
    '.',
    './a',
    '.hidden',
    'a/.b',
    'a\\b',
  ].map((text): [object, string, RegExp] => [
    directory(text),
    `${at}/properties/path`,
    /^saw .*, expected names/,
  ]),
  ...['a b', 'a\0b', 'é', 'C:', 'x'.repeat(65), `${'x'.repeat(64)}/${'x'.repeat(64)}/`.repeat(2)].map(
    (text): [object, string, RegExp] => [directory(text), `${at}/properties/path`, /^saw .*, expected names/],
  ),
  [
    directory(`${'x'.repeat(64)}/${'x'.repeat(64)}/${'x'.repeat(64)}/${'x'.repeat(62)}`),
    `${at}/properties/path`,
    /at most 256 characters in all$/,
  ],
  [s3(undefined), `${at}/properties/bucket`, /^is missing$/],
  ...['', 'ab', 'x'.repeat(64), 'Upper', 'a_b', '-ab', 'ab-', 'a..b', 'a/b', 'a b'].map(
    (text): [object, string, RegExp] => [s3(text), `${at}/properties/bucket`, /^saw .*, expected 3 to 63/],
  ),
  [s3('abc', '../x'), `${at}/properties/prefix`, /^saw .*, expected names/],
  [s3('abc', '/x'), `${at}/properties/prefix`, /^saw .*, expected names/],
  [webHook(undefined), `${at}/properties/endpointUrl`, /^is missing$/],
  [webHook('ftp://example.com/?hidden-code'), `${at}/properties/endpointUrl`, /absolute http or https URL$/],
  [webHook('https://user:hidden-code@example.com/'), `${at}/properties/endpointUrl`, /user name/],
  [
    { endpointType: 'Directory', properties: { path: 'a', bucket: 'abc' } },
    `${at}/properties/bucket`,
    /^is not a property of the type Directory$/,
  ],
  [
    { endpointType: 'WebHook', properties: { endpointUrl: secretUrl, path: 'a' } },
    `${at}/properties/path`,
    /^is not a property of the type WebHook$/,
  ],
  [
    { endpointType: 'S3', properties: { bucket: 'abc', secretAccessKey: 'hidden-code' } },
    `${at}/properties/secretAccessKey`,
    /^is not a property Gridpost knows here/,
  ],
])('%j is refused', async (destination, pointer, message) => {
  const served = await setup();
  for (const [body, prefix] of [
    [bodyOf(destination), ''],
    [{ properties: bodyOf(destination) }, '/properties'],
  ] as const) {
    const { status, json, text } = await served.admin('PUT', path, body);
    expect([status, json.code]).toEqual([400, 'InvalidResource']);
    expect(json.errors).toEqual([{ pointer: prefix + pointer, message: expect.stringMatching(message) }]);
    expect(text).not.toContain('hidden-code');
  }
  expect(await stored(served)).toBeUndefined();
});

test.each([
  [directory('a'), { directory: false, s3: true }, 'GRIDPOST_DEAD_LETTER_DIRECTORY'],
  [s3('abc'), { directory: true, s3: false }, 'GRIDPOST_DEAD_LETTER_S3_ACCESS_KEY_ID'],
])('%j needs its setting', async (destination, places, setting) => {
  const served = await setup(places);
  const { json } = await served.admin('PUT', path, bodyOf(destination));
  expect(json.errors).toEqual([
    { pointer: `${at}/endpointType`, message: expect.stringContaining(`needs the setting ${setting}`) },
  ]);
  expect(await stored(served)).toBeUndefined();
});

test('nothing can be written where nothing is kept', async () => {
  const served = await setup();
  const { json } = await served.admin('PUT', path, bodyOf(directory('a'), { deadLettering: false }));
  expect(json.errors).toEqual([{ pointer: at, message: expect.stringContaining('deadLettering is false') }]);
});

const own = makeCertificate();
const hook = (more: object, endpointUrl = secretUrl): object => ({
  endpointType: 'WebHook',
  properties: { endpointUrl, ...more },
});
const bearer = { type: 'bearer', token: 'hidden-code' };
const oauth2 = {
  type: 'oauth2',
  tokenUrl: 'https://login.example.com/token',
  clientId: 'me',
  clientSecret: 'hidden-code',
};
const certificate = { type: 'clientCertificate', certificate: own.cert, privateKey: own.key };

test.each<[object, object]>([
  [bearer, { type: 'bearer', token: null }],
  [
    { type: 'basic', username: 'me', password: 'hidden-code' },
    { type: 'basic', username: 'me', password: null },
  ],
  [
    { ...oauth2, tokenCaCertificates: own.cert },
    { ...oauth2, tokenCaCertificates: own.cert, clientAuthentication: 'basic', clientSecret: null },
  ],
  [certificate, { ...certificate, privateKey: null }],
])(
  'a webhook has credentials, whose secret is shown as null and stays if that is put back: %#',
  async (written, shown) => {
    const served = await setup();
    const { admin } = served;
    const tls = { caCertificates: own.cert };
    const created = await admin('PUT', path, bodyOf(hook({ credentials: written, tls })));
    expect([created.status, created.json.properties.deadLetterDestination.properties]).toEqual([
      201,
      { endpointBaseUrl: 'https://example.com/letters', credentials: shown, tls },
    ]);
    const kept = async () => (await stored(served))!.properties.deadLetterDestination!.properties;
    const before = await kept();
    expect(before).toMatchObject({ endpointUrl: secretUrl, credentials: written, tls });
    const elsewhere = 'https://example.com/elsewhere';
    const again = await admin('PUT', path, bodyOf(hook({ credentials: shown, tls }, elsewhere)));
    expect(again.status).toBe(200);
    expect(await kept()).toEqual({ ...before, endpointUrl: elsewhere });
    const armPath = `/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders/eventSubscriptions/billing`;
    expect((await admin('PATCH', armPath, { labels: ['x'] })).status).toBe(200);
    expect(await kept()).toEqual({ ...before, endpointUrl: elsewhere });
    const moved = hook({ credentials: shown, tls }, 'https://evil.example/');
    const refused = await admin('PUT', path, bodyOf(moved));
    expect([refused.status, refused.json.errors]).toEqual([
      400,
      [
        {
          pointer: expect.stringMatching(/^\/deadLetterDestination\/properties\/credentials\/\w+$/),
          message: expect.stringMatching(/^is missing: the stored one is kept only for the same client/),
        },
      ],
    ]);
    const list = await admin('GET', '/topics/orders/eventsubscriptions');
    const said = [created, again, refused, list].map(({ text }) => text).join() + served.lines.join();
    expect(said).not.toContain('hidden-code');
    expect(said).not.toContain(own.key.split('\n')[1]);
    expect((await admin('PUT', path, bodyOf(hook({ credentials: null, tls: null })))).status).toBe(200);
    expect(await kept()).toEqual({ endpointUrl: secretUrl });
  },
);

test('those of its endpoint are not kept for the webhook, nor its own for another kind of place', async () => {
  const { admin } = await setup();
  const destination = {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/', credentials: bearer },
  };
  await admin('PUT', path, bodyOf(directory('a'), { destination }));
  const without = hook({ credentials: { type: 'bearer', token: null } });
  const { json } = await admin('PUT', path, bodyOf(without, { destination }));
  expect(json.errors).toEqual([
    {
      pointer: `${at}/properties/credentials/token`,
      message: 'is missing, and none of this type is stored',
    },
  ]);
});

test('a queue subscription’s webhook has credentials as well', async () => {
  const served = await setup();
  const queue = { deliveryConfiguration: { deliveryMode: 'Queue' } };
  const body = { ...queue, deadLetterDestination: hook({ credentials: bearer }) };
  const { status, text } = await served.admin('PUT', path, body);
  expect([status, text.includes('hidden-code')]).toEqual([201, false]);
  const again = { ...queue, deadLetterDestination: hook({ credentials: { type: 'bearer' } }) };
  expect((await served.admin('PUT', path, again)).status).toBe(200);
  expect((await stored(served))!.properties.deadLetterDestination).toEqual(hook({ credentials: bearer }));
});

test('it is signed where the subscription is, and where that is asked for', async () => {
  const served = await setup();
  const signing = { scheme: 'v1a' };
  const { json } = await served.admin('PUT', path, bodyOf(hook({ signed: true }), { signing }));
  expect(json.properties.deadLetterDestination.properties.signed).toBe(true);
  const off = await served.admin('PUT', path, bodyOf(hook({ signed: false })));
  expect(off.json.properties.deadLetterDestination.properties).not.toHaveProperty('signed');
});

test.each<[object, string, RegExp]>([
  [hook({ credentials: { type: 'bearer', token: 'hidden-code é' } }), '/credentials/token', /printable/],
  [hook({ credentials: { type: 'hidden-code' } }), '/credentials/type', /^saw 11 characters, expected "b/],
  [hook({ credentials: certificate }, 'http://example.com/'), '/credentials/type', /is of https endpoints/],
  [hook({ tls: { caCertificates: 'x' } }), '/tls/caCertificates', /^expected certificates in PEM/],
  [hook({ tls: { caCertificates: own.cert } }, 'http://example.com/'), '/tls/caCertificates', /is of https/],
  [
    hook({ credentials: { ...oauth2, tokenCaCertificates: 'x' } }),
    '/credentials/tokenCaCertificates',
    /^expected certificates in PEM/,
  ],
  [
    hook({ credentials: { ...oauth2, tokenUrl: 'https://10.0.0.1/' } }),
    '/credentials/tokenUrl',
    /does not connect to/,
  ],
  [hook({ signed: true }), '/signed', /the subscription has no signing/],
  [hook({ signed: 'yes' }), '/signed', /expected a boolean or null/],
  [
    { endpointType: 'Directory', properties: { path: 'a', credentials: bearer } },
    '/credentials',
    /^is not a property of the type Directory$/,
  ],
  [
    { endpointType: 'S3', properties: { bucket: 'abc', signed: false } },
    '/signed',
    /^is not a property of the type S3$/,
  ],
])('%# is refused with its pointer, without a secret', async (destination, pointer, message) => {
  const served = await setup();
  const { json, text } = await served.admin('PUT', path, bodyOf(destination));
  expect(json.errors).toEqual([
    { pointer: `${at}/properties${pointer}`, message: expect.stringMatching(message) },
  ]);
  expect(text).not.toContain('hidden-code');
  expect(await stored(served)).toBeUndefined();
});
