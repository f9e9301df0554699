/** Which epochs began to process an event: how a crash finds its event again. Notes go with their entry. */
import type { Mirror } from './commits.js';
import { after, entryKey, placeKey, type Table } from './layout.js';

export class Notes implements Mirror {
  readonly #table: Table;
  /** Entries that have notes: few, since only suspects get any. */
  #noted = new Set<number>();

  constructor(table: Table) {
    this.#table = table;
    this.undone();
  }

  has(entry: number): boolean {
    return this.#noted.has(entry);
  }

  /** In a transaction. Returns how many earlier epochs had begun it. */
  begin(entry: number, index: number, epoch: number): number {
    const key = placeKey(entry, index);
    const note = this.#table.get(key);
    const epochs = note?.readUInt32LE(0) ?? 0;
    if (note?.readUIntLE(4, 6) === epoch) return epochs - 1;
    const next = Buffer.allocUnsafe(10);
    next.writeUInt32LE(epochs + 1, 0);
    next.writeUIntLE(epoch, 4, 6);
    this.#table.put(key, next);
    this.#noted.add(entry);
    return epochs;
  }

  /** In a transaction. */
  forget(entry: number): void {
    if (!this.#noted.delete(entry)) return;
    const start = entryKey(entry);
    for (const key of [...this.#table.getKeys({ start, end: after(start) })]) this.#table.remove(key);
  }

  undone(): void {
    this.#noted = new Set();
    for (const key of this.#table.getKeys({ start: entryKey(0) })) this.#noted.add(key.readUIntBE(0, 6));
  }
}
