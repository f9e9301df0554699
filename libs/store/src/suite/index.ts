/**
 * The conformance suite: what `port.ts` promises, as tests that every adapter passes. An adapter's own test file calls
 * `describeStore` with a way to open an empty store, and adds only what no other adapter has.
 */
import { describe } from '@jest/globals';
import { describeAttempts } from './attempts.js';
import { describeBounds } from './bounds.js';
import { describeDeadLetters } from './dead-letters.js';
import { describeDue } from './due.js';
import { describeDuplicates } from './duplicates.js';
import { describeHistory } from './history.js';
import { describeJournals } from './journals.js';
import { describeLog } from './log.js';
import { describeOperation } from './operation.js';
import { describeOwnership } from './ownership.js';
import { describePermits } from './permits.js';
import { describeRandom, type RandomOptions } from './random.js';
import { describeReceiving } from './receiving.js';
import { describeResources } from './resources.js';
import type { Lacks, OpenStore } from './scene.js';
import { describeSettling } from './settling.js';

export type { Lacks, OpenedStore, OpenStore } from './scene.js';

export interface SuiteOptions {
  /** What the store cannot do, with reasons; the tests that need it are shown as skipped. */
  readonly lacks?: Lacks;
  /** Bounds of the random runs; a failure prints the seed to pass here. */
  readonly random?: RandomOptions;
}

/** Registers the whole suite under `name`. Each test opens a store of its own; `open` must give an empty one. */
export function describeStore(name: string, open: OpenStore, options: SuiteOptions = {}): void {
  const { lacks = {} } = options;
  describe(`${name}: the store port`, () => {
    describeLog(open, lacks);
    describeOwnership(open, lacks);
    describeSettling(open, lacks);
    describeDue(open);
    describeReceiving(open);
    describeDeadLetters(open, lacks);
    describeBounds(open);
    describeHistory(open);
    describeDuplicates(open, lacks);
    describeAttempts(open, lacks);
    describeResources(open, lacks);
    describeJournals(open, lacks);
    describeOperation(open, lacks);
    describePermits(open, lacks);
    describeRandom(open, lacks, options.random);
  });
}
