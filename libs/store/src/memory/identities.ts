/** What one partition of the reference model remembers for duplicate detection: per topic a map, in order of acceptance. */
import type { Clock, Incarnation } from '@gridpost/model';
import { identityBytes, identityStepMax } from '../bounds.js';
import type { PendingEvent, RememberedIdentities, UniqueWithin } from '../port.js';

export class MemoryIdentities {
  readonly #clock: Clock;
  /** Acceptance by identity. A Map keeps the order of insertion, which is that of acceptance. */
  readonly #topics = new Map<Incarnation, Map<string, number>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get bytesUsed(): number {
    let bytes = 0;
    for (const known of this.#topics.values()) bytes += known.size * identityBytes;
    return bytes;
  }

  /** Remembers the events that are new and returns the indexes of the others. */
  duplicatesAmong(
    events: readonly PendingEvent[],
    unique: ReadonlyMap<Incarnation, UniqueWithin>,
  ): Set<number> {
    const now = this.#clock.now();
    const duplicates = new Set<number>();
    for (const [index, { topic, identity }] of events.entries()) {
      const within = unique.get(topic);
      if (!within || !identity) continue;
      const known = this.#topics.get(topic) ?? new Map<string, number>();
      this.#topics.set(topic, known);
      const key = identity.toString('latin1');
      const acceptedAt = known.get(key);
      if (acceptedAt !== undefined && acceptedAt > now - within.windowMs) duplicates.add(index);
      else {
        known.delete(key);
        known.set(key, now);
      }
    }
    return duplicates;
  }

  /** After an append of so many events: forgets what is outlived or too much; returns what went within its window. */
  bound(unique: ReadonlyMap<Incarnation, UniqueWithin>, appended: number): Map<Incarnation, number> {
    const most = 2 * appended + identityStepMax;
    const forgotten = new Map<Incarnation, number>();
    for (const [topic, { windowMs, identitiesMax }] of unique) {
      const outlived = this.forget(topic, windowMs, most);
      const excess = (this.#topics.get(topic)?.size ?? 0) - identitiesMax;
      const early = excess > 0 ? this.forget(topic, 0, Math.min(excess, most)) : 0;
      if (early > 0 && outlived < most) forgotten.set(topic, early);
    }
    return forgotten;
  }

  forget(topic: Incarnation, olderThanMs: number, max: number): number {
    const known = this.#topics.get(topic);
    if (!known) return 0;
    const before = this.#clock.now() - olderThanMs;
    let count = 0;
    for (const [key, acceptedAt] of known) {
      if (count === max || acceptedAt > before) break;
      known.delete(key);
      count++;
    }
    if (!known.size) this.#topics.delete(topic);
    return count;
  }

  remembered(): RememberedIdentities[] {
    return Array.from(this.#topics, ([topic, { size }]) => ({ topic, count: size }));
  }
}
