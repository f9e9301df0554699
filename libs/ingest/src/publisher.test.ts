import { expect, test } from '@jest/globals';
import { Event, frameEvent, GridpostError, type Topic } from '@gridpost/model';
import type { AppendOptions, AppendResult, PendingEvent, Store } from '@gridpost/store';
import { identityOf } from './identity.js';
import { Publisher } from './publisher.js';

function event(id: string, partitionkey?: string): Event {
  const attributes = {
    specversion: '1.0',
    id,
    source: '/s',
    type: 't',
    ...(partitionkey ? { partitionkey } : {}),
  };
  return frameEvent({
    form: 'binary',
    attributes: Object.entries(attributes).map(([name, value]) => ({ name, value })),
    dataKind: 'none',
    dataAt: 0,
    dataLength: 0,
    body: Buffer.alloc(0),
  });
}

function topicWith(eventRetentionInDays: number, incarnation = 'orders0000000000'): Topic {
  return {
    name: 'orders',
    incarnation,
    properties: { inputSchema: 'CloudEventSchemaV1_0', disableLocalAuth: false, eventRetentionInDays },
    keys: { key1: 1, key2: 1 },
    createdAt: 0,
    updatedAt: 0,
  };
}
const topic = topicWith(0);

function detecting(windowInMinutes: number, incarnation = 'unique0000000000'): Topic {
  const { properties, ...rest } = topicWith(0, incarnation);
  return { ...rest, properties: { ...properties, duplicateDetection: { windowInMinutes } } };
}

interface Append {
  readonly partition: number;
  readonly ids: string[];
  readonly identities: (string | undefined)[];
  readonly options: AppendOptions | undefined;
  succeed(version?: number, sifted?: Omit<AppendResult, 'version'>): void;
  fail(error: unknown): void;
}

/** A log whose appends end when the test says so: what is looked at here is what goes into one append, and when. */
function setup({ partitions = 4, waitingBytesMax = 1_000_000 } = {}) {
  const appends: Append[] = [];
  const store = {
    info: { kind: 'held', place: '', partitions, durability: 'memory' },
    append(partition: number, events: readonly PendingEvent[], options?: AppendOptions) {
      return new Promise<AppendResult>((resolve, reject) => {
        appends.push({
          partition,
          ids: events.map(({ frame }) => new Event(frame).id),
          identities: events.map(({ identity }) => identity?.toString('hex')),
          options,
          succeed: (version = 1, sifted = {}) => resolve({ version, ...sifted }),
          fail: reject,
        });
      });
    },
  } as unknown as Store;
  const versions: number[] = [];
  const forgotten: [topic: string, count: number][] = [];
  const publisher = new Publisher({
    store,
    onVersion: (version) => versions.push(version),
    onForgotten: (...which) => forgotten.push(which),
    waitingBytesMax,
  });
  return { appends, publisher, versions, forgotten };
}

/** Lets what was scheduled for the end of this turn, and the promises behind it, happen. */
const turn = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'accepted',
    (error: GridpostError) => error.code,
  );

test('requests of one turn share an append, and all are answered by it', async () => {
  const { appends, publisher, versions } = setup();
  const answers = ['a', 'b', 'c'].map((id) => outcome(publisher.publish(topic, [event(id)])));
  await turn();
  expect(appends.map(({ ids }) => ids)).toEqual([['a', 'b', 'c']]);
  appends[0]!.succeed(7);
  expect(await Promise.all(answers)).toEqual(['accepted', 'accepted', 'accepted']);
  expect(versions).toEqual([7]);
});

test('what arrives during an append goes into the next one, on the next partition', async () => {
  const { appends, publisher } = setup();
  const first = outcome(publisher.publish(topic, [event('a')]));
  await turn();
  const second = outcome(publisher.publish(topic, [event('b')]));
  const third = outcome(publisher.publish(topic, [event('c')]));
  await turn();
  expect(appends).toHaveLength(1);
  appends[0]!.succeed();
  expect(await first).toBe('accepted');
  await turn();
  expect(appends[1]!.ids).toEqual(['b', 'c']);
  expect(appends[1]!.partition).toBe((appends[0]!.partition + 1) % 4);
  appends[1]!.succeed();
  expect(await Promise.all([second, third])).toEqual(['accepted', 'accepted']);
});

test('events that all carry one partition key always go to the same partition, apart from the others', async () => {
  const { appends, publisher } = setup({ partitions: 64 });
  const answers: Promise<string>[] = [];
  for (let round = 0; round < 3; round++) {
    answers.push(outcome(publisher.publish(topic, [event(`k${round}`, 'customer-7')])));
    answers.push(outcome(publisher.publish(topic, [event(`m${round}`, 'customer-7'), event(`n${round}`)])));
  }
  for (let done = 0; ; done++) {
    await turn();
    if (appends.length === done) break;
    appends[done]!.succeed();
  }
  const keyed = appends.filter(({ ids }) => ids.some((id) => id.startsWith('k')));
  expect(new Set(keyed.map(({ partition }) => partition)).size).toBe(1);
  expect(await Promise.all(answers)).toEqual(new Array(6).fill('accepted'));
});

test('only topics that keep a history are named as retained', async () => {
  const { appends, publisher } = setup();
  const answers = [
    outcome(publisher.publish(topic, [event('a')])),
    outcome(publisher.publish(topicWith(1, 'audit00000000000'), [event('b')])),
  ];
  await turn();
  expect(appends[0]!.options).toEqual({ retained: new Set(['audit00000000000']) });
  appends[0]!.succeed();
  await Promise.all(answers);
});

test('a topic with duplicate detection has one partition, whatever keys its events carry, and identities', async () => {
  const { appends, publisher } = setup({ partitions: 64 });
  const unique = detecting(10);
  const answers = ['a', 'b', 'a'].map((id, at) =>
    publisher.publish(unique, [event(id, at ? `key ${at}` : undefined)]),
  );
  await turn();
  const again = publisher.publish(unique, [event('a', 'another')]);
  appends[0]!.succeed();
  await turn();
  appends[1]!.succeed();
  await Promise.all([...answers, again]);
  expect(appends[1]!.partition).toBe(appends[0]!.partition);
  const [a, b] = appends[0]!.identities;
  expect(appends[0]!.identities).toEqual([a, b, a]);
  expect(appends[1]!.identities).toEqual([a]);
  expect(a).toMatch(/^[0-9a-f]{32}$/);
  expect(appends[0]!.options).toEqual({
    unique: new Map([[unique.incarnation, { windowMs: 600_000, identitiesMax: 1_000_000 }]]),
  });
});

test('topics with and without duplicate detection do not share an append', async () => {
  const { appends, publisher } = setup({ partitions: 1 });
  const unique = detecting(10);
  const topics = [topic, unique, topic, unique];
  const answers = topics.map((each, at) => publisher.publish(each, [event(`${at}`)]));
  await turn();
  appends[0]!.succeed();
  await turn();
  appends[1]!.succeed();
  await Promise.all(answers);
  expect(appends.map(({ ids }) => ids)).toEqual([
    ['0', '2'],
    ['1', '3'],
  ]);
  expect(appends[0]!.options).toEqual({});
  expect(appends[0]!.identities).toEqual([undefined, undefined]);
});

test('identities tell topics, sources and ids apart, and where one ends and the next begins', () => {
  const of = (source: string, id: string, topicId = 'unique0000000000') =>
    identityOf(topicId, { source, id } as Event).toString('hex');
  const all = [
    of('/s', '1'),
    of('/s', '1', 'other00000000000'),
    of('/s1', ''),
    of('/', 's1'),
    of('/s/1', '2'),
    of('/s', '/12'),
    of('/ś', '1'),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(of('/s', '1')).toBe(all[0]);
});

test('each request of a flush is told of its own duplicates, and whoever counts of what was forgotten', async () => {
  const { appends, publisher, forgotten } = setup({ partitions: 1 });
  const unique = detecting(1);
  const answers = [['a', 'b'], ['c'], ['d', 'e', 'f'], ['g']].map((ids) =>
    publisher.publish(
      unique,
      ids.map((id) => event(id)),
    ),
  );
  await turn();
  appends[0]!.succeed(1, { duplicates: [0, 3, 4, 5], forgotten: new Map([[unique.incarnation, 7]]) });
  expect((await Promise.all(answers)).map(({ duplicates }) => duplicates)).toEqual([1, 0, 3, 0]);
  expect(forgotten).toEqual([[unique.incarnation, 7]]);
});

test('a failed append takes those that waited behind it along: they were not sent', async () => {
  const { appends, publisher } = setup();
  const sent = outcome(publisher.publish(topic, [event('a')]));
  await turn();
  const waiting = outcome(publisher.publish(topic, [event('b')]));
  appends[0]!.fail(new GridpostError('OutcomeUnknown', 'no answer'));
  expect(await sent).toBe('OutcomeUnknown');
  expect(await waiting).toBe('StoreUnavailable');
  const later = outcome(publisher.publish(topic, [event('c')]));
  await turn();
  appends[1]!.succeed();
  expect(await later).toBe('accepted');
});

test('a full store refuses those that waited with the same reason', async () => {
  const { appends, publisher } = setup();
  const sent = outcome(publisher.publish(topic, [event('a')]));
  await turn();
  const waiting = outcome(publisher.publish(topic, [event('b')]));
  appends[0]!.fail(new GridpostError('StoreFull', 'full'));
  expect(await Promise.all([sent, waiting])).toEqual(['StoreFull', 'StoreFull']);
});

test('one append takes at most 5,000 events, but a request is never split', async () => {
  const { appends, publisher } = setup({ partitions: 1, waitingBytesMax: 10_000_000 });
  const many = (prefix: string, count: number): Event[] =>
    Array.from({ length: count }, (_, i) => event(`${prefix}${i}`));
  const answers = [many('a', 3_000), many('b', 2_000), many('c', 1)].map((events) =>
    outcome(publisher.publish(topic, events)),
  );
  await turn();
  expect(appends[0]!.ids).toHaveLength(5_000);
  appends[0]!.succeed();
  await turn();
  expect(appends[1]!.ids).toEqual(['c0']);
  appends[1]!.succeed();
  expect(await Promise.all(answers)).toEqual(['accepted', 'accepted', 'accepted']);
});

test('what may wait is bounded in bytes', async () => {
  const size = event('a').frame.length;
  const { appends, publisher } = setup({ waitingBytesMax: size * 2 });
  const answers = ['a', 'b', 'c'].map((id) => outcome(publisher.publish(topic, [event(id)])));
  expect(await answers[2]).toBe('StoreUnavailable');
  await turn();
  appends[0]!.succeed();
  expect(await Promise.all(answers.slice(0, 2))).toEqual(['accepted', 'accepted']);
});

test('nothing to publish is accepted without touching the store', async () => {
  const { appends, publisher } = setup();
  await publisher.publish(topic, []);
  await publisher.drained();
  expect(appends).toEqual([]);
});

test('drained waits for what is under way', async () => {
  const { appends, publisher } = setup();
  const answer = outcome(publisher.publish(topic, [event('a')]));
  let drained = false;
  const draining = publisher.drained().then(() => {
    drained = true;
  });
  await turn();
  expect(drained).toBe(false);
  appends[0]!.succeed();
  await Promise.all([answer, draining]);
  expect(drained).toBe(true);
});
