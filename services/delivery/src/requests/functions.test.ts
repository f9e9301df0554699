/** Functions of Azure Functions as endpoints: how they are called, and what their host's answers mean. */
import { describe, expect, test } from '@jest/globals';
import type { FunctionApp, FunctionDestination, Subscription } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import type { Disposition, SettleBatch } from '@gridpost/store';
import { eachTest } from '../testing/fixture.js';
import { calm, type Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});

const pushed = { contentMode: 'structured', attemptTimeoutInSeconds: 30, maxEventsPerBatch: 1 } as const;
const resourceId = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/Shop/functions/orders';

async function subscribe(address: object): Promise<Subscription> {
  const properties = { ...pushed, ...address } as FunctionDestination['properties'];
  const { properties: before, ...subscription } = await rig.subscribe('hook', endpoint.url);
  const written: Subscription = {
    ...subscription,
    properties: { ...before, destination: { endpointType: 'AzureFunction', properties }, queue: undefined },
  };
  await rig.put(written);
  return written;
}

const byAddress = () => ({ endpointUrl: `${endpoint.url}/base/`, functionName: 'my orders', key: 'the-key' });
const apps = (app: FunctionApp) => ({ functionApps: new Map([['shop', app]]) });

/** What becomes of the delivery of one event. */
async function attempted(settings: Parameters<Rig['work']>[0] = {}): Promise<Disposition> {
  await rig.work({ ...calm, ...settings });
  await rig.publish(['a']);
  const deferrals = () =>
    rig.watched
      .named('settle')
      .flatMap(({ args }) => (args[2] as SettleBatch).entries.flatMap((entry) => entry.deferrals));
  await rig.watched.until(() => deferrals().length > 0);
  return deferrals()[0]!.disposition;
}

test('its webhook is called, with the key as a header', async () => {
  await subscribe(byAddress());
  await rig.work();
  await rig.publish(['a']);
  await rig.settled();
  expect(endpoint.received).toMatchObject([
    {
      path: '/base/runtime/webhooks/eventgrid?functionName=my%20orders',
      headers: { 'x-functions-key': 'the-key', 'aeg-event-type': 'Notification' },
    },
  ]);
});

test('one named by its id is called where the deployment knows its app, with that key or with none', async () => {
  await subscribe({ resourceId });
  await rig.work(apps({ url: endpoint.url, key: 'the-key' }));
  await rig.publish(['a']);
  await rig.settled();
  expect(endpoint.received).toMatchObject([
    {
      path: '/runtime/webhooks/eventgrid?functionName=orders',
      headers: { 'x-functions-key': 'the-key' },
    },
  ]);
});

test('one whose app the deployment does not know is not called', async () => {
  await subscribe({ resourceId });
  const disposition = await attempted();
  expect(disposition).toMatchObject({
    kind: 'deferred',
    state: {
      attempts: 1,
      lastOutcome: 'InvalidAzureFunctionDestination',
      lastError: 'the function app is not among those of this deployment',
    },
  });
  expect((disposition as { dueInMs: number }).dueInMs).toBeGreaterThanOrEqual(600_000);
  expect(endpoint.received).toEqual([]);
});

describe('an answer', () => {
  test.each([
    [404, 'InvalidAzureFunctionDestination', 600_000],
    [401, 'Unauthorized', 300_000],
    [500, 'ServerError', 10_000],
  ])('of %i is %s, tried again', async (status, lastOutcome, leastMs) => {
    await subscribe(byAddress());
    endpoint.reply(answer(status));
    const disposition = await attempted();
    expect(disposition).toMatchObject({ kind: 'deferred', state: { lastOutcome, lastStatus: status } });
    const { dueInMs } = disposition as { dueInMs: number };
    expect(dueInMs).toBeGreaterThanOrEqual(leastMs);
    expect(dueInMs).toBeLessThan(leastMs * 1.3);
  });

  test.each([
    [400, 'UndeliverableDueToBadRequest'],
    [403, 'UndeliverableDueToForbidden'],
    [413, 'UndeliverableDueToPayloadTooLarge'],
  ])('of %i is final', async (status, reason) => {
    await subscribe(byAddress());
    endpoint.reply(answer(status));
    expect(await attempted()).toMatchObject({ kind: 'deadLettered', reason });
  });

  test('that repeats the key does not bring it into the log or what is kept', async () => {
    await subscribe(byAddress());
    endpoint.reply(answer(500, {}, 'x-functions-key: the-key, the-key'));
    expect(await attempted()).toMatchObject({ state: { lastError: 'x-functions-key: ***, ***' } });
    expect(JSON.stringify(rig.workers[0]!.lines)).not.toContain('the-key');
  });
});
