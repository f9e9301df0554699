/** CloudEvents' handshake (CloudEvents HTTP WebHook §4), with a real endpoint. */
import { describe, expect, test } from '@jest/globals';
import { agree, answer } from '@gridpost/model/testing';
import { path, serveAsking } from '../testing/asked.js';

const allowing = (origin: string, rate?: string) =>
  answer(200, {
    'webhook-allowed-origin': origin,
    ...(rate === undefined ? {} : { 'webhook-allowed-rate': rate }),
  });

test('the endpoint is asked with OPTIONS, at its exact address, before anything else', async () => {
  const { subscribe, endpoint, asked, reached, admin } = await serveAsking();
  endpoint.reply(agree);
  const created = await subscribe({ url: `${endpoint.url}/hook?code=secret` });
  expect([created.status, created.json.properties.provisioningState]).toEqual([201, 'Creating']);
  const request = await asked(1);
  expect(request).toMatchObject({ method: 'OPTIONS', path: '/hook?code=secret', body: '' });
  expect(request.headers).toMatchObject({
    'webhook-request-origin': 'events.example.com',
    'webhook-request-rate': '6000',
  });
  expect(request.headers['webhook-request-callback']).toMatch(
    /^https:\/\/events\.example\.com\/grid\/eventgrid\/validate\?subscription=topics%2Forders%2Feventsubscriptions%2Fbilling&id=[0-9a-f]{32}&token=[\w-]{43}$/,
  );
  await reached('Succeeded');
  const shown = (await admin('GET', path)).json.properties;
  expect(shown).toMatchObject({
    provisioningState: 'Succeeded',
    handshake: { kind: 'Options', allowedOrigin: 'events.example.com', allowedRate: '*' },
  });
  expect(endpoint.received).toHaveLength(1);
});

test.each([
  ['its origin', 'events.example.com'],
  ['every origin', '*'],
])('an endpoint that allows %s has agreed, at the rate that it says', async (_, origin) => {
  const { subscribe, endpoint, reached } = await serveAsking();
  endpoint.reply(allowing(origin, '120'));
  await subscribe();
  expect(await reached('Succeeded')).toMatchObject({ origin: 'events.example.com', allowedRate: 120 });
});

test.each(['0', '-1', '1.5', 'many', '1234567890'])('a rate of %s is no rate', async (rate) => {
  const { subscribe, endpoint, reached } = await serveAsking();
  endpoint.reply(allowing('*', rate));
  await subscribe();
  expect(await reached('Succeeded')).not.toHaveProperty('allowedRate');
});

test.each([
  'EVENTS.example.com',
  'example.com',
  'events.example.com.',
  'https://events.example.com',
  '*.example.com',
  'events.example.com, *',
  '',
])('an endpoint that allows %j has refused', async (origin) => {
  const { subscribe, endpoint, reached } = await serveAsking();
  endpoint.reply(allowing(origin));
  await subscribe();
  expect(await reached('Failed', 'Succeeded')).toMatchObject({
    state: 'Failed',
    reason: 'the endpoint allows another origin than events.example.com',
  });
});

test('an endpoint that allows twice has refused', async () => {
  const { subscribe, endpoint, reached } = await serveAsking();
  endpoint.reply((_, response) => {
    response.setHeader('webhook-allowed-origin', ['events.example.com', 'events.example.com']);
    response.end();
  });
  await subscribe();
  expect(await reached('Failed', 'Succeeded')).toMatchObject({ state: 'Failed' });
});

test.each([
  ['200', answer(200)],
  ['405', answer(405)],
  ['404 with the right origin', answer(404, { 'webhook-allowed-origin': '*' })],
  ['301', answer(301, { location: 'https://elsewhere.example.com/' })],
])('an endpoint that answers %s without consent may still call back', async (_, reply) => {
  const { subscribe, endpoint, reached, asked } = await serveAsking();
  endpoint.reply(reply);
  await subscribe();
  const { reason } = (await reached('AwaitingManualAction')) as { reason?: string };
  expect(reason).toMatch(/^the endpoint answered \d+ and did not allow the origin events\.example\.com$/);
  await asked(1);
  expect(endpoint.received).toHaveLength(1);
});

describe('a callback', () => {
  const callbackOf = (headers: Record<string, unknown>): string =>
    new URL(headers['webhook-request-callback'] as string).pathname.replace('/grid', '') +
    new URL(headers['webhook-request-callback'] as string).search;

  test.each(['GET', 'POST'])('by %s allows the origin, once', async (method) => {
    const { subscribe, reached, asked, call } = await serveAsking();
    await subscribe();
    const { headers } = await asked(1);
    await reached('AwaitingManualAction');
    const body = method === 'POST' ? { body: 'any text', headers: { 'content-type': 'text/plain' } } : {};
    const granted = await call(method, callbackOf(headers), {
      ...body,
      headers: { ...body.headers, 'webhook-allowed-rate': '30' },
    });
    expect([granted.status, granted.json]).toEqual([
      200,
      { subscription: '/topics/orders/eventsubscriptions/billing', validated: true },
    ]);
    expect(await reached('Succeeded')).toMatchObject({ origin: 'events.example.com', allowedRate: 30 });
    const again = await call(method, callbackOf(headers));
    expect([again.status, again.json.code]).toEqual([404, 'HandshakeNotFound']);
  });

  test('before the OPTIONS request is answered allows nothing', async () => {
    const { subscribe, reached, asked, call, endpoint } = await serveAsking();
    let owed: (() => void) | undefined;
    endpoint.reply((_, response) => {
      owed = () => response.end();
    });
    await subscribe();
    const { headers } = await asked(1);
    const early = await call('GET', callbackOf(headers));
    expect([early.status, early.json.code]).toEqual([409, 'Conflict']);
    owed!();
    await reached('AwaitingManualAction');
    expect((await call('GET', callbackOf(headers))).status).toBe(200);
    await reached('Succeeded');
  });

  test('by HEAD, which previews of links send, allows nothing', async () => {
    const { subscribe, reached, asked, call } = await serveAsking();
    await subscribe();
    const { headers } = await asked(1);
    await reached('AwaitingManualAction');
    expect((await call('HEAD', callbackOf(headers))).status).toBe(405);
    await reached('AwaitingManualAction');
  });

  test('with any part of its address changed allows nothing', async () => {
    const { subscribe, reached, asked, call, admin } = await serveAsking();
    await subscribe();
    const { headers } = await asked(1);
    await reached('AwaitingManualAction');
    const right = callbackOf(headers);
    const wrong = [
      '/eventgrid/validate',
      right.replace(/token=.*/, 'token='),
      right.replace(/token=./, (first) => (first === 'token=_' ? 'token=-' : 'token=_')),
      `${right}x`,
      right.replace('orders', 'parcels'),
      right.replace(/id=[0-9a-f]/, 'id=x'),
      `${right}&token=x`,
    ];
    for (const address of wrong) {
      const { status, json } = await call('GET', address);
      expect([address, status, json.code]).toEqual([address, 404, 'HandshakeNotFound']);
    }
    expect((await admin('GET', path)).json.properties.provisioningState).toBe('AwaitingManualAction');
  });

  test('ten minutes after the answer comes too late', async () => {
    const { subscribe, reached, asked, call, clock } = await serveAsking();
    await subscribe();
    const { headers } = await asked(1);
    await reached('AwaitingManualAction');
    await clock.advance(600_000);
    expect(await reached('Failed')).toMatchObject({
      reason:
        'nobody opened the validation address within 10 minutes; the endpoint answered 200 and did not allow the origin events.example.com',
    });
    expect((await call('GET', callbackOf(headers))).status).toBe(404);
  });

  test('just before that comes in time', async () => {
    const { subscribe, reached, asked, call, clock } = await serveAsking();
    await subscribe();
    const { headers } = await asked(1);
    await reached('AwaitingManualAction');
    await clock.advance(599_000);
    expect((await call('GET', callbackOf(headers))).status).toBe(200);
  });
});
