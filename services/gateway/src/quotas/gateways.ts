/**
 * How many gateways there are, itself included: each announces itself in the store and gets the others in return. Where
 * the store does not answer, the last number stands.
 */
import { type Clock, type Log, newIncarnation, type Timer } from '@gridpost/model';
import type { Store } from '@gridpost/store';

export interface GatewaysOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** As workers do (services/delivery): one that dies counts for at most 10 s more. */
const announceEveryMs = 3_000;
const aliveMs = 10_000;

export class Gateways {
  readonly #options: GatewaysOptions;
  readonly #id = newIncarnation();
  #count = 1;
  #announcing: Promise<void> | undefined;
  #timer: Timer | undefined;

  constructor(options: GatewaysOptions) {
    this.#options = options;
  }

  /** At least 1. */
  get count(): number {
    return this.#count;
  }

  start(): void {
    this.#timer = this.#options.clock.every(announceEveryMs, () => this.#announce());
    this.#announce();
  }

  /** Takes the announcement back. Never rejects; safe to call twice. */
  async close(): Promise<void> {
    if (!this.#timer) return;
    this.#timer.cancel();
    this.#timer = undefined;
    await this.#announcing;
    await this.#options.store.withdraw(this.#id, 'gateway').catch(() => undefined);
  }

  #announce(): void {
    const { store, log } = this.#options;
    this.#announcing ??= store
      .announce(this.#id, aliveMs, 'gateway')
      .then(
        (alive) => {
          this.#count = Math.max(1, alive.length);
        },
        (error: unknown) => log.debug({ error: String(error) }, 'gateway not announced'),
      )
      .finally(() => {
        this.#announcing = undefined;
      });
  }
}
