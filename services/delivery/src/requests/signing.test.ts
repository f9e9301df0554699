import { describe, expect, test } from '@jest/globals';
import type { Signing } from '@gridpost/model';
import { answer, type Endpoint, type Received } from '@gridpost/model/testing';
import { Webhook } from 'standardwebhooks';
import { eachTest } from '../testing/fixture.js';
import { calm, type Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => ({ rig, endpoint } = fixture));

const secretOf = (filling: number): string => `whsec_${Buffer.alloc(32, filling).toString('base64')}`;
const [newer, older] = [secretOf(1), secretOf(2)];
const signing = (...secrets: string[]): Signing => ({
  scheme: 'v1',
  keys: secrets.map((secret, index) => ({
    secret,
    createdAt: 0,
    ...(index === 0 ? {} : { endsAt: rig.clock.now() + 60_000 }),
  })),
});

/** What was received, if the verifier takes it at the instant of its timestamp. */
function verified(secret: string, { headers, body }: Received): unknown {
  const now = Date.now;
  // The verifier compares with the clock of this machine, which is not that of the worker.
  Date.now = () => Number(headers['webhook-timestamp']) * 1_000;
  try {
    return new Webhook(secret).verify(body, headers as Record<string, string>);
  } finally {
    Date.now = now;
  }
}

describe('a signed delivery', () => {
  test('is verified, and keeps its id at the next attempt, which is signed anew', async () => {
    await rig.subscribe('hook', endpoint.url, { signing: signing(newer) });
    endpoint.reply(answer(500));
    await rig.work(calm);
    await rig.publish(['a']);
    await endpoint.until((received) => received.length === 1);
    endpoint.reply(answer(200));
    await rig.watched.until(async () => (await rig.logEntries()) === 0);
    await rig.clock.skip(12_000);
    await rig.settled();
    const [first, second] = endpoint.received;
    for (const each of [first!, second!]) expect(verified(newer, each)).toMatchObject({ id: 'a' });
    expect(() => verified(older, first!)).toThrow('No matching signature');
    const of = (name: string): unknown[] => [first, second].map((each) => each!.headers[name]);
    expect(new Set(of('webhook-id')).size).toBe(1);
    expect(new Set(of('webhook-timestamp')).size).toBe(2);
    expect(new Set(of('webhook-signature')).size).toBe(2);
  });

  test('in binary mode is signed as it was sent: its data alone', async () => {
    await rig.subscribe('hook', endpoint.url, { signing: signing(newer), contentMode: 'binary' });
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    const [received] = endpoint.received;
    expect(received!.headers['ce-id']).toBe('a');
    expect(verified(newer, received!)).toEqual({ id: 'a' });
  });

  test('has both signatures while a secret is being rotated, and one when the other has ended', async () => {
    await rig.subscribe('hook', endpoint.url, { signing: signing(newer, older) });
    await rig.work(calm);
    await rig.publish(['a']);
    await rig.settled();
    for (const secret of [newer, older])
      expect(verified(secret, endpoint.received[0]!)).toMatchObject({ id: 'a' });
    await rig.clock.skip(60_000);
    await rig.publish(['b']);
    await rig.settled();
    expect(verified(newer, endpoint.received[1]!)).toMatchObject({ id: 'b' });
    expect(() => verified(older, endpoint.received[1]!)).toThrow('No matching signature');
  });

  test('has another secret as soon as that is written', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url, { signing: signing(older) });
    const { registry } = await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    await rig.put({ ...subscription, properties: { ...subscription.properties, signing: signing(newer) } });
    await registry.refresh();
    await rig.publish(['b']);
    await rig.settled();
    expect(verified(older, endpoint.received[0]!)).toMatchObject({ id: 'a' });
    expect(verified(newer, endpoint.received[1]!)).toMatchObject({ id: 'b' });
  });

  test('of a batch has an id that the same deliveries have again, and others have not', async () => {
    await rig.subscribe('hook', endpoint.url, { signing: signing(newer), push: { maxEventsPerBatch: 10 } });
    endpoint.reply(answer(500));
    await rig.work(calm);
    await rig.publish(['a', 'b']);
    await endpoint.until((received) => received.length === 1);
    endpoint.reply(answer(200));
    await rig.watched.until(async () => (await rig.logEntries()) === 0);
    await rig.clock.skip(12_000);
    await rig.settled();
    await rig.publish(['c', 'd']);
    await rig.settled();
    await rig.publish(['e']);
    await rig.settled();
    const { received } = endpoint;
    expect(received.map((each) => verified(newer, each))).toMatchObject(
      [['a', 'b'], ['a', 'b'], ['c', 'd'], ['e']].map((ids) => ids.map((id) => ({ id }))),
    );
    const ids = received.map(({ headers }) => headers['webhook-id']);
    expect(ids[0]).toMatch(/^batch_[\da-f]{64}$/);
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(ids[3]).toMatch(/^msg_/);
  });
});

test('without signing there is no signature', async () => {
  await rig.subscribe('hook', endpoint.url);
  await rig.work();
  await rig.publish(['a']);
  await rig.settled();
  expect(Object.keys(endpoint.received[0]!.headers)).not.toContain('webhook-signature');
});
