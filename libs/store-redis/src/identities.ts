/** Appends to topics with duplicate detection, and what is remembered for it. */
import { type Incarnation, limits } from '@gridpost/model';
import {
  type AppendOptions,
  type AppendResult,
  identityStepMax,
  packEvent,
  type PendingEvent,
  type RememberedIdentities,
} from '@gridpost/store';
import { type Argument, Call } from './call.js';
import { checkIncarnation } from './keys.js';
import type { Link } from './link.js';
import type { Partitions } from './partitions.js';
import { forgetIdentities } from './scripts/identities.js';

/** Identities that one script forgets. */
const stepMax = 1_000;

export class Identities {
  readonly #link: Link;
  readonly #partitions: Partitions;

  constructor(link: Link, partitions: Partitions) {
    this.#link = link;
    this.#partitions = partitions;
  }

  async remembered(partition: number): Promise<RememberedIdentities[]> {
    const key = `${this.#partitions.key(partition)}:identities`;
    const topics = ((await this.#link.command(Call.keyed('smembers', key))) as Buffer[]).map(String);
    const counts = topics.map((topic) => this.#link.command(Call.keyed('zcard', `${key}:${topic}`)));
    return (await Promise.all(counts)).map((count, at) => ({ topic: topics[at]!, count: count as number }));
  }

  async forget(partition: number, topic: Incarnation, olderThanMs: number, max: number): Promise<number> {
    const key = this.#partitions.key(partition);
    let count = 0;
    while (count < max) {
      const step = Math.min(max - count, stepMax);
      const args = [checkIncarnation(topic), String(Math.floor(olderThanMs)), String(step)];
      const forgotten = (await this.#link.run(forgetIdentities, key, args)) as number;
      count += forgotten;
      if (forgotten < step) break;
    }
    return count;
  }
}

/** The arguments of `appendUnique` behind the first. */
export function uniqueArgs(
  events: readonly PendingEvent[],
  unique: AppendOptions['unique'] & {},
): Argument[] {
  const topics = Array.from(
    unique,
    ([topic, { windowMs, identitiesMax }]) => `${checkIncarnation(topic)} ${windowMs} ${identitiesMax}`,
  );
  const args: Argument[] = [
    topics.join(' '),
    `${identityStepMax} ${limits.entryEventsMax} ${limits.entryBytesMax}`,
  ];
  for (const event of events) args.push(event.identity ?? '', packEvent(event));
  return args;
}

/** What the reply of `appendUnique` says behind the version. */
export function siftedIn(
  reply: readonly unknown[],
  unique: AppendOptions['unique'] & {},
): Omit<AppendResult, 'version'> {
  const forgotten = new Map<Incarnation, number>();
  let at = 1;
  for (const topic of unique.keys()) {
    const count = reply[at++] as number;
    if (count > 0) forgotten.set(topic, count);
  }
  const duplicates = reply.slice(at) as number[];
  return {
    ...(duplicates.length ? { duplicates } : {}),
    ...(forgotten.size ? { forgotten } : {}),
  };
}
