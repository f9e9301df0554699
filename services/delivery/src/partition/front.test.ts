/** What stands at the front of the log while its owner goes on reading and settling beside the question. */
import { expect, test } from '@jest/globals';
import type { EntryId } from '@gridpost/model';
import { MemoryStore } from '@gridpost/store';
import { frontIsOdd } from './front.js';

/** A log of entries a and b, up to a read and settled where `meanwhile` says so, just before the second question. */
async function odd(meanwhile: {
  readonly settled?: boolean;
  readonly held?: boolean;
  readonly fetched?: boolean;
}): Promise<boolean> {
  const store = new MemoryStore({});
  const { epoch } = (await store.claim(0, 'w1', 60_000, 0))!;
  for (const text of ['a', 'b']) await store.append(0, [{ topic: 't', frame: Buffer.from(text) }]);
  const { entries } = await store.read(0, epoch, undefined, { entriesMax: 2, bytesMax: 100 });
  const [{ id: a, acceptedAt }] = entries as [(typeof entries)[0]];
  let after: EntryId | undefined;
  let settling: Promise<unknown> | undefined;
  const reading = {
    async read(...args: Parameters<MemoryStore['read']>) {
      await settling;
      return store.read(...args);
    },
  };
  const site = {
    partition: 0,
    epoch,
    knows: (id: EntryId) => meanwhile.held === true && after !== undefined && id === a,
  };
  return frontIsOdd(reading, site, {
    after: () => {
      after = a;
      if (meanwhile.settled)
        settling = store.settle(0, epoch, {
          entries: [{ id: a, acceptedAt, deferrals: [], events: new Map() }],
          outcomes: [],
        });
      return after;
    },
    fetched: () => (meanwhile.fetched && after !== undefined ? a : undefined),
  });
}

test('what was read and settled between two looks, is in hand, or is the next to be taken in hand is where it should be', async () => {
  expect(await odd({ settled: true })).toBe(false);
  expect(await odd({ held: true })).toBe(false);
  expect(await odd({ fetched: true })).toBe(false);
});

test('what stays there and nobody has is odd', async () => {
  expect(await odd({})).toBe(true);
});
