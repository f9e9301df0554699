/** When endpoints are asked, how often, by whom, and what stands meanwhile. */
import type { ServerResponse } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { pendingOf, subscriptionPath } from '@gridpost/model';
import { agree, answer, FakeClock } from '@gridpost/model/testing';
import { MemoryStore } from '@gridpost/store';
import { path, serveAsking } from '../testing/asked.js';
import { serve } from '../testing/serve.js';

const silence = () => undefined;

describe('an endpoint that cannot answer', () => {
  test.each([
    ['500', answer(500), 'the endpoint answered 500'],
    ['429', answer(429), 'the endpoint answered 429'],
    ['408', answer(408), 'the endpoint answered 408'],
    [
      'with a cut connection',
      (_: unknown, response: { destroy(): void }) => response.destroy(),
      'no connection (UND_ERR_SOCKET)',
    ],
  ])('(%s) is asked again after 5 s', async (_, reply, reason) => {
    const { subscribe, endpoint, asked, stored, clock, reached } = await serveAsking();
    endpoint.reply(reply);
    await subscribe();
    await asked(1);
    await until(async () => pendingOf((await stored()).value)?.reason !== undefined);
    const { value } = await stored();
    expect(value.provisioning).toMatchObject({
      state: 'Creating',
      reason,
      handshake: { tries: 1, phase: 'waiting', until: clock.now() + 5_000 },
    });
    endpoint.reply(agree);
    await clock.advance(4_999);
    expect(endpoint.received).toHaveLength(1);
    await clock.advance(1_001);
    await reached('Succeeded');
    expect(endpoint.received).toHaveLength(2);
  });

  test('and says when it can is asked then', async () => {
    const { subscribe, endpoint, asked, stored, clock } = await serveAsking();
    endpoint.reply(answer(503, { 'retry-after': '90' }));
    await subscribe();
    await asked(1);
    await until(async () => pendingOf((await stored()).value)?.reason !== undefined);
    expect(pendingOf((await stored()).value)!.handshake.until).toBe(clock.now() + 90_000);
  });

  test('is given up after ten minutes, with the reason', async () => {
    const { subscribe, endpoint, asked, reached, clock, stored } = await serveAsking();
    endpoint.reply(answer(500));
    await subscribe();
    const pauses: number[] = [];
    for (let tries = 1; ; tries++) {
      await asked(tries);
      await until(async () => pendingOf((await stored()).value)?.handshake.phase !== 'trying');
      const pending = pendingOf((await stored()).value);
      if (!pending) break;
      const pauseMs = pending.handshake.until - clock.now();
      pauses.push(pauseMs);
      await clock.advance(pauseMs + 1_000);
    }
    // An answer comes in real time: before the clock's last second or after it.
    const whole = pauses.map((ms) => Math.ceil(ms / 5_000) * 5_000);
    expect(whole.slice(0, 6)).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
    expect(await reached('Failed')).toMatchObject({
      reason: 'no try succeeded within 10 minutes; the endpoint answered 500',
    });
    const count = endpoint.received.length;
    await clock.advance(3_600_000);
    expect(endpoint.received).toHaveLength(count);
  });

  test.each([
    ['with silence', silence],
    [
      'with a body that never ends',
      (_: unknown, response: ServerResponse) => void response.writeHead(200).write(' '),
    ],
    [
      'with 102 for ever',
      (_: unknown, response: ServerResponse) => {
        const ticking = setInterval(() => response.writeProcessing(), 5);
        response.on('close', () => clearInterval(ticking));
      },
    ],
  ])('in 30 s, but %s, is cut off', async (_, reply) => {
    const { subscribe, endpoint, asked, clock, stored } = await serveAsking();
    endpoint.reply(reply);
    await subscribe();
    await asked(1);
    await clock.advance(29_999);
    expect(endpoint.connections).toBe(1);
    await clock.advance(1);
    await endpoint.until(() => endpoint.connections === 0);
    await until(async () => pendingOf((await stored()).value)?.reason !== undefined);
    expect((await stored()).value.provisioning).toMatchObject({ reason: 'no answer within 30 s' });
  });

  test('because it does not exist is no secret kept in the reason', async () => {
    const { subscribe, stored } = await serveAsking();
    await subscribe({ url: 'http://127.0.0.1:1/hook?code=secret' });
    await until(async () => pendingOf((await stored()).value)?.reason !== undefined);
    expect((await stored()).value.provisioning).toMatchObject({ reason: 'no connection (ECONNREFUSED)' });
  });
});

describe('a write', () => {
  test('that changes nothing of the endpoint asks nobody', async () => {
    const { subscribe, endpoint, reached, stored, admin } = await serveAsking();
    endpoint.reply(agree);
    await subscribe();
    await reached('Succeeded');
    const before = (await stored()).value.provisioning;
    const again = await admin('PUT', path, {
      destination: {
        endpointType: 'WebHook',
        properties: { endpointUrl: endpoint.url, attemptTimeoutInSeconds: 5 },
      },
      labels: ['new'],
    });
    expect([again.status, again.json.properties.provisioningState]).toEqual([200, 'Succeeded']);
    expect((await stored()).value.provisioning).toEqual(before);
    expect(endpoint.received).toHaveLength(1);
  });

  test('of another address asks there, and by its delivery schema', async () => {
    const { subscribe, endpoint, reached, asked } = await serveAsking();
    endpoint.reply(agree);
    await subscribe();
    await reached('Succeeded');
    const moved = await subscribe({ url: `${endpoint.url}/moved` });
    expect(moved.json.properties.provisioningState).toBe('Updating');
    expect(await asked(2)).toMatchObject({ method: 'OPTIONS', path: '/moved' });
    await reached('Succeeded');
    const other = await subscribe({ url: `${endpoint.url}/moved`, schema: 'EventGridSchema' });
    expect(other.json.properties.provisioningState).toBe('Updating');
    expect(await asked(3)).toMatchObject({ method: 'POST', path: '/moved' });
    expect(await reached('Succeeded')).toMatchObject({ kind: 'ValidationEvent' });
  });

  test('while the endpoint is being asked keeps the handshake, its tries and its end', async () => {
    const { subscribe, endpoint, reached, asked, stored, call } = await serveAsking();
    endpoint.reply(answer(200));
    await subscribe();
    const { headers } = await asked(1);
    await reached('AwaitingManualAction');
    const before = (await stored()).value.provisioning;
    await subscribe();
    expect((await stored()).value.provisioning).toEqual(before);
    const { pathname, search } = new URL(headers['webhook-request-callback'] as string);
    expect((await call('GET', pathname.replace('/grid', '') + search)).status).toBe(200);
    await reached('Succeeded');
  });

  test('of something else while the endpoint answers does not lose the answer', async () => {
    const { subscribe, endpoint, reached, asked, admin } = await serveAsking();
    let owed: (() => void) | undefined;
    endpoint.reply((request, response) => {
      owed = () => agree(request, response);
    });
    await subscribe();
    await asked(1);
    await admin('PUT', path, {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: endpoint.url } },
      labels: ['new'],
    });
    owed!();
    await reached('Succeeded');
    expect((await admin('GET', path)).json.properties.labels).toEqual(['new']);
  });

  test('of another address while the old one answers makes that answer worth nothing', async () => {
    const { subscribe, endpoint, asked, admin } = await serveAsking();
    const owed: (() => void)[] = [];
    endpoint.reply((request, response) => {
      owed.push(() => agree(request, response));
    });
    await subscribe({ url: `${endpoint.url}/old` });
    await asked(1);
    await subscribe({ url: `${endpoint.url}/new` });
    expect((await asked(2)).path).toBe('/new');
    owed[0]!();
    await endpoint.until(() => endpoint.connections === 1);
    await admin('GET', '/topics/orders');
    expect((await admin('GET', path)).json.properties.provisioningState).toBe('Updating');
  });

  test('of what has failed asks again', async () => {
    const { subscribe, endpoint, reached } = await serveAsking();
    endpoint.reply(answer(200, { 'webhook-allowed-origin': 'example.org' }));
    await subscribe();
    await reached('Failed');
    endpoint.reply(agree);
    const again = await subscribe();
    expect(again.json.properties.provisioningState).toBe('Updating');
    await reached('Succeeded');
  });
});

describe('revalidate', () => {
  test('asks again, with an address of its own, and keeps events until the answer', async () => {
    const { subscribe, endpoint, reached, asked, admin, call } = await serveAsking();
    endpoint.reply(agree);
    await subscribe();
    await reached('Succeeded');
    const first = (await asked(1)).headers['webhook-request-callback'];
    endpoint.reply(answer(200));
    const begun = await admin('POST', `${path}:revalidate`);
    expect([begun.status, begun.json.properties.provisioningState]).toEqual([202, 'Updating']);
    const second = (await asked(2)).headers['webhook-request-callback'] as string;
    expect(second).not.toBe(first);
    await reached('AwaitingManualAction');
    const { pathname, search } = new URL(first as string);
    expect((await call('GET', pathname.replace('/grid', '') + search)).status).toBe(404);
  });

  test('of a subscription whose endpoint need not agree leaves it so', async () => {
    const { admin } = await serve();
    await admin('PUT', '/topics/orders');
    await admin('PUT', path, {
      destination: {
        endpointType: 'WebHook',
        properties: { endpointUrl: 'https://example.com/', validation: 'none' },
      },
    });
    const { status, json } = await admin('POST', `${path}:revalidate`);
    expect([status, json.properties.provisioningState]).toEqual([202, 'Succeeded']);
  });

  test('is refused where there is no endpoint, or no subscription', async () => {
    const { admin } = await serve();
    await admin('PUT', '/topics/orders');
    expect((await admin('POST', `${path}:revalidate`)).json.code).toBe('SubscriptionNotFound');
    await admin('PUT', path, { deliveryConfiguration: { deliveryMode: 'Queue' } });
    expect((await admin('POST', `${path}:revalidate`)).json.code).toBe('WrongDeliveryMode');
  });
});

describe('several gateways', () => {
  /** As one that several processes have open. */
  class SharedStore extends MemoryStore {
    override readonly supports = { sharing: true };
  }
  const shared = () => {
    const clock = new FakeClock();
    return { clock, store: new SharedStore({ clock }) };
  };

  test('ask an endpoint once between them', async () => {
    const { subscribe, endpoint, reached, stored, store, clock } = await serveAsking(shared());
    const other = await serve({ store, clock });
    await other.registry.refresh();
    endpoint.reply(answer(500));
    await subscribe();
    await until(async () => pendingOf((await stored()).value)?.reason !== undefined);
    endpoint.reply(agree);
    for (let second = 0; second < 10; second++) {
      await other.registry.refresh();
      await clock.advance(1_000);
    }
    await reached('Succeeded');
    expect(endpoint.received).toHaveLength(2);
  });

  test('go on with what another gave up as it ended', async () => {
    const { subscribe, endpoint, asked, gateway, store, clock } = await serveAsking(shared());
    endpoint.reply(silence);
    await subscribe();
    const first = await asked(1);
    await gateway.close();
    endpoint.reply(agree);
    const other = await serve({ store, clock, publicUrl: 'https://events.example.com/grid' });
    await other.registry.refresh();
    await clock.advance(1_000);
    const second = await asked(2);
    expect(second.headers['webhook-request-callback']).toBe(first.headers['webhook-request-callback']);
    await until(async () => {
      const { json } = await other.admin('GET', path);
      return json.properties.provisioningState === 'Succeeded';
    });
  });

  test('go on with what another died over, when its try must have ended', async () => {
    const { subscribe, endpoint, reached, stored, store, clock, registry } = await serveAsking(shared());
    endpoint.reply(agree);
    await subscribe();
    await reached('Succeeded');
    const { value } = await stored();
    const at = clock.now();
    const dead = { id: 'a'.repeat(32), kind: 'Options', tries: 1, phase: 'trying' } as const;
    await store.resources.put(subscriptionPath('orders', 'billing'), {
      ...value,
      provisioning: {
        state: 'Updating',
        handshake: { ...dead, until: at + 35_000, endsAt: at + 600_000 },
      },
    });
    await registry.refresh();
    await clock.advance(34_000);
    expect(endpoint.received).toHaveLength(1);
    await clock.advance(1_000);
    await reached('Succeeded');
    expect(endpoint.received).toHaveLength(2);
  });
});

test('one host is asked by at most four subscriptions at once, and all of them are', async () => {
  const { endpoint, admin, clock } = await serveAsking();
  const owed: (() => void)[] = [];
  endpoint.reply((request, response) => void owed.push(() => agree(request, response)));
  const paths = Array.from({ length: 7 }, (_, i) => `/topics/orders/eventsubscriptions/billing-${i}`);
  const destination = { endpointType: 'WebHook', properties: { endpointUrl: endpoint.url } };
  for (const each of paths) await admin('PUT', each, { destination });
  await endpoint.until((received) => received.length === 4);
  await clock.advance(2_000);
  expect(endpoint.received).toHaveLength(4);
  // They keep nobody else from being asked.
  const elsewhere = {
    ...destination,
    properties: { endpointUrl: endpoint.url.replace('127.0.0.1', 'localhost') },
  };
  await admin('PUT', path, { destination: elsewhere });
  await endpoint.until((received) => received.length === 5);
  for (const pay of owed.splice(0)) pay();
  await until(async () => {
    await clock.advance(1_000);
    return endpoint.received.length === 8;
  });
  for (const pay of owed.splice(0)) pay();
  for (const each of paths) {
    await until(async () => {
      const { json } = await admin('GET', each);
      return json.properties.provisioningState === 'Succeeded';
    });
  }
});

describe('who need not be asked', () => {
  const hook = (endpointUrl: string, validation?: 'none') => ({
    destination: { endpointType: 'WebHook', properties: { endpointUrl, ...(validation && { validation }) } },
  });

  test.each([
    ['http://127.0.0.1:9/', 'Succeeded'],
    ['http://127.1.2.3:9/', 'Succeeded'],
    ['http://2130706433:9/', 'Succeeded'],
    ['http://localhost:9/', 'Succeeded'],
    ['http://[::1]:9/', 'Succeeded'],
    ['http://127.0.0.1.example.com/', 'Creating'],
    ['http://localhost.example.com/', 'Creating'],
    ['http://[::ffff:127.0.0.1]:9/', 'Creating'],
  ])('without an admin key, on loopback: %s %s', async (url, state) => {
    const { admin } = await serve({ open: true });
    await admin('PUT', '/topics/orders');
    expect((await admin('PUT', path, hook(url))).json.properties.provisioningState).toBe(state);
  });

  test('with an admin key an endpoint on loopback is asked like any other', async () => {
    const { admin } = await serve();
    await admin('PUT', '/topics/orders');
    const { json } = await admin('PUT', path, hook('http://127.0.0.1:9/'));
    expect(json.properties.provisioningState).toBe('Creating');
  });

  test('one whose subscription asks for none, where the deployment allows it', async () => {
    const { admin } = await serve();
    await admin('PUT', '/topics/orders');
    const { json } = await admin('PUT', path, hook('https://example.com/', 'none'));
    expect(json.properties).toMatchObject({
      provisioningState: 'Succeeded',
      destination: { properties: { validation: 'none' } },
    });
    expect(json.properties).not.toHaveProperty('handshake');
    // Without the word it is asked.
    const asked = await admin('PUT', path, hook('https://example.com/'));
    expect(asked.json.properties.provisioningState).toBe('Updating');
  });

  test.each([undefined, false])('and nobody where it does not (%s): nothing is stored', async (allowed) => {
    const { admin } = await serve({ allowUnvalidatedEndpoints: allowed as false });
    await admin('PUT', '/topics/orders');
    const { status, json } = await admin('PUT', path, { properties: hook('https://example.com/', 'none') });
    expect([status, json.code, json.errors]).toEqual([
      400,
      'InvalidResource',
      [
        {
          pointer: '/properties/destination/properties/validation',
          message: 'saw "none", which this deployment does not allow (GRIDPOST_ALLOW_UNVALIDATED_ENDPOINTS)',
        },
      ],
    ]);
    expect((await admin('GET', path)).status).toBe(404);
  });

  test('what was written before endpoints were asked, until it is written again', async () => {
    const { subscribe, endpoint, reached, stored, store, admin, clock } = await serveAsking();
    endpoint.reply(agree);
    await subscribe();
    await reached('Succeeded');
    const { provisioning: _, ...old } = (await stored()).value;
    await store.resources.put(subscriptionPath('orders', 'billing'), old);
    expect((await admin('GET', path)).json.properties.provisioningState).toBe('Succeeded');
    await clock.advance(5_000);
    expect(endpoint.received).toHaveLength(1);
    expect((await subscribe()).json.properties.provisioningState).toBe('Updating');
  });
});

/** Looks again after each turn of the event loop. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}
