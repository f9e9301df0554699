/**
 * Identities of stored events, for duplicate detection. Each is stored twice: to be found by itself, and to be forgotten
 * in the order of acceptance; the topic's own key among the latter has their number.
 */
import type { Incarnation } from '@gridpost/model';
import {
  type AppendOptions,
  type AppendResult,
  identityStepMax,
  type PendingEvent,
  type RememberedIdentities,
  type UniqueWithin,
} from '@gridpost/store';
import { after, type Table, type Tables, topicKey } from './layout.js';

const instantBytes = 6;
const nothing = Buffer.alloc(0);

export type Sifted = Omit<AppendResult, 'version'>;

export class Identities {
  readonly #known: Table;
  readonly #ages: Table;

  constructor({ identities, identityAges }: Tables) {
    this.#known = identities;
    this.#ages = identityAges;
  }

  /** In a transaction. Remembers what is new among the events of a request, and tells what is not. */
  sift(events: readonly PendingEvent[], { unique }: AppendOptions, now: number): Sifted {
    const duplicates: number[] = [];
    const added = new Map<Incarnation, number>();
    for (const [index, { topic, identity }] of events.entries()) {
      const within = unique?.get(topic);
      if (!within || !identity) continue;
      if (this.#add(topic, identity, now, now - within.windowMs)) {
        added.set(topic, (added.get(topic) ?? 0) + 1);
      } else duplicates.push(index);
    }
    const forgotten = new Map<Incarnation, number>();
    for (const [topic, count] of added) {
      const early = this.#bound(topic, count, unique!.get(topic)!, now);
      if (early > 0) forgotten.set(topic, early);
    }
    return {
      ...(duplicates.length ? { duplicates } : {}),
      ...(forgotten.size ? { forgotten } : {}),
    };
  }

  remembered(): RememberedIdentities[] {
    const topics: RememberedIdentities[] = [];
    let start: Buffer = Buffer.from([0]);
    for (;;) {
      const [first] = [...this.#ages.getRange({ start, limit: 1 })];
      if (!first) return topics;
      const topic = first.key.toString('latin1', 1, 1 + first.key[0]!);
      topics.push({ topic, count: countIn(first.value) });
      start = after(topicKey(topic));
    }
  }

  /** In a transaction. Forgets those accepted at `before` or earlier, oldest first, at most `max`; returns how many. */
  forget(topic: Incarnation, before: number, max: number): number {
    const prefix = topicKey(topic);
    const old: Buffer[] = [];
    const range = { start: ageKey(prefix, 0), end: after(prefix), limit: max };
    for (const key of this.#ages.getKeys(range)) {
      if (key.readUIntBE(prefix.length, instantBytes) > before) break;
      old.push(key);
    }
    for (const key of old) {
      this.#ages.remove(key);
      this.#known.remove(Buffer.concat([prefix, key.subarray(prefix.length + instantBytes)]));
    }
    if (old.length) this.#count(topic, -old.length);
    return old.length;
  }

  /** False, and nothing changed, if it is known since an instant after `before`. */
  #add(topic: Incarnation, identity: Buffer, now: number, before: number): boolean {
    const prefix = topicKey(topic);
    const key = Buffer.concat([prefix, identity]);
    const known = this.#known.get(key)?.readUIntBE(0, instantBytes);
    if (known !== undefined && known > before) return false;
    if (known !== undefined) this.#ages.remove(ageKey(prefix, known, identity));
    this.#known.put(key, packed(now));
    this.#ages.put(ageKey(prefix, now, identity), nothing);
    if (known === undefined) this.#count(topic, 1);
    return true;
  }

  /** Forgets some of what is outlived, and all that is too much; returns how many went within the window. */
  #bound(topic: Incarnation, added: number, { windowMs, identitiesMax }: UniqueWithin, now: number): number {
    const most = 2 * added + identityStepMax;
    const outlived = this.forget(topic, now - windowMs, most);
    const excess = countIn(this.#ages.get(topicKey(topic))) - identitiesMax;
    if (excess <= 0) return 0;
    const early = this.forget(topic, now, Math.min(excess, most));
    // Where outlived ones are left, it is some of them that went.
    return outlived < most ? early : 0;
  }

  #count(topic: Incarnation, change: number): void {
    const key = topicKey(topic);
    const count = countIn(this.#ages.get(key)) + change;
    if (count > 0) this.#ages.put(key, packed(count));
    else this.#ages.remove(key);
  }
}

function ageKey(prefix: Buffer, acceptedAt: number, identity: Buffer = nothing): Buffer {
  const key = Buffer.allocUnsafe(prefix.length + instantBytes + identity.length);
  prefix.copy(key);
  key.writeUIntBE(acceptedAt, prefix.length, instantBytes);
  identity.copy(key, prefix.length + instantBytes);
  return key;
}

const countIn = (bytes: Buffer | undefined): number => bytes?.readUIntBE(0, instantBytes) ?? 0;

/** Of an instant or a number. */
function packed(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(instantBytes);
  bytes.writeUIntBE(value, 0, instantBytes);
  return bytes;
}
