/**
 * Subscriptions that allow fewer attempts at once than there are workers: their permits go round (`Store.permits`), so
 * that the events of every partition flow. The others cost nothing here.
 *
 *     none ──something waits, a permit is free──► held ──nothing to do, or had its turn and others wait──► giving back ──► none
 *
 * A turn lasts half a second, or as long as the attempts that it has started. Permits are asked for at each look, a
 * tenth of a second, and renewed twice a second; they run out by themselves, counted from before the call was sent, so
 * that a worker that cannot reach the store starts nothing under a permit that another may have. Attempts that run are
 * not cut.
 */
import type { Clock, Incarnation, Log } from '@gridpost/model';
import type { Permit, PermitAsk, Store } from '@gridpost/store';
import { Outage } from '../outage.js';

/** What asks for permits. */
export interface PermitUser {
  readonly running: number;
  /** Attempts that it could use at once, those under way included. */
  readonly wanted: number;
}

export interface PermitsOptions {
  readonly store: Pick<Store, 'permits'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly worker: string;
  /** A subscription may start so many attempts more or less than before. */
  readonly onChange: (subscription: Incarnation) => void;
}

const ttlMs = 5_000;
const renewMs = 500;
const turnMs = 500;

interface Holding {
  readonly limit: number;
  readonly user: PermitUser;
  held: number;
  /** Others who wait, as far as is known. */
  waiting: number;
  /** `clock.elapsed()` when the turn began, when it was last asked, and when what is held runs out. */
  since: number;
  askedAt: number;
  until: number;
  /** What it may use of what it holds. */
  usable: number;
}

export class Permits {
  readonly #options: PermitsOptions;
  readonly #outage: Outage;
  readonly #holdings = new Map<Incarnation, Holding>();
  #asking: Promise<void> | undefined;
  #retryAt = 0;

  constructor(options: PermitsOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, 'asking for permits', { worker: options.worker });
  }

  /** Attempts that the subscription may run at once, now that it has so few permits. */
  of(subscription: Incarnation, limit: number, user: PermitUser): number {
    const known = this.#holdings.get(subscription);
    if (known?.limit === limit && known.user === user) return known.usable;
    const { held = 0, since = 0, askedAt = 0, until = 0 } = known ?? {};
    const usable = Math.min(limit, known?.usable ?? 0);
    this.#holdings.set(subscription, { limit, user, held, waiting: 0, since, askedAt, until, usable });
    return usable;
  }

  /** It has enough for all workers, or is not delivered to any more. What it holds runs out. */
  forget(subscription: Incarnation): void {
    this.#holdings.delete(subscription);
  }

  /** To be called about every 100 ms. */
  look(now: number): void {
    const asks: PermitAsk[] = [];
    for (const [subscription, holding] of this.#holdings) {
      this.#reconsider(subscription, holding, now);
      const wanted = wantedOf(holding, now);
      const late = holding.held > 0 && now - holding.askedAt >= renewMs;
      // What is not needed at the moment is kept until it is to be renewed, unless somebody waits.
      const spare = wanted === 0 && holding.waiting === 0 && !late;
      if ((wanted !== holding.held && !spare) || late)
        asks.push({ subscription, limit: holding.limit, wanted });
    }
    if (asks.length === 0 || this.#asking || now < this.#retryAt) return;
    this.#asking = this.#ask(asks, now).finally(() => {
      this.#asking = undefined;
    });
  }

  /** Resolves when no call is under way. */
  async ended(): Promise<void> {
    await this.#asking;
  }

  async #ask(asks: readonly PermitAsk[], askedAt: number): Promise<void> {
    const { store, worker, clock } = this.#options;
    let answers: readonly Permit[];
    try {
      answers = await store.permits(worker, asks, ttlMs);
    } catch (error) {
      this.#retryAt = clock.elapsed() + this.#outage.failed(error);
      return;
    }
    this.#outage.over();
    const now = clock.elapsed();
    for (const [i, { subscription }] of asks.entries()) {
      const holding = this.#holdings.get(subscription);
      if (!holding) continue;
      const { held, waiting } = answers[i]!;
      if (holding.held === 0) holding.since = now;
      holding.held = held;
      holding.waiting = waiting;
      holding.askedAt = askedAt;
      holding.until = askedAt + ttlMs;
      this.#reconsider(subscription, holding, now);
    }
  }

  #reconsider(subscription: Incarnation, holding: Holding, now: number): void {
    if (now >= holding.until) holding.held = 0;
    const usable = usableOf(holding, now);
    if (usable === holding.usable) return;
    holding.usable = usable;
    this.#options.onChange(subscription);
  }
}

/** Who has had its turn leaves one for each who waits. */
function usableOf({ limit, held, waiting, since }: Holding, now: number): number {
  const keeps = now - since < turnMs ? held : Math.max(0, held - waiting);
  return Math.min(limit, keeps);
}

/** What to hold next: for what runs and what could, within its turn. */
function wantedOf(holding: Holding, now: number): number {
  const { limit, user, held, waiting } = holding;
  const useful = Math.min(limit, user.wanted);
  if (held === 0 || waiting === 0) return useful;
  return Math.min(limit, Math.max(user.running, Math.min(useful, usableOf(holding, now))));
}
