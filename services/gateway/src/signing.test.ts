import { describe, expect, test } from '@jest/globals';
import { limits, type Subscription, subscriptionPath } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { Webhook } from 'standardwebhooks';
import { serveAsking } from './testing/asked.js';
import { serve, type Served } from './testing/serve.js';

const path = '/topics/orders/eventsubscriptions/billing';
const ownSecret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
const secretForm = /^whsec_[A-Za-z0-9+/]{43}=$/;
const publicForm = /^whpk_[A-Za-z0-9+/]{43}=$/;

const hook = (signing?: unknown, more: object = {}): object => ({
  destination: { endpointType: 'WebHook', properties: { endpointUrl: 'https://example.com/hook' } },
  ...(signing === undefined ? {} : { signing }),
  ...more,
});

async function setup(): Promise<Served & { clock: FakeClock; keys(): Promise<readonly string[]> }> {
  const clock = new FakeClock();
  const served = await serve({ clock });
  await served.admin('PUT', '/topics/orders');
  return {
    ...served,
    clock,
    async keys() {
      const stored = await served.store.resources.get(subscriptionPath('orders', 'billing'));
      return (stored!.value as Subscription).properties.signing!.keys.map(({ secret }) => secret);
    },
  };
}

const rotate = ({ admin }: Served, body?: unknown): ReturnType<Served['admin']> =>
  admin('POST', `${path}:rotateSecret`, body);

describe('a secret that is made', () => {
  test('is shown in the answer that creates it, and never again', async () => {
    const served = await setup();
    const { admin, keys, lines } = served;
    const created = await admin('PUT', path, hook({ scheme: 'v1' }));
    const { signing } = created.json.properties;
    expect([created.status, signing]).toEqual([
      201,
      { scheme: 'v1', createdAt: expect.any(String), secret: expect.stringMatching(secretForm) },
    ]);
    expect(await keys()).toEqual([signing.secret]);
    const again = [
      await admin('GET', path),
      await admin('GET', '/topics/orders/eventsubscriptions'),
      await admin('PUT', path, hook({ scheme: 'v1' })),
      await admin('PUT', path, hook({ ...signing, secret: undefined }, { labels: ['x'] })),
      await admin('PUT', path, hook({ ...signing, secret: null })),
      await admin('PUT', path, hook(signing)),
    ];
    for (const { status, text } of again) {
      expect([status, text]).toEqual([200, expect.not.stringContaining(signing.secret)]);
    }
    expect(await keys()).toEqual([signing.secret]);
    expect(lines.join()).not.toContain(signing.secret);
  });

  test('is made when signing is turned on later, and another when it is turned on again', async () => {
    const { admin, keys } = await setup();
    expect((await admin('PUT', path, hook())).json.properties).not.toHaveProperty('signing');
    const { secret } = (await admin('PUT', path, hook({ scheme: 'v1' }))).json.properties.signing;
    expect((await admin('PUT', path, hook(null))).json.properties).not.toHaveProperty('signing');
    const again = (await admin('PUT', path, hook({ scheme: 'v1' }))).json.properties.signing;
    expect(again.secret).not.toBe(secret);
    expect(await keys()).toEqual([again.secret]);
  });

  test('of Ed25519 is not shown at all: receivers need the public key, which always is', async () => {
    const { admin, keys } = await setup();
    const { signing } = (await admin('PUT', path, hook({ scheme: 'v1a' }))).json.properties;
    expect(signing).toEqual({
      scheme: 'v1a',
      createdAt: expect.any(String),
      publicKey: expect.stringMatching(publicForm),
    });
    expect((await admin('GET', path)).json.properties.signing).toEqual(signing);
    expect((await admin('PUT', path, hook(signing))).json.properties.signing).toEqual(signing);
    expect(await keys()).toEqual([expect.stringMatching(/^whsk_/)]);
    // Another scheme needs another key.
    const { secret } = (await admin('PUT', path, hook({ scheme: 'v1' }))).json.properties.signing;
    expect(await keys()).toEqual([secret]);
  });
});

test('a secret of the writer signs and is not shown; another one takes its place at once', async () => {
  const { admin, keys } = await setup();
  const created = await admin('PUT', path, hook({ scheme: 'v1', secret: ownSecret }));
  expect(created.status).toBe(201);
  expect(created.text).not.toContain(ownSecret);
  expect(await keys()).toEqual([ownSecret]);
  const other = `whsec_${Buffer.alloc(64, 2).toString('base64')}`;
  expect((await admin('PUT', path, hook({ scheme: 'v1', secret: other }))).text).not.toContain(other);
  expect(await keys()).toEqual([other]);
});

const short = `whsec_${Buffer.alloc(23).toString('base64')}`;
test.each<[string, unknown, string, string | RegExp]>([
  ['no scheme', {}, '/scheme', 'is missing'],
  ['an unknown scheme', { scheme: 'v2' }, '/scheme', /expected "v1" or "v1a"$/],
  ['a member too many', { scheme: 'v1', key: 'k' }, '/key', /^is not a property/],
  [
    'a short secret',
    { scheme: 'v1', secret: short },
    '/secret',
    'expected whsec_ and the base64 of 24 to 64 bytes',
  ],
  ['a secret of the other scheme', { scheme: 'v1a', secret: ownSecret }, '/secret', /^expected whsk_ and/],
  ['a secret without end', { scheme: 'v1', secret: 'x'.repeat(129) }, '/secret', /at most 128 characters$/],
  ['a text', ownSecret, '', /^saw \d+ characters, expected an object or null$/],
])('%s is refused with its pointer and stored nowhere', async (_, signing, pointer, message) => {
  const { admin } = await setup();
  const answer = await admin('PUT', path, hook(signing));
  expect(answer.status).toBe(400);
  expect(answer.json.errors).toEqual([
    {
      pointer: `/signing${pointer}`,
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    },
  ]);
  expect(answer.text).not.toContain(ownSecret);
  expect((await admin('GET', path)).status).toBe(404);
});

test('is refused where events are received', async () => {
  const { admin } = await setup();
  const queue = { deliveryConfiguration: { deliveryMode: 'Queue' }, signing: { scheme: 'v1' } };
  expect((await admin('PUT', path, queue)).json.errors).toMatchObject([{ pointer: '/signing' }]);
});

describe('a rotation', () => {
  test('shows the new secret once, and both sign for a day, or as long as is said', async () => {
    const served = await setup();
    const { admin, keys, clock } = served;
    const first = (await admin('PUT', path, hook({ scheme: 'v1' }))).json.properties.signing.secret;
    const { status, json, headers } = await rotate(served);
    const now = clock.now();
    const iso = (ms: number): string => new Date(ms).toISOString();
    expect([status, json, headers['cache-control']]).toEqual([
      200,
      {
        scheme: 'v1',
        createdAt: iso(now),
        secret: expect.stringMatching(secretForm),
        previous: [{ createdAt: iso(now), endsAt: iso(now + 86_400_000) }],
      },
      'no-store',
    ]);
    expect(headers.etag).toBe((await admin('GET', path)).headers.etag);
    expect(await keys()).toEqual([json.secret, first]);
    // Neither a write nor a longer overlap prolongs what was said first.
    await admin('PUT', path, hook({ scheme: 'v1' }));
    const longer = await rotate(served, { overlapInSeconds: 604_800 });
    expect(longer.json.previous.map(({ endsAt }: { endsAt: string }) => endsAt)).toEqual([
      iso(now + 604_800_000),
      iso(now + 86_400_000),
    ]);
    await clock.advance(86_400_000);
    const { previous } = (await admin('GET', path)).json.properties.signing;
    expect(previous).toHaveLength(1);
  });

  test('without overlap ends all others at once', async () => {
    const served = await setup();
    await served.admin('PUT', path, hook({ scheme: 'v1' }));
    await rotate(served);
    const { json } = await rotate(served, { overlapInSeconds: 0 });
    expect(json).not.toHaveProperty('previous');
    expect(await served.keys()).toEqual([json.secret]);
  });

  test('takes a secret of the writer, which it does not show', async () => {
    const served = await setup();
    await served.admin('PUT', path, hook({ scheme: 'v1' }));
    const { json } = await rotate(served, { secret: ownSecret });
    expect(json).not.toHaveProperty('secret');
    expect((await served.keys())[0]).toBe(ownSecret);
    const wrong = await rotate(served, { secret: short });
    expect([wrong.status, wrong.json.errors]).toEqual([
      400,
      [expect.objectContaining({ pointer: '/secret' })],
    ]);
  });

  test('shows both public keys of Ed25519', async () => {
    const served = await setup();
    const before = (await served.admin('PUT', path, hook({ scheme: 'v1a' }))).json.properties.signing;
    const { json } = await rotate(served);
    expect(json).not.toHaveProperty('secret');
    expect(json.publicKey).not.toBe(before.publicKey);
    expect(json.previous).toMatchObject([{ publicKey: before.publicKey }]);
  });

  test('is refused once as many sign as can, until one has ended', async () => {
    const served = await setup();
    await served.admin('PUT', path, hook({ scheme: 'v1' }));
    for (let count = 1; count < limits.signingKeysMax; count++)
      expect((await rotate(served, { overlapInSeconds: 60 })).status).toBe(200);
    expect((await rotate(served)).json.code).toBe('Conflict');
    await served.clock.advance(60_000);
    expect((await rotate(served)).status).toBe(200);
  });

  test.each([
    ['a longer overlap than a week', { overlapInSeconds: 604_801 }, '/overlapInSeconds'],
    ['a negative one', { overlapInSeconds: -1 }, '/overlapInSeconds'],
    ['what it does not know', { overlap: 1 }, '/overlap'],
  ])('refuses %s', async (_, body, pointer) => {
    const served = await setup();
    await served.admin('PUT', path, hook({ scheme: 'v1' }));
    expect((await rotate(served, body)).json.errors).toMatchObject([{ pointer }]);
    expect(await served.keys()).toHaveLength(1);
  });

  test('is refused where nothing is signed, where there is nothing, and for another version', async () => {
    const served = await setup();
    expect((await rotate(served)).json.code).toBe('SubscriptionNotFound');
    await served.admin('PUT', path, hook());
    expect((await rotate(served)).json.code).toBe('Conflict');
    await served.admin('PUT', path, hook({ scheme: 'v1' }));
    const stale = await served.admin('POST', `${path}:rotateSecret`, {}, { 'if-match': '"0"' });
    expect(stale.json.code).toBe('PreconditionFailed');
    expect(await served.keys()).toHaveLength(1);
  });
});

const armPath =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders/eventSubscriptions/billing?api-version=2025-02-15';
test('on Azure’s routes the answer that makes a secret shows it, and an update keeps it', async () => {
  const { admin, keys } = await setup();
  const created = await admin('PUT', armPath, { properties: hook({ scheme: 'v1' }) });
  const { secret } = created.json.properties.signing;
  expect(secret).toMatch(secretForm);
  const updated = await admin('PATCH', armPath, { labels: ['x'] });
  expect([updated.status, updated.json.properties.labels]).toEqual([200, ['x']]);
  expect(updated.text).not.toContain(secret);
  expect(await keys()).toEqual([secret]);
});

test('the handshake of Event Grid and the notice of a deletion are signed as deliveries are', async () => {
  const { admin, asked, clock, endpoint, reached } = await serveAsking({
    // The verifier looks at the clock of this machine.
    clock: new FakeClock(Date.now()),
  });
  endpoint.reply(({ headers, body }, response) => {
    const code =
      headers['aeg-event-type'] === 'SubscriptionValidation' && JSON.parse(body)[0].data.validationCode;
    response.end(JSON.stringify({ validationResponse: code }));
  });
  const { json } = await admin('PUT', path, {
    destination: { endpointType: 'WebHook', properties: { endpointUrl: endpoint.url } },
    eventDeliverySchema: 'EventGridSchema',
    signing: { scheme: 'v1' },
  });
  const webhook = new Webhook(json.properties.signing.secret);
  const verified = (request: Awaited<ReturnType<typeof asked>>): unknown =>
    webhook.verify(request.body, request.headers as Record<string, string>);
  expect(verified(await asked(1))).toMatchObject([
    { eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent' },
  ]);
  await reached('Succeeded');
  await admin('DELETE', path);
  expect(verified(await asked(2))).toMatchObject([
    { eventType: 'Microsoft.EventGrid.SubscriptionDeletedEvent' },
  ]);
  expect(clock.now()).toBeGreaterThan(0);
});
