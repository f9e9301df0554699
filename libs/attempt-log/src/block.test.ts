import { describe, expect, test } from '@jest/globals';
import {
  attemptOutcomes,
  type Direction,
  deadLetterReasons,
  directed,
  dropReasons,
  frameEvent,
} from '@gridpost/model';
import fc from 'fast-check';
import {
  type AttemptRecord,
  asRecorded,
  BlockWriter,
  type Ending,
  hasPlacesOnly,
  mayName,
  type RecordedAttempt,
  readBlock,
  textMax,
} from './index.js';

const eventOf = (id: string, source: string) =>
  frameEvent({
    form: 'binary',
    attributes: [
      { name: 'id', value: id },
      { name: 'source', value: source },
    ],
    dataKind: 'none',
    dataAt: 0,
    dataLength: 0,
    body: Buffer.alloc(0),
  });

function add(writer: BlockWriter, record: AttemptRecord): void {
  const { event, subscription, at, ending, attempt, job, copy } = record;
  const plain = event && eventOf(event.id, event.source);
  const sent = plain && copy ? directed(plain, { only: subscription.incarnation, ...copy }) : plain;
  writer.add(record, sent, subscription, at, ending, attempt, job);
}

const instant = fc.integer({ min: 0, max: 2 ** 47 });
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const few = (...texts: string[]) => fc.constantFrom(...texts);
const subscription = fc.record({
  topicIncarnation: few('t'.repeat(16), 'u'.repeat(16)),
  incarnation: few(...'abcdef').map((letter) => letter.repeat(16)),
  topic: few('orders', 'domains/shop/topics/orders'),
  name: few('billing', 'mail'),
});
const ending: fc.Arbitrary<Ending> = fc.oneof(
  fc.constant({ kind: 'delivered' } as const),
  fc.record({ kind: fc.constant('deferred' as const), until: instant, reason: few('failed', 'busy') }),
  fc.record(
    { kind: fc.constant('leased' as const), until: instant, reason: few('lockExpired') },
    { requiredKeys: ['kind', 'until'] },
  ),
  fc.record({ kind: fc.constant('deadLettered' as const), reason: fc.constantFrom(...deadLetterReasons) }),
  fc.record({
    kind: fc.constant('dropped' as const),
    reason: fc.constantFrom(...dropReasons, 'Purged' as const),
  }),
  fc.record(
    {
      kind: fc.constant('sentOn' as const),
      reason: fc.constantFrom('redriven' as const, 'resent' as const),
      target: few('mail', 'billing'),
    },
    { requiredKeys: ['kind', 'reason'] },
  ),
);
const attempt: fc.Arbitrary<RecordedAttempt> = fc.record(
  {
    number: fc.integer({ min: 1, max: 30 }),
    durationMs: fc.integer({ min: 0, max: 2 ** 40 }),
    outcome: fc.constantFrom(...attemptOutcomes, 'Acknowledged' as const),
    status: fc.integer({ min: 200, max: 599 }),
    error: text,
  },
  { requiredKeys: ['number', 'durationMs', 'outcome'] },
);
const entry = fc.oneof(few('1f', '1f0', '1764438476123-0'), fc.stringMatching(/^[0-9a-f-]{1,32}$/));
const index = fc.integer({ min: 0, max: 127 });
const copy: fc.Arbitrary<Omit<Direction, 'only'>> = fc.record(
  {
    cause: fc.constantFrom('replayed' as const, 'redriven' as const, 'resent' as const),
    job: few('job-1', 'job-2'),
    original: fc.record({ entry, index, acceptedAt: instant }),
  },
  { requiredKeys: ['cause'] },
);

const record: fc.Arbitrary<AttemptRecord> = fc.record(
  {
    at: instant,
    entry,
    index,
    acceptedAt: instant,
    subscription,
    job: few('job-1', 'job-3'),
    copy,
    event: fc.record({ id: text, source: few('/shop', '/stock', '') }),
    attempt,
    ending,
  },
  { requiredKeys: ['at', 'entry', 'index', 'acceptedAt', 'subscription', 'ending'] },
);
/** What one attempt carried: the same of all, but for index and id; perhaps an event of another source or a copy among them. */
const alike = fc
  .tuple(
    record,
    fc.array(
      fc.record({
        index: fc.integer({ min: 0, max: 127 }),
        event: fc.record({ id: text, source: few('/shop', '/stock') }),
        original: fc.boolean(),
      }),
      { maxLength: 5 },
    ),
  )
  .map(([first, others]): AttemptRecord[] => {
    const { copy: _copy, job: _job, ...plain } = first;
    const next = first.event ? others : [];
    return [first, ...next.map(({ original, ...own }) => ({ ...(original ? plain : first), ...own }))];
  });
/** A name and a topic stand for their incarnation, as they do outside. */
const records = fc.array(alike, { maxLength: 30 }).map((groups) => {
  const list = groups.flat();
  const lives = new Map(list.map((one) => [one.subscription.incarnation, one.subscription]));
  return list.map(({ copy, ...one }) => ({
    ...one,
    subscription: lives.get(one.subscription.incarnation)!,
    // That it is a copy is told by the event itself.
    ...(one.event && copy ? { copy } : {}),
  }));
});

describe('a block', () => {
  test('gives back what was added, in its order, and the next one as well', () => {
    fc.assert(
      fc.property(fc.array(records, { minLength: 1, maxLength: 4 }), (blocks) => {
        const writer = new BlockWriter();
        for (const list of blocks) {
          for (const one of list) add(writer, one);
          expect(writer.count).toBe(list.length);
          const block = writer.take();
          if (list.length === 0) {
            expect(block).toBeUndefined();
            continue;
          }
          expect(readBlock(block!)).toEqual(list);
          for (const {
            event,
            subscription: { incarnation },
          } of list) {
            expect(mayName(block!, incarnation)).toBe(true);
            if (event) expect(mayName(block!, event.id)).toBe(true);
          }
          expect(hasPlacesOnly(block!)).toBe(list.some(({ event }) => !event));
        }
      }),
    );
  });

  test('has what all events of an attempt have in common once', () => {
    const { copy: _copy, job: _job, ...plain } = sample;
    const batch = (count: number): number => {
      const writer = new BlockWriter();
      for (let index = 0; index < count; index++) add(writer, { ...plain, index, event: event(index) });
      const block = writer.take()!;
      expect(readBlock(block).map((one) => one.event)).toEqual(
        Array.from({ length: count }, (_, i) => event(i)),
      );
      return block.length;
    };
    const event = (index: number) => ({ id: `id-${index}`, source: '/shop' });
    // What is written again is one byte of head, one of index, and the id with its length.
    expect(batch(10) - batch(1)).toBe(9 * (1 + 1 + 1 + 'id-0'.length));
  });

  const [sample] = fc.sample(record, { numRuns: 1, seed: 1 }) as [AttemptRecord];

  test.each([
    ['a', textMax],
    ['é', textMax],
    ['😀', textMax / 2],
    ['\ud800', textMax],
  ])('keeps texts of %j up to the bound, and cuts one character more', (letter, most) => {
    for (const [count, cut] of [
      [most, false],
      [most + 1, true],
    ] as const) {
      const id = letter.repeat(count);
      const writer = new BlockWriter();
      add(writer, { ...sample, event: { id, source: id } });
      const block = writer.take()!;
      const [{ event }] = readBlock(block) as [AttemptRecord];
      expect(event).toEqual({ id: asRecorded(id), source: asRecorded(id) });
      expect(mayName(block, asRecorded(id))).toBe(true);
      if (letter !== '\ud800') expect(event!.id === id).toBe(!cut);
    }
  });

  test('is full in time for what the largest records take', () => {
    const writer = new BlockWriter();
    const large = '€'.repeat(textMax + 1);
    let count = 0;
    while (!writer.full) {
      const name = `${count++}${large}`;
      const life = { topicIncarnation: name, incarnation: name, topic: name, name };
      writer.add(
        sample,
        eventOf(name, name),
        life,
        sample.at,
        { kind: 'dropped', reason: 'DeadLetteringOff' },
        {
          number: 1,
          durationMs: 1,
          outcome: 'Busy',
          error: name,
        },
      );
    }
    expect(readBlock(writer.take()!)).toHaveLength(count);
  });

  test('of another version is refused', () => {
    const writer = new BlockWriter();
    add(writer, sample);
    const block = writer.take()!;
    block[0] = 1;
    expect(() => readBlock(block)).toThrow('unknown version 1');
  });
});
