/**
 * The store's identity in the database: its format, its number of partitions, and an id. Looked at again each second, so
 * that a database that was emptied or replaced behind our back (`FLUSHALL`, a restore, a failover to an empty server) is
 * noticed and said aloud. What was in it is gone; what comes after works, and nothing hangs.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, GridpostError } from '@gridpost/model';
import { Call } from './call.js';
import type { Key } from './keys.js';
import type { Link } from './link.js';
import { found } from './scripts/founding.js';

const format = 2;
/** How long an emptied store is reported: long enough for a probe and an alert to see it. */
const saidForMs = 60_000;

export class Founding {
  readonly #link: Link;
  readonly #key: Key;
  readonly #clock: Clock;
  #partitions = 0;
  #id = '';
  #emptiedAt: number | undefined;
  #changed: string | undefined;

  constructor(link: Link, key: Key, clock: Clock) {
    this.#link = link;
    this.#key = key;
    this.#clock = clock;
  }

  /** Records a new store with so many partitions, or reads what is recorded; returns the number that holds. */
  async open(partitions: number): Promise<number> {
    const recorded = await this.#found(partitions);
    if (recorded.format !== format) {
      throw new GridpostError(
        'StoreUnavailable',
        `the store has format ${recorded.format}, this version of Gridpost reads format ${format}`,
      );
    }
    this.#partitions = recorded.partitions;
    this.#id = recorded.id;
    return recorded.partitions;
  }

  /** Looks whether the store is still the one that was opened; returns the configuration's version. */
  async check(): Promise<number> {
    const reply = await this.#link.command(Call.keyed('hmget', this.#key, 'id', 'version'));
    const [id, version] = reply as (Buffer | null)[];
    if (String(id) !== this.#id) await this.#noticeChange();
    return Number(version ?? 0);
  }

  /** Why the store is not what it was, for a while after that was noticed. */
  get complaint(): string | undefined {
    if (this.#changed !== undefined) return this.#changed;
    if (this.#emptiedAt === undefined || this.#clock.elapsed() - this.#emptiedAt > saidForMs)
      return undefined;
    return 'the store was emptied: every event, topic and subscription in it is gone';
  }

  /** Why nothing may be written to it any more. */
  get refusal(): string | undefined {
    return this.#changed;
  }

  async #noticeChange(): Promise<void> {
    const recorded = await this.#found(this.#partitions);
    this.#id = recorded.id;
    this.#emptiedAt = this.#clock.elapsed();
    if (recorded.partitions !== this.#partitions || recorded.format !== format) {
      this.#changed = `the store was replaced by one with ${recorded.partitions} partitions, format ${recorded.format}: restart`;
    }
  }

  async #found(partitions: number) {
    const args = [String(format), String(partitions), randomUUID()];
    const fields = (await this.#link.run(found, this.#key, args)) as (Buffer | null)[];
    const [recordedFormat, recordedPartitions, id] = fields.map((field) => String(field));
    return { format: Number(recordedFormat), partitions: Number(recordedPartitions), id: id! };
  }
}
