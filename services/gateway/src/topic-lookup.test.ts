import { expect, test } from '@jest/globals';
import { FakeClock } from '@gridpost/model/testing';
import { Registry } from '@gridpost/registry';
import { MemoryStore } from '@gridpost/store';
import { TopicLookup } from './topic-lookup.js';

function setup() {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const changes = store.resources.changes.bind(store.resources);
  let looks = 0;
  store.resources.changes = (version) => {
    looks++;
    return changes(version);
  };
  const lookup = new TopicLookup(new Registry(store, clock), clock);
  return { clock, store, lookup, looks: () => looks };
}

const topic = { incarnation: '0123456789abcdef' };

test('a miss looks into the store at once', async () => {
  const { store, lookup, looks } = setup();
  await store.resources.put('topics/orders', topic);
  expect(lookup.known('orders')).toBeUndefined();
  expect((await lookup.seek('orders'))?.topic).toEqual(topic);
  expect(lookup.known('orders')?.topic).toEqual(topic);
  expect(looks()).toBe(1);
});

test('a flood of misses costs one look per 100 ms, and each still sees what was made before it', async () => {
  const { clock, store, lookup, looks } = setup();
  await lookup.seek('first');
  const flood = Array.from({ length: 1_000 }, (_, i) => lookup.seek(`name-${i}`));
  await store.resources.put('topics/orders', topic);
  const late = lookup.seek('orders');
  await clock.advance(99);
  expect(looks()).toBe(1);
  await clock.advance(1);
  expect(await Promise.all(flood)).toEqual(Array(1_000).fill(undefined));
  expect((await late)?.topic).toEqual(topic);
  expect(looks()).toBe(2);
  expect(clock.pending).toBe(0);
});

test('a store that fails fails those who asked, not those who ask later', async () => {
  const { clock, store, lookup } = setup();
  const { changes } = store.resources;
  store.resources.changes = () => Promise.reject(new Error('away'));
  await expect(lookup.seek('orders')).rejects.toThrow('away');
  const waiting = lookup.seek('orders');
  const failed = expect(waiting).rejects.toThrow('away');
  await clock.advance(100);
  await failed;
  store.resources.changes = changes;
  await clock.advance(100);
  expect(await lookup.seek('orders')).toBeUndefined();
});
