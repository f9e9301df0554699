/** The log of each partition and its ownership: appending, reading, claiming. Settling is `queues.ts`'s. */
import type { EntryId } from '@gridpost/model';
import {
  type AppendOptions,
  type AppendResult,
  appendedBytes,
  type Claim,
  entriesOf,
  Fenced,
  type LogEntry,
  type PendingEvent,
  packEntry,
  type ReadLimits,
  type ReadResult,
  unpackEntry,
} from '@gridpost/store';
import type { Argument } from './call.js';
import type { Condition } from './condition.js';
import type { OwnerHints } from './hints.js';
import { siftedIn, uniqueArgs } from './identities.js';
import { acceptedAtOf, checkIncarnation, isEntryId } from './keys.js';
import type { Link } from './link.js';
import type { Partitions } from './partitions.js';
import { append } from './scripts/append.js';
import { appendUnique } from './scripts/identities.js';
import { begin, claim, release, renew } from './scripts/ownership.js';
import { read } from './scripts/read.js';
import type { Writer } from './writer.js';

export interface LogOptions {
  readonly link: Link;
  readonly writer: Writer;
  readonly condition: Condition;
  readonly hints: OwnerHints;
  readonly partitions: Partitions;
}

export class Log {
  readonly #link: Link;
  readonly #writer: Writer;
  readonly #condition: Condition;
  readonly #hints: OwnerHints;
  readonly #partitions: Partitions;

  constructor({ link, writer, condition, hints, partitions }: LogOptions) {
    this.#link = link;
    this.#writer = writer;
    this.#condition = condition;
    this.#hints = hints;
    this.#partitions = partitions;
  }

  async append(
    partition: number,
    events: readonly PendingEvent[],
    { retained, unique }: AppendOptions,
  ): Promise<AppendResult> {
    const key = this.#partitions.key(partition);
    const args: Argument[] = [retained?.size ? retainedOf(events, retained) : ''];
    if (unique?.size) args.push(...uniqueArgs(events, unique));
    else for (const run of entriesOf(events)) args.push(packEntry(run));
    const admitted = this.#condition.admit(appendedBytes(events));
    if (admitted) await admitted;
    if (!unique?.size) return { version: versionOf(await this.#writer.write(append, key, args)) };
    const reply = (await this.#writer.write(appendUnique, key, args)) as unknown[];
    return { version: versionOf(reply[0]), ...siftedIn(reply, unique) };
  }

  async read(
    partition: number,
    epoch: number,
    after: EntryId | undefined,
    { entriesMax, bytesMax }: ReadLimits,
  ): Promise<ReadResult> {
    const key = this.#partitions.key(partition);
    if (after !== undefined && !isEntryId(after)) throw new RangeError(`there is no entry ${after}`);
    this.#hints.ask(partition);
    if (this.#hints.starting) await this.#hints.starting;
    const args = [
      String(epoch),
      after === undefined ? '-' : `(${after}`,
      String(Math.max(1, entriesMax)),
      String(bytesMax),
    ];
    const reply = (await this.#link.run(read, key, args)) as (Buffer | number)[] | null;
    if (!reply) throw new Fenced(partition, epoch);
    const entries: LogEntry[] = [];
    for (let i = 3; i < reply.length; i += 2) {
      const id = (reply[i] as Buffer).toString('latin1');
      const packed = reply[i + 1] as Buffer;
      entries.push({ id, acceptedAt: acceptedAtOf(id), events: unpackEntry(packed), bytes: packed.length });
    }
    return { entries, more: reply[2] !== 1, version: versionOf(reply[0]), now: reply[1] as number };
  }

  async claim(
    partition: number,
    worker: string,
    leaseMs: number,
    suspectEvents: number,
  ): Promise<Claim | undefined> {
    const args = [worker, String(leaseMs), String(suspectEvents)];
    const reply = await this.#link.run(claim, this.#partitions.key(partition), args);
    if (!reply) return undefined;
    const [epoch, suspect] = reply as [number, Buffer | null | undefined];
    return suspect ? { epoch, suspectUpTo: String(suspect) } : { epoch };
  }

  async renew(partition: number, worker: string, epoch: number, leaseMs: number): Promise<boolean> {
    const args = [String(epoch), worker, String(leaseMs)];
    return (await this.#link.run(renew, this.#partitions.key(partition), args)) !== null;
  }

  async release(partition: number, worker: string, epoch: number): Promise<void> {
    await this.#link.run(release, this.#partitions.key(partition), [String(epoch), worker]);
  }

  async begin(partition: number, epoch: number, entry: EntryId, index: number): Promise<number> {
    // An id that no log has stands for an entry that is gone; the epoch is still compared.
    const args = [String(epoch), isEntryId(entry) ? entry : '0-1', String(index)];
    const reply = await this.#link.run(begin, this.#partitions.key(partition), args);
    if (reply === null) throw new Fenced(partition, epoch);
    return reply as number;
  }
}

const versionOf = (field: unknown): number => Number(String(field ?? 0));

function retainedOf(events: readonly PendingEvent[], retained: ReadonlySet<string>): string {
  const topics = new Set<string>();
  for (const { topic } of events) if (retained.has(topic)) topics.add(checkIncarnation(topic));
  return [...topics].join(',');
}
