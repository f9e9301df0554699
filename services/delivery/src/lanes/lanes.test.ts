import { beforeEach, describe, expect, test } from '@jest/globals';
import { OAuthTokens, plainConnector } from '@gridpost/egress';
import { type Subscription, subscriptionPath, type Topic, topicPath } from '@gridpost/model';
import { FakeClock, seededRandom } from '@gridpost/model/testing';
import { Metrics } from '@gridpost/metrics';
import { Registry } from '@gridpost/registry';
import { MemoryStore } from '@gridpost/store';
import type { Batch } from '../attempts/batch.js';
import { Connections } from '../requests/connections.js';
import { HealthKeeper } from '../health/keeper.js';
import type { Lane } from './lane.js';
import { Lanes } from './lanes.js';
import { type Conclusion, type Holder, OpenDelivery } from '../attempts/open-delivery.js';
import { defaultSettings } from '../settings.js';
import { logInto, structured } from '../testing/rig.js';

const topic: Topic = {
  name: 'orders',
  incarnation: 'orders-1',
  properties: { inputSchema: 'CloudEventSchemaV1_0', disableLocalAuth: false, eventRetentionInDays: 0 },
  keys: { key1: 1, key2: 1 },
  createdAt: 0,
  updatedAt: 0,
};

function subscriptionNamed(name: string, port: number): Subscription {
  return {
    topic: topic.name,
    topicIncarnation: topic.incarnation,
    name,
    incarnation: `${name}-1`,
    properties: {
      destination: {
        endpointType: 'WebHook',
        properties: {
          endpointUrl: `http://127.0.0.1:${port}/`,
          contentMode: 'structured',
          attemptTimeoutInSeconds: 30,
        },
      },
      filter: {},
      retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
      labels: [],
      deadLettering: true,
    },
    status: { state: 'Active' },
    createdAt: 0,
    updatedAt: 0,
  };
}

const ignore = (): void => {};
const quiet = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const event = structured('e');
let clock: FakeClock;
let store: MemoryStore;
let registry: Registry;
let lanes: Lanes;
let started: OpenDelivery[];
let batches: Map<OpenDelivery, Batch>;
let concluded: Map<OpenDelivery, Conclusion>;
let saturated: boolean;
let rooms: number;

class Desk implements Holder {
  readonly partition = 0;
  ownedUntil = Number.POSITIVE_INFINITY;
  shedding = false;
  storeNow(elapsed: number): number {
    return elapsed;
  }
  conclude(delivery: OpenDelivery, conclusion: Conclusion): void {
    delivery.stage = 'concluded';
    concluded.set(delivery, conclusion);
  }
  began(): void {}
  ended(): void {}
}
let desk: Desk;

beforeEach(async () => {
  clock = new FakeClock();
  store = new MemoryStore({ clock });
  registry = new Registry(store, clock);
  started = [];
  batches = new Map();
  concluded = new Map();
  saturated = false;
  rooms = 0;
  desk = new Desk();
  await store.resources.put(topicPath(topic.name), topic);
  await registry.refresh();
});

/** Lanes of subscriptions a, b, c… with an owned partition of one. */
async function setup(names: string, settings: Partial<typeof defaultSettings> = {}): Promise<Lane[]> {
  for (const [i, name] of [...names].entries())
    await store.resources.put(subscriptionPath(topic.name, name), subscriptionNamed(name, 7001 + i));
  await registry.refresh();
  const connector = plainConnector(1_000);
  const connections = new Connections({ connectionsPerOrigin: 256, connector: () => connector });
  const metrics = new Metrics('test');
  lanes = new Lanes({
    worker: 'w1',
    store,
    log: quiet,
    settings: { ...defaultSettings, concurrency: 4, lineEventsMax: 8, ...settings },
    clock,
    registry,
    metrics,
    connections,
    random: seededRandom(1),
    keeper: new HealthKeeper({ store, registry, clock, log: logInto([]), metrics }),
    tokens: new OAuthTokens(clock, () => connector),
    load: (batch, delivery) => batch.add(delivery),
    start: (batch, now) => {
      batch.startedAt = now;
      for (const delivery of batch.deliveries) {
        delivery.stage = 'running';
        started.push(delivery);
        batches.set(delivery, batch);
      }
    },
    saturated: () => saturated,
    onResumed: () => {},
  });
  lanes.whenRoom(() => rooms++);
  lanes.setWorkers(['w1']);
  return [...names].map((name) => lanes.of(registry.subscription(`${name}-1`)!));
}

function fresh(lane: Lane): OpenDelivery {
  return new OpenDelivery(lane, { holder: desk, entry: '1', index: 0, event, acceptedAt: clock.now() });
}

function leased(lane: Lane): OpenDelivery {
  const origin = { holder: desk, entry: '1', index: 0, event, acceptedAt: clock.now() };
  const state = { attempts: 0, liveFrom: clock.now() };
  return new OpenDelivery(lane, origin, { token: 't', state, until: Number.POSITIVE_INFINITY });
}

/** Offers fresh deliveries until reading would have to wait; returns how many were taken. */
function offer(lane: Lane, count: number, lagMs = 0): number {
  for (let i = 0; i < count; i++) if (!lanes.offer(fresh(lane), clock.elapsed(), lagMs, false)) return i;
  return count;
}

function end(delivery: OpenDelivery): void {
  const batch = batches.get(delivery)!;
  for (const each of batch.deliveries) desk.conclude(each, { kind: 'finished' });
  delivery.lane.ended(batch, clock.elapsed());
}

const runningOf = (lane: Lane): OpenDelivery[] =>
  started.filter((delivery) => delivery.lane === lane && delivery.stage === 'running');
const deferredOf = (lane: Lane): OpenDelivery[] =>
  [...concluded].filter(([d, c]) => d.lane === lane && c.kind === 'deferred').map(([d]) => d);

/** The registry is confirmed again, as reads do, while time passes. */
async function pass(ms: number): Promise<void> {
  await clock.advance(ms);
  registry.confirm(registry.version, clock.elapsed());
  lanes.sweep(clock.elapsed());
}

describe('a lane', () => {
  test('runs as many attempts as its share, lines up as many as its line takes, and then makes reading wait', async () => {
    const [a] = (await setup('a')) as [Lane];
    expect(offer(a, 20)).toBe(4 + 8);
    expect(runningOf(a)).toHaveLength(4);
    expect(concluded.size).toBe(0);
  });

  test('starts what waits in order as attempts end, and lets reading go on at half a line', async () => {
    const [a] = (await setup('a')) as [Lane];
    offer(a, 20);
    const order = [...started];
    for (let i = 0; i < 3; i++) end(started[i]!);
    expect(started).toHaveLength(7);
    expect(started.slice(0, 4)).toEqual(order);
    expect(rooms).toBe(0);
    end(started[3]!);
    expect(rooms).toBe(1);
  });

  test('counts bytes as well as deliveries', async () => {
    const [a] = (await setup('a', { lineBytesMax: 2 * event.frame.length })) as [Lane];
    expect(offer(a, 20)).toBe(4 + 2);
  });

  test('has a part of the concurrency that follows the number of workers', async () => {
    const [a] = (await setup('a')) as [Lane];
    lanes.setWorkers(['w1', 'w2', 'w3', 'w4']);
    offer(a, 4);
    expect(runningOf(a)).toHaveLength(1);
    lanes.setWorkers(['w1', 'w2']);
    expect(runningOf(a)).toHaveLength(2);
    lanes.setWorkers(['w1']);
    expect(runningOf(a)).toHaveLength(4);
  });

  test('lets what was withdrawn go by', async () => {
    const [a] = (await setup('a')) as [Lane];
    offer(a, 4);
    const waiting = [fresh(a), fresh(a), fresh(a)];
    for (const delivery of waiting) lanes.offer(delivery, clock.elapsed(), 0, false);
    for (const delivery of waiting.slice(0, 2)) {
      a.withdraw(delivery);
      desk.conclude(delivery, { kind: 'finished' });
    }
    end(started[0]!);
    expect(started.at(-1)).toBe(waiting[2]);
  });

  test('gives half of its room to its queue while that holds more, and all of it where nothing else waits', async () => {
    const [a] = (await setup('a')) as [Lane];
    const backlog = { soon: (): void => {} };
    a.setBacklog(backlog, true);
    offer(a, 8);
    expect(runningOf(a).filter((delivery) => delivery.fresh)).toHaveLength(2);
    expect(a.leaseRoom).toBe(2);
    for (let i = 0; i < 2; i++) lanes.accept(leased(a), clock.elapsed());
    expect(runningOf(a).filter((delivery) => !delivery.fresh)).toHaveLength(2);
    expect(a.leaseRoom).toBe(0);
    a.setBacklog(backlog, false);
    end(runningOf(a).find((delivery) => !delivery.fresh)!);
    expect(runningOf(a).filter((delivery) => delivery.fresh)).toHaveLength(3);
  });

  test('lets leased deliveries have all the room that no fresh one wants', async () => {
    const [a] = (await setup('a')) as [Lane];
    for (let i = 0; i < 6; i++) lanes.accept(leased(a), clock.elapsed());
    expect(runningOf(a)).toHaveLength(4);
  });

  test('asks its queues for more when an attempt has ended', async () => {
    const [a] = (await setup('a')) as [Lane];
    let asked = 0;
    a.setBacklog({ soon: () => asked++ }, true);
    lanes.accept(leased(a), clock.elapsed());
    end(started[0]!);
    expect(asked).toBe(1);
  });
});

describe('a full lane', () => {
  test('makes reading wait while it moves on quickly, even for a hungry one', async () => {
    const [a, b] = (await setup('ab')) as [Lane, Lane];
    offer(b, 1);
    expect(offer(a, 20)).toBe(12);
  });

  test('defers what it cannot take when another is hungry and it does not move on', async () => {
    const [a, b] = (await setup('ab')) as [Lane, Lane];
    offer(a, 20);
    offer(b, 1);
    await pass(60);
    expect(offer(a, 5)).toBe(5);
    expect(deferredOf(a)).toHaveLength(5);
    expect([...concluded.values()][0]).toEqual({
      kind: 'deferred',
      dueInMs: 0,
      state: { attempts: 0, liveFrom: expect.any(Number) },
    });
  });

  test('makes reading wait when nobody is hungry: everybody has enough to do', async () => {
    const [a, b] = (await setup('ab')) as [Lane, Lane];
    offer(a, 20);
    offer(b, 20);
    await pass(60);
    expect(offer(a, 5)).toBe(0);
  });

  test('makes reading wait when the only other one has been quiet and reading keeps up', async () => {
    const [a, b] = (await setup('ab')) as [Lane, Lane];
    offer(b, 1);
    await pass(1_100);
    offer(a, 20);
    await pass(60);
    expect(offer(a, 5, 900)).toBe(0);
  });

  test('defers for quiet ones when reading lags and the process has time to spare', async () => {
    const [a] = (await setup('ab')) as [Lane, Lane];
    offer(a, 20);
    await pass(60);
    saturated = true;
    expect(offer(a, 5, 1_500)).toBe(0);
    saturated = false;
    expect(offer(a, 5, 1_500)).toBe(5);
  });

  test('does not defer for a quiet one that does not exist', async () => {
    const [a] = (await setup('a')) as [Lane];
    offer(a, 20);
    await pass(60);
    expect(offer(a, 5, 60_000)).toBe(0);
  });

  test('is one whose first in line has waited half a settle window', async () => {
    const [a] = (await setup('a')) as [Lane];
    expect(offer(a, 5)).toBe(5);
    await pass(490);
    expect(offer(a, 1)).toBe(1);
    await pass(20);
    expect(offer(a, 1)).toBe(0);
  });

  test('defers where its entry cannot wait any longer', async () => {
    const [a] = (await setup('a')) as [Lane];
    offer(a, 12);
    lanes.offer(fresh(a), clock.elapsed(), 0, true);
    expect(deferredOf(a)).toHaveLength(1);
  });
});

describe('a stalled lane', () => {
  test('defers everything new at once until an attempt ends', async () => {
    const [a] = (await setup('a')) as [Lane];
    offer(a, 4);
    await pass(1_000);
    expect(offer(a, 3)).toBe(3);
    expect(deferredOf(a)).toHaveLength(3);
    end(started[0]!);
    expect(offer(a, 1)).toBe(1);
    expect(started).toHaveLength(5);
  });

  test('releases the reading that it made wait', async () => {
    const [a] = (await setup('a')) as [Lane];
    offer(a, 20);
    await pass(1_000);
    expect(rooms).toBe(1);
  });

  test('is not hungry', async () => {
    const [a, b] = (await setup('ab')) as [Lane, Lane];
    offer(b, 1);
    await pass(900);
    offer(b, 1);
    await pass(200);
    expect(b.stalled).toBe(true);
    offer(a, 20);
    await pass(60);
    expect(offer(a, 5)).toBe(0);
  });
});

test('a partition that is to be handed over starts nothing that would take long', async () => {
  const [a, b] = (await setup('ab')) as [Lane, Lane];
  offer(a, 1);
  offer(b, 1);
  await pass(900);
  end(started[1]!);
  await pass(200);
  end(started[0]!);
  desk.shedding = true;
  offer(a, 1);
  offer(b, 1);
  expect(deferredOf(a)).toHaveLength(1);
  expect(runningOf(b)).toHaveLength(1);
});

describe('attempts', () => {
  test('do not start while the configuration is not known to be current, and start when it is again', async () => {
    const [a] = (await setup('a')) as [Lane];
    await clock.advance(2_001);
    offer(a, 3);
    expect(started).toHaveLength(0);
    registry.confirm(registry.version, clock.elapsed());
    lanes.reopen(clock.elapsed());
    expect(started).toHaveLength(3);
  });

  test('do not start in a partition whose ownership is not sure', async () => {
    const [a] = (await setup('a')) as [Lane];
    desk.ownedUntil = clock.elapsed() - 1;
    offer(a, 1);
    expect(started).toHaveLength(0);
    expect(deferredOf(a)).toHaveLength(1);
  });
});

test('a lane is made of the subscription as it is now, however long ago an event was matched', async () => {
  await setup('');
  const path = subscriptionPath(topic.name, 'a');
  await store.resources.put(path, subscriptionNamed('a', 7001));
  await registry.refresh();
  const matched = registry.subscription('a-1')!;
  await store.resources.put(path, subscriptionNamed('a', 7002));
  await registry.refresh();
  const { registered, target } = lanes.of(matched);
  expect(registered).toBe(registry.subscription('a-1'));
  expect(target.origin.url).toBe('http://127.0.0.1:7002');
});

describe('a crowd of subscriptions', () => {
  /** Each with four attempts of its own. */
  const crowd = String.fromCharCode(...Array.from({ length: 80 }, (_, at) => 0x4e00 + at));

  test('together starts 256 attempts at first, or the even share of each', async () => {
    const all = await setup(crowd);
    for (const lane of all) offer(lane, 20);
    // 64 have all four, and the others as many as are 256 among all by then.
    expect(started).toHaveLength(64 * 4 + 16 * 3);
    for (const attempt of started.slice(0, 256)) end(attempt);
    await Promise.resolve();
    const running = all.map((lane) => runningOf(lane).length);
    expect(running.reduce((sum, count) => sum + count)).toBe(256);
    expect([Math.min(...running), Math.max(...running)]).toEqual([3, 4]);
  });

  test('has no more leased than can be attempted before long', async () => {
    const all = await setup(crowd);
    saturated = true;
    for (let look = 0; look < 4; look++) await pass(100);
    while (lanes.leases) for (const lane of all) lanes.accept(leased(lane), clock.elapsed());
    expect(started).toHaveLength(64);
    // Rounds of eighty, over 32 for each attempt that may run.
    expect(lanes.leased).toBe(Math.ceil((32 * 64 + 64) / 80) * 80 - 64);
    // An even part of 32 for each attempt that may run, for each of eighty.
    expect(lanes.leasedPart).toBe(25);
    for (const lane of all) lane.setStop('paused');
    expect([lanes.leased, lanes.leasedPart]).toEqual([0, undefined]);
  });
});

describe('a subscription', () => {
  test('that is deleted: what waits is dropped, and what comes as well', async () => {
    const [a] = (await setup('a')) as [Lane];
    offer(a, 6);
    await store.resources.remove(subscriptionPath(topic.name, 'a'));
    await registry.refresh();
    expect([...concluded.values()]).toEqual([{ kind: 'finished' }, { kind: 'finished' }]);
    offer(a, 1);
    expect(concluded.size).toBe(3);
    expect(started).toHaveLength(4);
  });

  test('that is disabled: everything goes to its queue, which is parked, until it is enabled', async () => {
    const [a] = (await setup('a')) as [Lane];
    const subscription = subscriptionNamed('a', 7001);
    const disabled = { ...subscription, status: { state: 'Disabled' as const, reason: 'x', at: 0 } };
    offer(a, 5);
    await store.resources.put(subscriptionPath(topic.name, 'a'), disabled);
    await registry.refresh();
    offer(a, 1);
    lanes.accept(leased(a), clock.elapsed());
    expect([...concluded.values()]).toMatchObject([
      { kind: 'deferred', dueInMs: 0 },
      { kind: 'deferred', dueInMs: 0 },
      { kind: 'deferred', dueInMs: 0, state: { attempts: 0 } },
    ]);
    expect(a.parked).toBe(true);
    await store.resources.put(subscriptionPath(topic.name, 'a'), subscription);
    await registry.refresh();
    end(started[0]!);
    offer(a, 1);
    expect(started).toHaveLength(5);
  });

  test('that was deleted before its lane was made gets a lane that takes nothing', async () => {
    await setup('a');
    const registered = registry.subscription('a-1')!;
    lanes.close();
    await store.resources.remove(subscriptionPath(topic.name, 'a'));
    await registry.refresh();
    const late = lanes.of(registered);
    lanes.offer(fresh(late), clock.elapsed(), 0, false);
    expect(started).toHaveLength(0);
  });

  test('that is changed is delivered to its new endpoint', async () => {
    const [a] = (await setup('a')) as [Lane];
    await store.resources.put(subscriptionPath(topic.name, 'a'), subscriptionNamed('a', 7999));
    await registry.refresh();
    expect(a.target.origin.url).toBe('http://127.0.0.1:7999');
  });

  test('without work for a minute has no lane', async () => {
    const [a] = (await setup('a')) as [Lane];
    offer(a, 1);
    await pass(70_000);
    expect(lanes.find('a-1')).toBe(a);
    end(started[0]!);
    await pass(100);
    expect(lanes.find('a-1')).toBeUndefined();
    expect(lanes.hungry).toBe(0);
  });
});
