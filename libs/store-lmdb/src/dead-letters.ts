/** Dead letters: paging, giving them another life, and forgetting what a deleted subscription held. */
import type { Place } from '@gridpost/model';
import { answerBytesMax, type DeadLetter, type DeadLetterKey, type DeadLetterPage } from '@gridpost/store';
import type { Deliveries } from './deliveries.js';
import {
  deadKey,
  type DeadPlace,
  deadSince,
  entryId,
  entryNumber,
  lineKey,
  lineRange,
  readDeadKey,
  readOpenKey,
  type Tables,
  useKey,
} from './layout.js';
import type { Line } from './lines.js';
import { unpackDead, unpackOpen } from './records.js';

/** The 13 bytes of a key of `dead` behind its line. */
const continuation = /^[0-9a-f]{26}$/;

export class DeadLetters {
  readonly #tables: Tables;
  readonly #deliveries: Deliveries;

  constructor(tables: Tables, deliveries: Deliveries) {
    this.#tables = tables;
    this.#deliveries = deliveries;
  }

  /** `next` is the last key given without its line, in hexadecimal. */
  page(line: Line, from: string | undefined, max: number): DeadLetterPage {
    if (from !== undefined && !continuation.test(from)) throw new RangeError(`no page ended at ${from}`);
    const deadLetters: DeadLetter[] = [];
    const { start, end } = lineRange(line.number);
    const begin =
      from === undefined ? start : Buffer.concat([lineKey(line.number), Buffer.from(from, 'hex')]);
    let last = '';
    let bytes = 0;
    const range = { start: begin, exclusiveStart: from !== undefined, end, limit: max + 1 };
    for (const { key, value } of this.#tables.dead.getRange(range)) {
      if (deadLetters.length === max || bytes > answerBytesMax) return { deadLetters, next: last };
      const letter = this.#letterOf(line, readDeadKey(key), unpackDead(value));
      deadLetters.push(letter);
      last = key.toString('hex', 4);
      bytes += letter.frame.length;
    }
    return { deadLetters };
  }

  find(line: Line, place: Place): DeadLetter | undefined {
    const found = this.#at(line, place);
    return found && this.#letterOf(line, found.key, found.record);
  }

  /** In a transaction. */
  letGo(line: Line, deadLetters: readonly DeadLetterKey[]): number {
    let count = 0;
    for (const { place, deadLetteredAt } of deadLetters) {
      const found = this.#at(line, place);
      if (found?.key.deadAt !== deadLetteredAt) continue;
      this.#deliveries.drop({ line, ...found.key }, deadLetteredAt, found.record);
      count++;
    }
    return count;
  }

  /** In a transaction. */
  redrive(line: Line, which: { readonly places: readonly Place[] } | { readonly max: number }): number {
    if ('places' in which) {
      let count = 0;
      for (const place of which.places) {
        const found = this.#at(line, place);
        if (!found) continue;
        this.#deliveries.revive({ line, ...found.key }, found.key.deadAt, found.record);
        count++;
      }
      return count;
    }
    const oldest = [...this.#tables.dead.getRange({ ...lineRange(line.number), limit: which.max })];
    for (const { key, value } of oldest) {
      const { deadAt, entry, index } = readDeadKey(key);
      this.#deliveries.revive({ line, entry, index }, deadAt, unpackDead(value));
    }
    return oldest.length;
  }

  /** In a transaction. Drops the oldest; returns how many, and the bytes they were charged. */
  drop(line: Line, max: number): number {
    const oldest = [...this.#tables.dead.getRange({ ...lineRange(line.number), limit: max })];
    for (const { key, value } of oldest) {
      const { deadAt, entry, index } = readDeadKey(key);
      this.#deliveries.drop({ line, entry, index }, deadAt, unpackDead(value));
    }
    return oldest.length;
  }

  /** In a transaction. */
  purge(line: Line, max: number): number {
    const dropped = this.drop(line, max);
    if (dropped === max) return dropped;
    const open = [...this.#tables.open.getRange({ ...lineRange(line.number), limit: max - dropped })];
    for (const { key, value } of open) {
      this.#deliveries.dispose({ line, ...readOpenKey(key) }, unpackOpen(value), { kind: 'finished' });
    }
    return dropped + open.length;
  }

  /** The dead letter at a place, if there is one. */
  #at(line: Line, { entry: id, index }: Place): { key: DeadPlace; record: StoredDead } | undefined {
    const entry = entryNumber(id);
    if (Number.isNaN(entry) || index > 255) return undefined;
    const use = this.#tables.payloads.get(useKey(entry, index, line.number));
    const deadAt = use && deadSince(use);
    if (deadAt === undefined) return undefined;
    const stored = this.#tables.dead.get(deadKey(line.number, deadAt, entry, index));
    if (!stored) throw new Error(`a dead letter of entry ${id} is named but not there`);
    return { key: { deadAt, entry, index }, record: unpackDead(stored) };
  }

  #letterOf(line: Line, { deadAt, entry, index }: DeadPlace, record: StoredDead): DeadLetter {
    const { acceptedAt, reason, state } = record;
    const { topic, frame } = this.#deliveries.payload({ entry, index });
    return {
      place: { partition: 0, entry: entryId(entry), index },
      subscription: line.subscription,
      topic,
      acceptedAt,
      deadLetteredAt: deadAt,
      reason,
      state,
      frame,
    };
  }
}

type StoredDead = ReturnType<typeof unpackDead>;
