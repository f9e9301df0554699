/** Histories of retained topics: read by pages and trimmed. Appending writes them (`log.ts`). */
import type { Incarnation } from '@gridpost/model';
import {
  answerBytesMax,
  type HistoryBounds,
  type HistoryOrder,
  type HistoryPage,
  type HistoryStart,
} from '@gridpost/store';
import { Call } from './call.js';
import { checkIncarnation } from './keys.js';
import type { Link } from './link.js';
import type { Partitions } from './partitions.js';
import { readHistory, trimHistory } from './scripts/history.js';

/** Events that one script removes. */
const stepMax = 1_000;
/** An event's position is its entry's id with the sequence times this, plus its index (`scripts/append.ts`). */
const indexBase = 1_024;
const positionRule = /^\d{1,13}-\d{1,16}$/;

export class Histories {
  readonly #link: Link;
  readonly #partitions: Partitions;

  constructor(link: Link, partitions: Partitions) {
    this.#link = link;
    this.#partitions = partitions;
  }

  async page(
    partition: number,
    topic: Incarnation,
    start: HistoryStart | undefined,
    max: number,
    order: HistoryOrder = 'oldestFirst',
  ): Promise<HistoryPage> {
    if (typeof start === 'string' && !positionRule.test(start)) {
      throw new RangeError(`${start} does not continue a history`);
    }
    const [command, first, last] = order === 'oldestFirst' ? ['XRANGE', '-', '+'] : ['XREVRANGE', '+', '-'];
    let from = first;
    if (typeof start === 'string') from = `(${start}`;
    // Milliseconds alone are the first of their ids as a lower end, and the last as an upper one.
    else if (start) from = String((order === 'oldestFirst' ? Math.ceil : Math.floor)(start.acceptedAt));
    const args = [checkIncarnation(topic), String(max), String(answerBytesMax), command, from, last];
    const reply = await this.#link.run(readHistory, this.#partitions.key(partition), args);
    const [more, ...fields] = reply as [number, ...Buffer[]];
    const events: HistoryPage['events'][number][] = [];
    for (let i = 0; i < fields.length; i += 2) {
      const [ms, sequence] = String(fields[i]).split('-').map(Number) as [number, number];
      const index = sequence % indexBase;
      const entry = `${ms}-${(sequence - index) / indexBase}`;
      events.push({ place: { partition, entry, index }, acceptedAt: ms, frame: fields[i + 1]! });
    }
    return more ? { events, next: String(fields.at(-2)) } : { events };
  }

  async topics(partition: number): Promise<Incarnation[]> {
    const key = `${this.#partitions.key(partition)}:histories`;
    return ((await this.#link.command(Call.keyed('hkeys', key))) as Buffer[]).map(String);
  }

  async trim(partition: number, topic: Incarnation, bounds: HistoryBounds, max: number): Promise<number> {
    const { ageMs, bytesMax } = bounds;
    const key = this.#partitions.key(partition);
    let count = 0;
    while (count < max) {
      const step = Math.min(max - count, stepMax);
      const most = bytesMax === undefined ? '' : String(Math.floor(bytesMax));
      const args = [checkIncarnation(topic), String(Math.floor(ageMs)), String(step), most];
      const removed = (await this.#link.run(trimHistory, key, args)) as number;
      count += removed;
      if (removed < step) break;
    }
    return count;
  }
}
