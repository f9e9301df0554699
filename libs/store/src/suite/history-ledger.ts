/**
 * What topics' histories must hold, kept by the random driver beside the store. An adapter may let events or whole entries
 * go; either is accepted, and learnt.
 */
import { expect } from '@jest/globals';
import type { Incarnation } from '@gridpost/model';
import type { HistoryBounds, HistoryPage } from '../port.js';
import { checkOrder, type LoggedEvent, numberOf } from './ledger.js';

type HistoryEvent = HistoryPage['events'][number];

const frameBytes = (events: readonly HistoryEvent[]): number =>
  events.reduce((sum, { frame }) => sum + frame.length, 0);

/** What tells an event of a history from all others, and two places of it from each other. */
export const signOf = ({ place: { entry, index }, acceptedAt, frame }: HistoryEvent): string =>
  `${numberOf({ frame })} at ${entry}/${index} of ${acceptedAt}`;

export class HistoryLedger {
  /** By the number that each frame begins with. */
  readonly #kept = new Map<number, LoggedEvent>();
  /** As they were read the last time. */
  readonly #signs = new Map<number, string>();

  /** An event that was stored, of a topic that keeps it. */
  add(logged: LoggedEvent): void {
    this.#kept.set(numberOf(logged.event), logged);
  }

  /** Topics that keep something, in order. */
  get topics(): Incarnation[] {
    return [...new Set([...this.#kept.values()].map(({ event }) => event.topic))].sort();
  }

  /** A read of a whole history, oldest first: all that is kept, in the order of the log, where it always was. */
  check(topic: Incarnation, events: readonly HistoryEvent[]): void {
    const numbers = events.map(numberOf);
    expect([...numbers].sort((a, b) => a - b)).toEqual(this.#numbersOf(topic));
    checkOrder(numbers, this.#kept);
    for (const event of events) {
      const number = numberOf(event);
      expect(this.#kept.get(number)!.event.frame.equals(event.frame)).toBe(true);
      expect(this.#signs.get(number) ?? signOf(event)).toBe(signOf(event));
      this.#signs.set(number, signOf(event));
    }
  }

  /**
   * Applies a trim between two reads of the whole history: the oldest went, of those that `isOld` or that were over the
   * bytes, and none is left that had to go if the trim is `done`.
   */
  trimmed(
    before: readonly HistoryEvent[],
    after: readonly HistoryEvent[],
    { bytesMax = Number.POSITIVE_INFINITY }: Pick<HistoryBounds, 'bytesMax'>,
    { isOld, done }: { readonly isOld: boolean; readonly done: boolean },
  ): void {
    const gone = before.slice(0, before.length - after.length);
    expect(before.slice(gone.length).map(signOf)).toEqual(after.map(signOf));
    for (const event of gone) this.#kept.delete(numberOf(event));
    if (done) expect(isOld ? after.length : Math.max(0, frameBytes(after) - bytesMax)).toBe(0);
    const last = gone.at(-1);
    if (!last || isOld) return;
    const inLast = (event: HistoryEvent): boolean => event.place.entry === last.place.entry;
    const together = after.some(inLast) ? [last] : gone.filter(inLast);
    expect(frameBytes(after) + frameBytes(together)).toBeGreaterThan(bytesMax);
  }

  #numbersOf(topic: Incarnation): number[] {
    return [...this.#kept]
      .filter(([, { event }]) => event.topic === topic)
      .map(([number]) => number)
      .sort((a, b) => a - b);
  }
}
