import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Event,
  frameEvent,
  type Health,
  healthPath,
  type Subscription,
  subscriptionPath,
  type Topic,
  topicPath,
} from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { changeLogMax, MemoryStore, type Store } from '@gridpost/store';
import { type ChangedSubscriptions, Registry } from './registry.js';

const topic = (name: string, incarnation: string): Topic => ({
  name,
  incarnation,
  properties: { inputSchema: 'CloudEventSchemaV1_0', disableLocalAuth: false, eventRetentionInDays: 0 },
  keys: { key1: 1, key2: 1 },
  createdAt: 0,
  updatedAt: 0,
});

const subscription = (
  topicName: string,
  topicIncarnation: string,
  name: string,
  type = 't',
): Subscription => ({
  topic: topicName,
  topicIncarnation,
  name,
  incarnation: `${topicIncarnation}-${name}`,
  properties: {
    destination: {
      endpointType: 'WebHook',
      properties: {
        endpointUrl: 'http://127.0.0.1:1/',
        contentMode: 'structured',
        attemptTimeoutInSeconds: 30,
      },
    },
    filter: { includedEventTypes: [type] },
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 },
    eventDeliverySchema: 'CloudEventSchemaV1_0',
    labels: [],
    deadLettering: true,
  },
  status: { state: 'Active' },
  createdAt: 0,
  updatedAt: 0,
});

function event(type: string, source = '/'): Event {
  return frameEvent({
    form: 'binary',
    attributes: Object.entries({ specversion: '1.0', id: '1', source, type }).map(([name, value]) => ({
      name,
      value,
    })),
    dataKind: 'none',
    dataAt: 0,
    dataLength: 0,
    body: Buffer.alloc(0),
  });
}

let store: Store;
let clock: FakeClock;
let registry: Registry;
beforeEach(() => {
  clock = new FakeClock();
  store = new MemoryStore();
  registry = new Registry(store, clock);
});

const put = (document: Topic | Subscription) =>
  store.resources.put(
    'topic' in document ? subscriptionPath(document.topic, document.name) : topicPath(document.name),
    document,
  );
const wanting = (type: string): string[] =>
  [...registry.topics()]
    .flatMap(({ index }) => index.match(event(type)).map((s) => s.subscription.name))
    .sort();

test('a refresh brings topics and subscriptions, and later only what changed', async () => {
  await put(topic('orders', 'a'));
  await put(subscription('orders', 'a', 'one'));
  await registry.refresh();
  expect(registry.topic('orders')?.topic.incarnation).toBe('a');
  expect(registry.subscription('a-one')?.subscription.name).toBe('one');
  expect(wanting('t')).toEqual(['one']);
  await put(subscription('orders', 'a', 'two'));
  await put(subscription('orders', 'a', 'one', 'other'));
  await registry.refresh();
  expect(wanting('t')).toEqual(['two']);
  expect(wanting('other')).toEqual(['one']);
  await store.resources.remove(subscriptionPath('orders', 'two'));
  await registry.refresh();
  expect(wanting('t')).toEqual([]);
  expect(registry.subscription('a-two')).toBeUndefined();
});

test('removing a topic takes its subscriptions along', async () => {
  await put(topic('orders', 'a'));
  await put(subscription('orders', 'a', 'one'));
  await registry.refresh();
  await store.resources.remove(topicPath('orders'));
  await registry.refresh();
  expect(registry.topic('orders')).toBeUndefined();
  expect(registry.topicById('a')).toBeUndefined();
  expect(registry.subscription('a-one')).toBeUndefined();
});

test('a topic made again under its name inherits no subscription, even if both changes come in one refresh', async () => {
  await put(topic('orders', 'a'));
  await put(subscription('orders', 'a', 'one'));
  await registry.refresh();
  await store.resources.remove(topicPath('orders'));
  await put(topic('orders', 'b'));
  await registry.refresh();
  expect(registry.topic('orders')?.topic.incarnation).toBe('b');
  expect(wanting('t')).toEqual([]);
  expect(registry.subscription('a-one')).toBeUndefined();
  expect(registry.topicById('a')).toBeUndefined();
});

test('after a gap in the change log, what is not there any more is gone', async () => {
  await put(topic('orders', 'a'));
  await put(subscription('orders', 'a', 'one'));
  await put(topic('audit', 'c'));
  await registry.refresh();
  await store.resources.remove(subscriptionPath('orders', 'one'));
  await store.resources.remove(topicPath('audit'));
  const changes = store.resources.changes.bind(store.resources);
  store.resources.changes = async () => ({ ...(await changes(0)), complete: false });
  await registry.refresh();
  expect(registry.topic('audit')).toBeUndefined();
  expect(wanting('t')).toEqual([]);
  expect([...registry.topics()].map((t) => t.topic.name)).toEqual(['orders']);
});

describe('currency', () => {
  test('is confirmed by a refresh as of its beginning, and by a version read elsewhere', async () => {
    expect(registry.confirmedAt).toBe(Number.NEGATIVE_INFINITY);
    await put(topic('orders', 'a'));
    const began = clock.elapsed();
    await registry.refresh();
    expect(registry.confirmedAt).toBe(began);
    await clock.advance(500);
    expect(registry.confirm(registry.version, clock.elapsed())).toBe(true);
    expect(registry.confirmedAt).toBe(clock.elapsed());
    expect(registry.confirm(registry.version + 1, clock.elapsed() + 1)).toBe(false);
    expect(registry.confirmedAt).toBe(clock.elapsed());
  });

  test('a call during a fetch gets one that began after it', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const changes = store.resources.changes.bind(store.resources);
    let fetches = 0;
    store.resources.changes = async (version) => {
      fetches++;
      const result = await changes(version);
      if (fetches === 1) await gate;
      return result;
    };
    const first = registry.refresh();
    await put(topic('orders', 'a'));
    const second = registry.refresh();
    const third = registry.refresh();
    release();
    await first;
    expect(registry.topic('orders')).toBeUndefined();
    await Promise.all([second, third]);
    expect(registry.topic('orders')).toBeDefined();
    expect(fetches).toBe(2);
  });

  test('a failed fetch leaves the copy as it was and the next one works', async () => {
    await put(topic('orders', 'a'));
    await registry.refresh();
    const { changes } = store.resources;
    store.resources.changes = () => Promise.reject(new Error('gone'));
    await expect(registry.refresh()).rejects.toThrow('gone');
    expect(registry.topic('orders')).toBeDefined();
    store.resources.changes = changes;
    await put(topic('audit', 'b'));
    await registry.refresh();
    expect(registry.topic('audit')).toBeDefined();
  });
});

test('watchers hear of changes, not of refreshes that found none', async () => {
  let heard = 0;
  const stop = registry.onChange(() => heard++);
  await put(topic('orders', 'a'));
  await registry.refresh();
  await registry.refresh();
  expect(heard).toBe(1);
  stop();
  await put(topic('audit', 'b'));
  await registry.refresh();
  expect(heard).toBe(1);
});

test('watchers hear which subscriptions changed, unless it may be all of them', async () => {
  const heard: ChangedSubscriptions[] = [];
  registry.onChange((changed) => heard.push(changed));
  await put(topic('orders', 'a'));
  await registry.refresh();
  const path = subscriptionPath('orders', 's');
  await store.resources.put(path, subscription('orders', 'a', 's'));
  await registry.refresh();
  await store.resources.put(healthPath('orders', 's'), { incarnation: 'a-s' });
  await registry.refresh();
  // Made anew under the same name.
  await store.resources.put(path, { ...subscription('orders', 'a', 's'), incarnation: 'other' });
  await registry.refresh();
  await store.resources.remove(path);
  await registry.refresh();
  const of = (...ids: string[]) => new Set(ids);
  expect(heard).toEqual([undefined, of('a-s'), of('a-s'), of('a-s', 'other'), of('other')]);
});

describe('a domain', () => {
  const domain: Topic = {
    ...topic('domains/shop', 'd'),
    domain: { autoCreateTopicWithFirstSubscription: true, autoDeleteTopicWithLastSubscription: true },
  };
  const putDomainTopic = (name: string) =>
    store.resources.put(`domains/shop/topics/${name}`, { name, createdAt: 0, updatedAt: 0 });
  const wantingFrom = (source: string): string[] =>
    registry
      .topic('domains/shop')!
      .index.match(event('t', source))
      .map((found) => found.subscription.name)
      .sort();

  beforeEach(async () => {
    await put(domain);
    await put(subscription('domains/shop', 'd', 'all'));
    for (const name of ['eu', 'us']) {
      await putDomainTopic(name);
      await put(subscription(`domains/shop/topics/${name}`, 'd', `in-${name}`));
    }
    await registry.refresh();
  });

  test('gives a topic’s subscriptions the events that name it, and its own everything', () => {
    expect(wantingFrom('eu')).toEqual(['all', 'in-eu']);
    expect(wantingFrom('/domains/shop/topics/us')).toEqual(['all', 'in-us']);
    expect(wantingFrom('/eu')).toEqual(['all']);
    expect(registry.subscriptionAt('domains/shop/topics/eu', 'in-eu')?.subscription.name).toBe('in-eu');
    expect([...registry.topic('domains/shop')!.domainTopics.keys()]).toEqual(['eu', 'us']);
  });

  test('loses a topic with its subscriptions, and nothing else', async () => {
    await store.resources.remove('domains/shop/topics/eu');
    await registry.refresh();
    expect(wantingFrom('eu')).toEqual(['all']);
    expect(wantingFrom('us')).toEqual(['all', 'in-us']);
    expect(registry.subscription('d-in-eu')).toBeUndefined();
    expect([...registry.topic('domains/shop')!.domainTopics.keys()]).toEqual(['us']);
  });

  test('takes everything along when it goes', async () => {
    await store.resources.remove('domains/shop');
    await registry.refresh();
    expect(registry.topic('domains/shop')).toBeUndefined();
    for (const id of ['d-all', 'd-in-eu', 'd-in-us']) expect(registry.subscription(id)).toBeUndefined();
  });

  test('is no topic of the same name', async () => {
    await put(topic('shop', 's'));
    await put(subscription('shop', 's', 'alone'));
    await registry.refresh();
    expect(wantingFrom('x')).toEqual(['all']);
    expect(registry.topic('shop')?.subscriptions.size).toBe(1);
    expect(registry.topic('domains/shop')?.subscriptions.size).toBe(3);
  });
});

describe('health', () => {
  const path = healthPath('orders', 'mail');
  const health = (incarnation: string): Health => ({
    incarnation,
    state: 'Probation',
    since: 1,
    failures: { TimedOut: 1 },
    probes: 0,
    nextProbeAt: 2,
  });
  const other = subscription('orders', 'o1', 'other');

  async function noted(): Promise<Subscription> {
    await put(topic('orders', 'o1'));
    const mail = subscription('orders', 'o1', 'mail');
    await put(mail);
    await store.resources.put(path, health(mail.incarnation));
    await registry.refresh();
    return mail;
  }

  test('is that of its subscription, also when that is written again', async () => {
    const mail = await noted();
    expect(registry.healthOf(mail.incarnation)?.health).toEqual(health(mail.incarnation));
    await put(other);
    await put({ ...mail, updatedAt: 5 });
    await registry.refresh();
    expect(registry.healthOf(mail.incarnation)?.health.state).toBe('Probation');
    expect(registry.healthOf(other.incarnation)).toBeUndefined();
  });

  test('changes nothing about what a subscription is known as', async () => {
    const mail = await noted();
    const before = registry.subscription(mail.incarnation);
    await store.resources.put(path, { ...health(mail.incarnation), state: 'Healthy' });
    await registry.refresh();
    expect(registry.subscription(mail.incarnation)).toBe(before);
    expect(registry.healthOf(mail.incarnation)?.health.state).toBe('Healthy');
  });

  test("is gone when it was removed, alone or with its subscription, and is not another life's", async () => {
    const mail = await noted();
    await store.resources.remove(path);
    await registry.refresh();
    expect(registry.healthOf(mail.incarnation)).toBeUndefined();
    await store.resources.put(path, health(mail.incarnation));
    await registry.refresh();
    await store.resources.remove(subscriptionPath('orders', 'mail'));
    await put({ ...mail, incarnation: 'another' });
    await registry.refresh();
    expect(registry.healthOf('another')).toBeUndefined();
    expect(registry.healthOf(mail.incarnation)).toBeUndefined();
  });

  test('is gone also where a gap hid its removal', async () => {
    const mail = await noted();
    await store.resources.remove(path);
    for (let i = 0; i < 1_100; i++) await put({ ...other, updatedAt: i });
    const before = registry.subscription(mail.incarnation);
    await registry.refresh();
    expect(registry.healthOf(mail.incarnation)).toBeUndefined();
    // What came again as it was is what it was.
    expect(registry.subscription(mail.incarnation)).toBe(before);
    expect(registry.subscription(other.incarnation)?.subscription.updatedAt).toBe(1_099);
  });
});

test('keys of the management API come, change and go like topics', async () => {
  const key = (role: string) => ({
    name: 'dashboard',
    role,
    digests: { key1: '', key2: '' },
    createdAt: 0,
    updatedAt: 0,
  });
  const roles = (): string[] => [...registry.keys()].map((found) => found.key.role);
  await store.resources.put('keys/dashboard', key('reader'));
  await registry.refresh();
  expect(roles()).toEqual(['reader']);
  await store.resources.put('keys/dashboard', key('admin'));
  await registry.refresh();
  expect(registry.key('dashboard')?.key.role).toBe('admin');
  expect(registry.key('dashboar')).toBeUndefined();
  await store.resources.remove('keys/dashboard');
  await registry.refresh();
  expect(roles()).toEqual([]);
  // After more changes than the change log holds, what is gone is noticed as well.
  await store.resources.put('keys/dashboard', key('reader'));
  await registry.refresh();
  await store.resources.remove('keys/dashboard');
  for (let change = 0; change < changeLogMax; change++) await store.resources.put('other', change);
  await registry.refresh();
  expect(roles()).toEqual([]);
});
