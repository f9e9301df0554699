/** Subscriptions that allow fewer attempts at once than there are workers. */
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { answer, Endpoint } from '@gridpost/model/testing';
import { Rig, type Running } from '../testing/rig.js';

const partitions = 8;
let rig: Rig;
let endpoint: Endpoint;
let owed: ServerResponse[];
/** The most that the endpoint was asked at once. */
let most: number;
beforeEach(async () => {
  rig = await new Rig({ partitions }).prepare();
  endpoint = await new Endpoint().listen();
  owed = [];
  most = 0;
  endpoint.reply((_, response) => {
    owed.push(response);
    most = Math.max(most, owed.length);
  });
});
afterEach(async () => {
  const left = await rig.close();
  await endpoint.until(() => endpoint.connections === 0);
  await endpoint.close();
  expect(left).toBe(0);
});

const ownedBy = ({ metrics }: Running): number => metrics.partitionsOwned.with().value;

async function workers(count: number): Promise<readonly Running[]> {
  for (let i = 0; i < count; i++) await rig.work();
  await rig.watched.until(() => rig.workers.every((each) => ownedBy(each) === partitions / count));
  return rig.workers;
}

function pay(): void {
  for (const response of owed.splice(0)) answer(200)(undefined as never, response);
}

/** Has the endpoint answer what it is asked until it has been asked so often, and time run fast. */
async function answerUntil(count: number): Promise<void> {
  while (endpoint.received.length < count) {
    await rig.clock.skip(50);
    await new Promise((resolve) => setImmediate(resolve));
    pay();
  }
  pay();
}

test.each([1, 2, 3])(
  '%i permits go round among four workers, so that every partition flows',
  async (limit) => {
    await rig.subscribe('hook', endpoint.url, { push: { maxConcurrency: limit } });
    const all = await workers(4);
    for (let partition = 0; partition < partitions; partition++) await rig.publish(rig.ids(5), { partition });
    await answerUntil(5 * partitions);
    await rig.settled();
    expect(most).toBe(limit);
    expect(new Set(endpoint.ids()).size).toBe(5 * partitions);
    for (const { metrics } of all)
      expect(metrics.deliveryAttempts.with('orders', 'hook', 'success').value).toBe((5 * partitions) / 4);
  },
);

test('where there are as many as workers nobody asks for any', async () => {
  await rig.subscribe('hook', endpoint.url, { push: { maxConcurrency: 2 } });
  await workers(2);
  for (let partition = 0; partition < partitions; partition++) await rig.publish(rig.ids(2), { partition });
  await answerUntil(2 * partitions);
  await rig.settled();
  expect(most).toBe(2);
  expect(rig.watched.named('permits')).toHaveLength(0);
});

test('a permit that cannot be renewed is not used any longer, and the events wait', async () => {
  await rig.subscribe('hook', endpoint.url, { push: { maxConcurrency: 1 } });
  await workers(2);
  await rig.publish(rig.ids(1), { partition: 0 });
  await answerUntil(1);
  await rig.settled();
  rig.watched.fails = (name) => (name === 'permits' ? 'before' : undefined);
  await rig.clock.skip(6_000);
  for (let partition = 0; partition < partitions; partition++) await rig.publish(rig.ids(1), { partition });
  await rig.clock.skip(2_000);
  expect(endpoint.received).toHaveLength(1);
  rig.watched.fails = () => undefined;
  await answerUntil(1 + partitions);
  await rig.settled();
  expect(most).toBe(1);
});
