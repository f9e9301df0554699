/** Event Grid's handshake ("Endpoint validation with Event Grid events"), with a real endpoint. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { agree } from '@gridpost/model/testing';
import { type Asked, path, serveAsking } from '../testing/asked.js';

const schemas = ['EventGridSchema', 'CustomInputSchema'] as const;
const schema = 'EventGridSchema';

test.each(schemas)('an endpoint of %s is sent one event with a code, and returns it', async (schema) => {
  const { subscribe, endpoint, asked, reached, admin, clock } = await serveAsking();
  endpoint.reply(agree);
  const created = await subscribe({ url: `${endpoint.url}/hook?code=secret`, schema });
  expect(created.json.properties.provisioningState).toBe('Creating');
  const { method, path: called, headers, body } = await asked(1);
  expect([method, called]).toEqual(['POST', '/hook?code=secret']);
  expect(headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'aeg-event-type': 'SubscriptionValidation',
    'aeg-subscription-name': 'billing',
    'aeg-delivery-count': '0',
    'aeg-metadata-version': '1',
    'aeg-data-version': '2',
  });
  const [event, ...others] = JSON.parse(body);
  expect(others).toEqual([]);
  expect(event).toEqual({
    id: headers['aeg-output-event-id'],
    topic: '/topics/orders',
    subject: '',
    eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    eventTime: new Date(clock.now()).toISOString(),
    metadataVersion: '1',
    dataVersion: '2',
    data: {
      validationCode: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      validationUrl: expect.stringContaining('https://events.example.com/grid/eventgrid/validate?'),
    },
  });
  await reached('Succeeded');
  const shown = (await admin('GET', path)).json.properties;
  expect(shown).toMatchObject({ provisioningState: 'Succeeded', handshake: { kind: 'ValidationEvent' } });
  expect(shown.handshake).not.toHaveProperty('allowedOrigin');
});

test('neither the code nor the address is in the store, the views, the log or the metrics', async () => {
  const { subscribe, asked, reached, admin, store, lines, call } = await serveAsking();
  await subscribe({ schema });
  const { validationCode, validationUrl } = JSON.parse((await asked(1)).body)[0].data;
  await reached('AwaitingManualAction');
  const token = new URL(validationUrl).searchParams.get('token')!;
  const places = [
    JSON.stringify((await store.resources.changes(0)).documents),
    (await admin('GET', path)).text,
    (await call('GET', '/metrics')).text,
    lines.join(),
  ];
  for (const place of places) {
    expect(place).not.toContain(validationCode);
    expect(place).not.toContain(token);
  }
});

describe('an answer', () => {
  const returning =
    (text: (code: string) => string, status = 200): Parameters<Asked['endpoint']['reply']>[0] =>
    ({ body }, response) => {
      response.writeHead(status);
      response.end(text(JSON.parse(body)[0].data.validationCode));
    };
  const right = (code: string): string => JSON.stringify({ validationResponse: code });

  test.each([201, 202, 204, 301, 400, 401, 403, 404, 410])(
    'of %i is a refusal, code or not',
    async (status) => {
      const { subscribe, endpoint, reached } = await serveAsking();
      endpoint.reply(returning(right, status));
      await subscribe({ schema });
      expect(await reached('Failed', 'Succeeded')).toEqual({
        state: 'Failed',
        at: expect.any(Number),
        reason: `the endpoint answered ${status}, expected 200`,
      });
    },
  );

  test.each([
    ['another code', () => right('0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f')],
    ['part of the code', (code: string) => right(code.slice(0, -1))],
    ['no code at all in its place', () => right('')],
  ])('with %s is a refusal', async (_, text) => {
    const { subscribe, endpoint, reached } = await serveAsking();
    endpoint.reply(returning(text));
    await subscribe({ schema });
    expect(await reached('Failed', 'Succeeded')).toMatchObject({
      state: 'Failed',
      reason: 'the endpoint returned another validation code than it was sent',
    });
  });

  test.each([
    ['nothing', () => ''],
    ['text', () => 'OK'],
    ['the bare code', (code: string) => code],
    ['an array', (code: string) => `[${right(code)}]`],
    ['another member', (code: string) => JSON.stringify({ ValidationCode: code })],
    ['a number', () => '{"validationResponse":7}'],
    ['more than is read', (code: string) => ' '.repeat(70_000) + right(code)],
  ])('of 200 with %s leaves it to whoever opens the address', async (_, text) => {
    const { subscribe, endpoint, reached, asked, call } = await serveAsking();
    endpoint.reply(returning(text));
    await subscribe({ schema });
    expect(await reached('AwaitingManualAction', 'Failed', 'Succeeded')).toMatchObject({
      state: 'AwaitingManualAction',
      reason: 'the endpoint answered 200 without the validation code',
    });
    const { validationUrl } = JSON.parse((await asked(1)).body)[0].data;
    const { pathname, search } = new URL(validationUrl);
    expect((await call('GET', pathname.replace('/grid', '') + search)).status).toBe(200);
    expect(await reached('Succeeded')).not.toHaveProperty('origin');
  });

  test('that is compressed is not decompressed: none was asked for', async () => {
    const { subscribe, endpoint, reached, asked } = await serveAsking();
    endpoint.reply(({ body }, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.end(gzipSync(right(JSON.parse(body)[0].data.validationCode)));
    });
    await subscribe({ schema });
    expect(await reached('AwaitingManualAction', 'Failed', 'Succeeded')).toMatchObject({
      state: 'AwaitingManualAction',
    });
    expect((await asked(1)).headers).not.toHaveProperty('accept-encoding');
  });

  test('may come after the endpoint itself has opened the address', async () => {
    const { subscribe, endpoint, reached, call } = await serveAsking();
    endpoint.reply(({ body }, response) => {
      const { pathname, search } = new URL(JSON.parse(body)[0].data.validationUrl);
      void call('GET', pathname.replace('/grid', '') + search).then(({ status }) => {
        response.writeHead(status === 200 ? 202 : 500);
        response.end();
      });
    });
    await subscribe({ schema });
    expect(await reached('Failed', 'Succeeded')).toMatchObject({ state: 'Succeeded' });
  });
});
