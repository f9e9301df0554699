/** Dead letters: paging, giving them another life, and forgetting what a deleted subscription held. */
import type { Place } from '@gridpost/model';
import { answerBytesMax, type DeadLetter, type DeadLetterKey, type DeadLetterPage } from '@gridpost/store';
import type { Deliveries } from './deliveries.js';
import {
  deadKey,
  type DeadPlace,
  entryId,
  entryNumber,
  lineKey,
  lineRange,
  openKey,
  readDeadKey,
  type Tables,
} from './layout.js';
import type { Line } from './lines.js';
import type { Payloads } from './payloads.js';
import { type DeadRecord, indexOf, unpackDead } from './records.js';
import type { Run, Runs } from './runs.js';

/** The 13 bytes of a key of `dead` behind its line. */
const continuation = /^[0-9a-f]{26}$/;

export class DeadLetters {
  readonly #tables: Tables;
  readonly #runs: Runs;
  readonly #payloads: Payloads;
  readonly #deliveries: Deliveries;

  constructor(tables: Tables, runs: Runs, payloads: Payloads, deliveries: Deliveries) {
    this.#tables = tables;
    this.#runs = runs;
    this.#payloads = payloads;
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
    const chosen: { run: Run; index: number }[] = [];
    choosing: for (const run of this.#runs.of(line)) {
      for (const member of run.members) {
        if (chosen.length === max - dropped) break choosing;
        chosen.push({ run, index: indexOf(member) });
      }
    }
    for (const { run, index } of chosen) this.#deliveries.dispose(run, index, { kind: 'finished' });
    return dropped + chosen.length;
  }

  /** The dead letter at a place, if there is one. */
  #at(line: Line, { entry: id, index }: Place): { key: DeadPlace; record: DeadRecord } | undefined {
    const entry = entryNumber(id);
    if (Number.isNaN(entry) || index > 255) return undefined;
    const instant = this.#tables.places.get(openKey(line.number, entry, index));
    if (!instant) return undefined;
    const deadAt = instant.readUIntBE(0, 6);
    const stored = this.#tables.dead.get(deadKey(line.number, deadAt, entry, index));
    if (!stored) throw new Error(`a dead letter of entry ${id} is named but not there`);
    return { key: { deadAt, entry, index }, record: unpackDead(stored) };
  }

  #letterOf(line: Line, { deadAt, entry, index }: DeadPlace, record: DeadRecord): DeadLetter {
    const { acceptedAt, reason, state } = record;
    const { topic, frame } = this.#payloads.read(entry, [index])[0]!;
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
