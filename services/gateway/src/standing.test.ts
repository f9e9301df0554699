/** Pausing, resuming and resetting, and how a subscription's health is shown. */
import { describe, expect, test } from '@jest/globals';
import { type Health, healthPath, type Subscription, subscriptionPath } from '@gridpost/model';
import { eventOf, serve, type Served } from './testing/serve.js';

const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/hook', validation: 'none' },
  },
};
const scopes = [
  ['/topics/orders', 'orders'],
  ['/domains/shop', 'domains/shop'],
  ['/domains/shop/topics/north', 'domains/shop/topics/north'],
] as const;
type Place = (typeof scopes)[number];

async function serveScope([path, scope]: Place = scopes[0]) {
  const served = await serve();
  const { admin, store, registry } = served;
  await admin('PUT', path.startsWith('/topics') ? path : '/domains/shop');
  const one = `${path}/eventsubscriptions/mail`;
  await admin('PUT', one, hook);
  const stored = async (): Promise<Subscription> =>
    (await store.resources.get(subscriptionPath(scope, 'mail')))!.value as Subscription;
  return {
    ...served,
    ...{ one, stored },
    ask: (operation: string) => admin('POST', `${one}:${operation}`),
    /** As workers write it. */
    async note(health: Partial<Health>): Promise<void> {
      const { incarnation } = await stored();
      const noted = { incarnation, state: 'Healthy', since: 1_000, failures: {}, probes: 0, ...health };
      await store.resources.put(healthPath(scope, 'mail'), noted);
      await registry.refresh();
    },
    health: async (): Promise<Health | undefined> =>
      (await store.resources.get(healthPath(scope, 'mail')))?.value as Health | undefined,
  };
}

const heldBack: Partial<Health> = {
  state: 'Probation',
  failures: { TimedOut: 2, ServerError: 12 },
  lastFailure: { at: 2_000, outcome: 'ServerError', status: 500, error: 'out of memory' },
  lastSuccessAt: 500,
  probes: 3,
  nextProbeAt: 61_000,
};
const shownHeldBack = {
  state: 'Probation',
  since: '1970-01-01T00:00:01.000Z',
  heldBackUntil: '1970-01-01T00:01:01.000Z',
  failures: { TimedOut: 2, ServerError: 12 },
  lastFailure: {
    ...{ at: '1970-01-01T00:00:02.000Z', outcome: 'ServerError', status: 500, error: 'out of memory' },
  },
  lastSuccessAt: '1970-01-01T00:00:00.500Z',
};

/** What the store was asked to make due at once. */
function hastened({ store }: Pick<Served, 'store'>): string[] {
  const ids: string[] = [];
  const hasten = store.hasten.bind(store);
  store.hasten = (partition, subscription) => {
    ids.push(subscription);
    return hasten(partition, subscription);
  };
  return ids;
}

describe.each(scopes)('on %s', (...place) => {
  test('a subscription is paused, stays so when it is written again, and is resumed', async () => {
    const { admin, one, ask, stored, ...served } = await serveScope(place);
    const ids = hastened(served);
    const paused = await ask('pause');
    expect(paused.status).toBe(200);
    const { status } = paused.json.properties;
    expect(status).toEqual({ state: 'Paused', at: expect.stringMatching(/^\d{4}-.*Z$/) });
    expect((await admin('GET', one)).json).toEqual(paused.json);
    // Again, and by whoever applies what he has written down.
    expect((await ask('pause')).headers.etag).toBe(paused.headers.etag);
    const written = await admin('PUT', one, { ...hook, labels: ['x'] });
    expect(written.json.properties.status).toEqual(status);
    expect(ids).toEqual([]);
    const resumed = await ask('resume');
    expect([resumed.status, resumed.json.properties.status]).toEqual([200, { state: 'Active' }]);
    expect(resumed.headers.etag).not.toBe(written.headers.etag);
    const { incarnation } = await stored();
    expect(new Set(ids)).toEqual(new Set([incarnation]));
    expect((await ask('resume')).headers.etag).toBe(resumed.headers.etag);
  });

  test('health is shown, in lists as well, and forgotten by a reset', async () => {
    const { admin, one, ask, note, health, stored, ...served } = await serveScope(place);
    await note(heldBack);
    const shown = await admin('GET', one);
    expect(shown.json.properties.health).toEqual(shownHeldBack);
    const all = await admin('GET', one.slice(0, one.lastIndexOf('/')));
    expect(all.json.value).toEqual([shown.json]);
    const ids = hastened(served);
    const reset = await ask('reset');
    expect([reset.status, reset.json.properties.health]).toEqual([200, { state: 'Healthy' }]);
    expect(reset.headers.etag).toBe(shown.headers.etag);
    expect(await health()).toBeUndefined();
    expect(new Set(ids)).toEqual(new Set([(await stored()).incarnation]));
    expect((await ask('reset')).status).toBe(200);
  });
});

test('a reset takes a subscription out of being disabled, and leaves a paused one paused', async () => {
  const { store, ask, stored } = await serveScope();
  const before = await stored();
  const status = { state: 'Disabled', reason: 'the endpoint answered 410 Gone', at: 1_000 } as const;
  await store.resources.put(subscriptionPath('orders', 'mail'), { ...before, status });
  for (const operation of ['pause', 'resume']) {
    const answer = await ask(operation);
    expect([operation, answer.status, answer.json.code]).toEqual([operation, 409, 'Conflict']);
  }
  expect((await ask('reset')).json.properties.status).toEqual({ state: 'Active' });
  await ask('pause');
  expect((await ask('reset')).json.properties.status.state).toBe('Paused');
});

test('what is not pushed, or not there, has none of it', async () => {
  const { admin, ask, one } = await serveScope();
  await admin('PUT', one, { deliveryConfiguration: { deliveryMode: 'Queue' } });
  expect((await admin('GET', one)).json.properties).not.toHaveProperty('health');
  for (const operation of ['pause', 'resume', 'reset']) {
    const answer = await ask(operation);
    expect([answer.status, answer.json.code]).toEqual([400, 'WrongDeliveryMode']);
  }
  await admin('DELETE', one);
  for (const operation of ['pause', 'resume', 'reset'])
    expect((await ask(operation)).json.code).toBe('SubscriptionNotFound');
});

test('one that is paused and then received from is active', async () => {
  const { admin, ask, one } = await serveScope();
  await ask('pause');
  const { json } = await admin('PUT', one, { deliveryConfiguration: { deliveryMode: 'Queue' } });
  expect(json.properties.status).toEqual({ state: 'Active' });
});

test('health is forgotten with the endpoint or the thresholds it is about, and with the subscription', async () => {
  const { admin, one, note, health } = await serveScope();
  const url = { ...hook.destination.properties, endpointUrl: 'https://example.com/other' };
  await note(heldBack);
  await admin('PUT', one, { ...hook, labels: ['x'] });
  expect(await health()).toMatchObject(heldBack);
  await admin('PUT', one, { destination: { ...hook.destination, properties: url } });
  expect(await health()).toBeUndefined();
  await note(heldBack);
  await admin('PUT', one, { ...hook, probation: { maxFailures: 0 } });
  expect(await health()).toBeUndefined();
  await note(heldBack);
  await admin('DELETE', one);
  expect(await health()).toBeUndefined();
  const again = await admin('PUT', one, hook);
  expect(again.json.properties.health).toEqual({ state: 'Healthy' });
});

test('what is shown can be written back, the URL added', async () => {
  const { admin, one, note, health } = await serveScope();
  const probation = { maxFailures: 3, maxProbeIntervalInSeconds: 30 };
  await admin('PUT', one, { ...hook, probation });
  await note(heldBack);
  const { json } = await admin('GET', one);
  expect(json.properties.probation).toEqual(probation);
  json.properties.destination = hook.destination;
  expect((await admin('PUT', one, json)).status).toBe(200);
  expect((await admin('GET', one)).json.properties).toMatchObject({ probation, health: shownHeldBack });
  expect(await health()).toMatchObject(heldBack);
});

test('many subscriptions with their health are listed page by page, each once', async () => {
  const { admin, store, registry } = await serve();
  await admin('PUT', '/topics/orders');
  // In the store's order the health of `mail` stands between `mail-b` and `mail0`.
  const names = Array.from({ length: 130 }, (_, i) => `mail${['', '-b', '0'][i % 3]}${i < 3 ? '' : `-${i}`}`);
  for (const name of names) {
    await admin('PUT', `/topics/orders/eventsubscriptions/${name}`, hook);
    const { incarnation } = registry.subscriptionAt('orders', name)!.subscription;
    const health: Health = { incarnation, state: 'Healthy', since: 0, failures: { Busy: 1 }, probes: 0 };
    await store.resources.put(healthPath('orders', name), health);
  }
  await registry.refresh();
  const found: string[] = [];
  let next = '/topics/orders/eventsubscriptions?$top=7';
  while (next) {
    const { json } = await admin('GET', next);
    for (const { name, properties } of json.value) {
      found.push(name);
      expect(properties.health.failures).toEqual({ Busy: 1 });
    }
    next = json.nextLink?.replace(/^https?:\/\/[^/]+/, '');
  }
  expect(found).toEqual([...names].sort());
});

describe('explain', () => {
  const asked = { event: eventOf() };

  test('names an endpoint that is held back, until when, and by what', async () => {
    const { admin, one, note } = await serveScope();
    await note(heldBack);
    const { json } = await admin('POST', `${one}:explain`, asked);
    expect(json.obstacles).toEqual([
      {
        kind: 'HeldBack',
        reason: expect.stringContaining('since 1970-01-01T00:00:01.000Z (ServerError 12, TimedOut 2)'),
        until: '1970-01-01T00:01:01.000Z',
      },
    ]);
    await note({ state: 'Recovering' });
    expect((await admin('POST', `${one}:explain`, asked)).json.obstacles).toEqual([]);
  });

  test('names an endpoint that asked to be left alone, as long as it is, and a reset ends it', async () => {
    const { admin, one, note, ask, health, ...served } = await serveScope();
    const now = Date.now();
    const retryAfter = { at: now, until: now + 60_000, status: 429 };
    const [at, until] = [retryAfter.at, retryAfter.until].map((ms) => new Date(ms).toISOString());
    await note({ retryAfter });
    const shown = (await admin('GET', one)).json.properties.health;
    expect(shown).toMatchObject({ state: 'Healthy', retryAfter: { at, until, status: 429 } });
    const { json } = await admin('POST', `${one}:explain`, asked);
    const reason = expect.stringContaining(`answered 429 with Retry-After at ${at}`);
    expect(json.obstacles).toEqual([{ kind: 'RetryAfter', reason, until }]);
    const ids = hastened(served);
    expect((await ask('resume')).json.properties.health).toEqual(shown);
    expect((await ask('reset')).json.properties.health).toEqual({ state: 'Healthy' });
    expect(await health()).toBeUndefined();
    expect(ids.length).toBeGreaterThan(0);
    await note({ retryAfter: { ...retryAfter, until: now } });
    expect((await admin('GET', one)).json.properties.health).not.toHaveProperty('retryAfter');
    expect((await admin('POST', `${one}:explain`, asked)).json.obstacles).toEqual([]);
  });

  test('names a pause', async () => {
    const { admin, one, ask } = await serveScope();
    await ask('pause');
    const { json } = await admin('POST', `${one}:explain`, asked);
    expect(json.obstacles).toEqual([
      { kind: 'Paused', reason: expect.stringMatching(/^paused since \d{4}-.*until :resume/) },
    ]);
  });
});

test.each([
  [{ maxFailures: -1 }, 'maxFailures', 'saw -1, expected a number from 0 to 1000'],
  [{ maxFailures: 1_001 }, 'maxFailures', 'saw 1001, expected a number from 0 to 1000'],
  [{ maxFailures: 1.5 }, 'maxFailures', /integer/],
  [{ maxProbeIntervalInSeconds: 4 }, 'maxProbeIntervalInSeconds', 'saw 4, expected a number from 5 to 3600'],
  [{ maxProbeIntervalInSeconds: 3_601 }, 'maxProbeIntervalInSeconds', /from 5 to 3600/],
  [{ enabled: false }, 'enabled', /it knows maxFailures, maxProbeIntervalInSeconds/],
] as const)('probation of %j is refused', async (probation, member, message) => {
  const { admin, one } = await serveScope();
  const { status, json } = await admin('PUT', one, { ...hook, probation });
  expect([status, json.code]).toEqual([400, 'InvalidResource']);
  const expected = typeof message === 'string' ? message : expect.stringMatching(message);
  expect(json.errors).toEqual([{ pointer: `/probation/${member}`, message: expected }]);
});

test.each([
  { maxFailures: 0 },
  { maxFailures: 1_000 },
  { maxProbeIntervalInSeconds: 5 },
  { maxProbeIntervalInSeconds: 3_600 },
])('probation of %j is taken', async (probation) => {
  const { admin, one } = await serveScope();
  expect((await admin('PUT', one, { ...hook, probation })).json.properties.probation).toEqual(probation);
});

test('probation is for events that are pushed', async () => {
  const { admin, one } = await serveScope();
  const body = { deliveryConfiguration: { deliveryMode: 'Queue' }, probation: { maxFailures: 3 } };
  const { json } = await admin('PUT', one, body);
  expect(json.errors).toEqual([{ pointer: '/probation', message: 'is for events that are pushed' }]);
});
