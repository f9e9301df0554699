/**
 * Who owns the partition. The epoch, its owner and whether that released it are on disk; the lease is in memory only,
 * since an owner lives in this process or not at all.
 */
import type { Clock } from '@gridpost/model';
import { Fenced } from '@gridpost/store';
import type { Mirror } from './commits.js';
import { metaKey, type Table } from './layout.js';

interface Owner {
  readonly epoch: number;
  readonly released: boolean;
  readonly worker: string | undefined;
  /** On the clock that never goes back. */
  leaseUntil: number;
}

export class Ownership implements Mirror {
  readonly #meta: Table;
  readonly #clock: Clock;
  #stored: Owner;
  #current: Owner;

  constructor(meta: Table, clock: Clock) {
    this.#meta = meta;
    this.#clock = clock;
    const stored = meta.get(metaKey.owner);
    const owner = stored ? JSON.parse(stored.toString()) : { epoch: 0, released: true };
    this.#stored = { worker: undefined, ...owner, leaseUntil: 0 };
    this.#current = this.#stored;
  }

  /** In a transaction. Undefined if another's lease is running; `clean` tells how the owner before has ended. */
  claim(worker: string, leaseMs: number): { epoch: number; clean: boolean } | undefined {
    const { epoch, released, worker: owner, leaseUntil } = this.#current;
    const now = this.#clock.elapsed();
    if (!released && owner !== worker && leaseUntil > now) return undefined;
    this.#become({ epoch: epoch + 1, released: false, worker, leaseUntil: now + leaseMs });
    return { epoch: epoch + 1, clean: released };
  }

  renew(worker: string, epoch: number, leaseMs: number): boolean {
    if (!this.#owns(worker, epoch)) return false;
    this.#current.leaseUntil = this.#clock.elapsed() + leaseMs;
    return true;
  }

  /** In a transaction. */
  release(worker: string, epoch: number): void {
    if (this.#owns(worker, epoch)) this.#become({ ...this.#current, released: true });
  }

  fence(epoch: number): void {
    if (epoch !== this.#current.epoch) throw new Fenced(0, epoch);
  }

  committed(): void {
    this.#stored = this.#current;
  }

  undone(): void {
    this.#current = this.#stored;
  }

  #owns(worker: string, epoch: number): boolean {
    const { epoch: current, worker: owner, released } = this.#current;
    return epoch === current && worker === owner && !released;
  }

  #become(owner: Owner): void {
    this.#current = owner;
    const { epoch, released, worker } = owner;
    this.#meta.put(metaKey.owner, Buffer.from(JSON.stringify({ epoch, released, worker })));
  }
}
