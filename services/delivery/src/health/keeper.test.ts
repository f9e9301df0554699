/** Whose health is written when more endpoints have something to be written than are written at once. */
import { expect, test } from '@jest/globals';
import { healthPath, subscriptionPath } from '@gridpost/model';
import { FakeClock, seededRandom } from '@gridpost/model/testing';
import { Metrics } from '@gridpost/metrics';
import { Registry } from '@gridpost/registry';
import { MemoryStore } from '@gridpost/store';
import { logInto } from '../testing/rig.js';
import { HealthKeeper } from './keeper.js';
import { Ward } from './ward.js';

test('endpoints that are probed all the time do not keep others from being written', async () => {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const registry = new Registry(store, clock);
  const keeper = new HealthKeeper({ store, registry, clock, log: logInto([]), metrics: new Metrics('test') });
  const names = Array.from({ length: 60 }, (_, at) => `s${at}`);
  const wards = names.map((name) => {
    const options = {
      id: `${name}-1`,
      clock,
      random: seededRandom(1),
      onChange: () => {},
      onReleased: () => {},
    };
    const policy = { failuresMax: 1, probeMsMax: 5_000 };
    return { name, ward: new Ward(options, { policy, timeoutMs: 1_000 }, undefined) };
  });
  for (const { name } of wards) await store.resources.put(subscriptionPath('orders', name), {});
  const look = (some: typeof wards): void => {
    for (const { name, ward } of some) keeper.tend(ward, { incarnation: `${name}-1`, topic: 'orders', name });
  };
  const writtenOf = async (): Promise<number> => {
    const found = await Promise.all(names.map((name) => store.resources.get(healthPath('orders', name))));
    return found.filter(Boolean).length;
  };
  const fail = (ward: Ward): void =>
    ward.failed(
      { fresh: true, startedAt: clock.elapsed() },
      { outcome: 'ServerError', status: 500, lastError: '' },
    );

  // As many as are written at once and a few more find their endpoints failing first.
  const early = wards.slice(0, 20);
  for (const { ward } of early) fail(ward);
  look(early);
  for (let turn = 0; (await writtenOf()) < early.length; turn++) expect(turn).toBeLessThan(100);
  await clock.advance(5_000);
  look(early);
  for (const { ward } of early) ward.admits(0, 64);
  for (const { ward } of wards.slice(20)) fail(ward);
  // They come first in each look, and always want something. One look must do for all the same.
  look(wards);
  for (let turn = 0; (await writtenOf()) < wards.length; turn++) expect(turn).toBeLessThan(100);
  expect(early.every(({ ward }) => ward.probing)).toBe(true);
  await keeper.close();
});
