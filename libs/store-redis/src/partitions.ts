/** The partitions of a store, by number. */
import { type Key, partitionKey } from './keys.js';

export class Partitions {
  readonly keys: readonly Key[];

  constructor(prefix: string, count: number) {
    this.keys = Array.from({ length: count }, (_, number) => partitionKey(prefix, number));
  }

  /** Throws a `RangeError` for a partition that does not exist. */
  key(partition: number): Key {
    const key = this.keys[partition];
    if (key === undefined) throw new RangeError(`there is no partition ${partition}`);
    return key;
  }
}
