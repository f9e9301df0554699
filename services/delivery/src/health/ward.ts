/**
 * One subscription's health as this worker has it: the state that is stored, or about to be, and what the worker has seen
 * since (`sightings.ts`). It tells the lane what may start, and says what is to be written; `keeper.ts` writes.
 *
 * A worker that finds an endpoint failing stops at once and has it written afterwards, again and again until the store
 * has taken it or another worker has written something else, which then counts. The right to a probe is the other way
 * round: written first, on condition that nobody else has, and used only if it was. It is used within its time: past
 * that, others may be probing.
 *
 * Beside the state it has how long the endpoint asked to be left alone (`retry-after.ts`), which goes into the same document.
 * Others write that as they are asked. A document that differs in nothing else therefore neither ends a count that has
 * begun here nor takes back what is to be written.
 *
 * Instants in the state are compared with this process's clock. Those of a worker whose clock is ahead are taken for at
 * most as far away as a probe can be.
 */
import type { Clock, Health, HealthState, Incarnation, Random } from '@gridpost/model';
import type { RegisteredHealth } from '@gridpost/registry';
import type { AttemptFailure, PassedAttempt } from '../attempts/open-delivery.js';
import {
  all,
  type HealthEvent,
  type HealthPolicy,
  healthy,
  inTime,
  next,
  type Permit,
  permitOf,
  sameStanding,
  type Seen,
  withSeen,
} from './health.js';
import { RetryAfterKept } from './retry-after.js';
import { Sightings } from './sightings.js';

export interface WardOptions {
  readonly id: Incarnation;
  readonly clock: Clock;
  readonly random: Random;
  /** What may start has changed. */
  readonly onChange: () => void;
  /** The endpoint was to be left alone, and need not be any more. `onChange` follows. */
  readonly onReleased: () => void;
}

/** How the subscription wants it. */
export interface WardTerms {
  readonly policy: HealthPolicy;
  /** Longest attempt. */
  readonly timeoutMs: number;
}

/** Something to be written. */
export interface Draft {
  readonly health: Health;
  /** That of what it replaces; undefined if there is nothing. */
  readonly etag: string | undefined;
  /** From what it was drawn. */
  readonly before: Health;
  readonly seen: Seen;
  readonly claims: boolean;
  /** The state that is stored. */
  readonly stored: HealthState;
}

/** A right to make one probe. `clock.elapsed()`. */
interface Grant {
  readonly from: number;
  readonly until: number;
  used: boolean;
}

export class Ward {
  readonly #options: WardOptions;
  readonly #pace: number;
  #terms: WardTerms;
  #health: Health;
  /** The same with instants that this process's clock allows. */
  #timed: Health;
  #etag: string | undefined;
  /** What is stored. */
  #stored: Health;
  readonly #retryAfter: RetryAfterKept;
  /** The version of the configuration in which this worker's last write stands. */
  #version = 0;
  #permit: Permit = all;
  readonly #sightings = new Sightings();
  /** `clock.elapsed()`: what started before tells nothing of the state that holds now. */
  #countsFrom = Number.NEGATIVE_INFINITY;
  #unsaved = false;
  #asked = false;
  #grant: Grant | undefined;
  #writing = false;
  #leaving = false;

  constructor(options: WardOptions, terms: WardTerms, found: RegisteredHealth | undefined) {
    this.#options = options;
    this.#terms = terms;
    this.#pace = 0.8 + 0.4 * options.random();
    this.#health = found?.health ?? healthy(options.id, options.clock.now());
    this.#timed = this.#inTime(this.#health);
    this.#etag = found?.etag;
    this.#stored = this.#health;
    this.#retryAfter = new RetryAfterKept(found?.health.retryAfter);
    this.#permit = this.#permitNow();
  }

  set terms(terms: WardTerms) {
    this.#terms = terms;
    this.#refresh();
  }

  /** Nothing holds it back, and nothing is left to be written. */
  get free(): boolean {
    return this.#permit.kind === 'all' && this.#health.state === 'Healthy' && !this.unsaved;
  }

  /** Free, and nothing is held against its endpoint either. */
  get sound(): boolean {
    return this.#sightings.row === 0 && this.free;
  }

  /** This worker has found out something that is not written yet. */
  get unsaved(): boolean {
    return this.#unsaved || this.#retryAfter.unsaved;
  }

  /** There is something to be written, and nothing is being written. */
  get waits(): boolean {
    return !this.#writing && (this.unsaved || this.#claims || this.#recovered);
  }

  get held(): boolean {
    return this.#permit.kind === 'none';
  }

  /** One delivery may be attempted, or is to be found for that. */
  get probing(): boolean {
    return this.#permit.kind === 'probe';
  }

  /** How long it is held back for, in milliseconds. */
  get heldMs(): number {
    const permit = this.#permit;
    return permit.kind === 'none' ? Math.max(0, permit.until - this.#options.clock.now()) : 0;
  }

  /** How long the endpoint is to be left alone, in milliseconds, as all workers know it or are about to; 0 if it is not. */
  get leaveAloneMs(): number {
    return this.#retryAfter.leftMs(this.#options.clock.now());
  }

  /** Attempts that may run at once, of `limit`; of probes, how many may still start. */
  allowed(limit: number): number {
    const permit = this.#permit;
    if (permit.kind === 'all') return limit;
    if (permit.kind === 'share') return Math.max(1, Math.ceil(limit * permit.share));
    return permit.kind === 'probe' && !this.#grant?.used ? 1 : 0;
  }

  /** Whether another attempt may start now. Asked for a probe, it may say no at first, and claim the right to it. */
  admits(running: number, limit: number): boolean {
    const { kind } = this.#permit;
    if (kind === 'all') return true;
    if (kind !== 'probe') return running < this.allowed(limit);
    const grant = this.#grant;
    if (!grant) this.#asked = true;
    return grant !== undefined && !grant.used && this.#options.clock.elapsed() < grant.until;
  }

  /** An attempt that was admitted has started. */
  started(): void {
    if (this.#grant) this.#grant.used = true;
  }

  /** The endpoint took an event, or answered that it does not want this one. */
  worked(attempt: PassedAttempt, now: number): void {
    this.#sightings.succeeded(now);
    if (this.#isProbe(attempt)) this.#advance({ kind: 'probeSucceeded' });
    else if (this.#sightings.row > 0 && attempt.startedAt >= this.#countsFrom) {
      this.#sightings.row = 0;
      // Failures before a success are of the past, unless a time on probation is not over yet.
      if (this.#health.state === 'Healthy') this.#sightings.forget();
    }
  }

  /** An attempt failed in a way that another may not. */
  failed(attempt: PassedAttempt, failure: AttemptFailure): void {
    this.#sightings.failed(failure, this.#options.clock.now());
    if (this.#isProbe(attempt)) this.#advance({ kind: 'probeFailed' });
    else if (attempt.startedAt >= this.#countsFrom && this.#health.state !== 'Probation') {
      const { failuresMax } = this.#terms.policy;
      if (++this.#sightings.row >= failuresMax && failuresMax > 0) this.#advance({ kind: 'failing' });
    }
  }

  /** The endpoint asked to be left alone for so long. */
  asked(ms: number, status: number): void {
    const at = Math.round(this.#options.clock.now());
    this.#retryAfter.asked({ at, until: Math.round(at + ms), status }, at);
  }

  /** Lets time pass. */
  tick(): void {
    if (this.free) return;
    const grant = this.#grant;
    // Nothing was there to make it with. The next is then no further away than after one that fails.
    if (grant && !grant.used && this.#options.clock.elapsed() >= grant.until)
      this.#advance({ kind: 'probeFailed' });
    this.#retryAfter.tick(this.#options.clock.now());
    this.#refresh();
  }

  /** What is to be written by now, if anything: the outcome is then to be told by `wrote` or `notWritten`. */
  draft(): Draft | undefined {
    this.tick();
    if (!this.waits) return undefined;
    const { clock, random } = this.#options;
    const { policy, timeoutMs } = this.#terms;
    const before = this.#health;
    const claims = this.#claims;
    const now = clock.now();
    const event: HealthEvent = claims ? { kind: 'probing', timeoutMs } : { kind: 'recovered' };
    const advanced = claims || this.#recovered ? next(before, event, now, policy, random) : before;
    // Failures of an endpoint that is healthy are noted when they have led somewhere.
    const seen = this.#sightings.take(before.state !== 'Healthy', now - clock.elapsed());
    const { retryAfter: _, ...health } = withSeen(advanced, seen);
    const retryAfter = this.#retryAfter.at(now);
    this.#writing = true;
    return {
      health: { ...health, ...(retryAfter ? { retryAfter } : {}) },
      ...{ etag: this.#etag, before, seen, claims, stored: this.#stored.state },
    };
  }

  wrote({ health, before, seen, claims }: Draft, etag: string, version: number): void {
    const { clock } = this.#options;
    this.#writing = false;
    this.#etag = etag;
    this.#stored = health;
    this.#retryAfter.wrote(health.retryAfter);
    this.#version = version;
    this.#asked = false;
    if (this.#health === before) {
      this.#health = health;
      this.#timed = this.#inTime(health);
      this.#unsaved = false;
    } else this.#health = withSeen(this.#health, seen);
    if (claims) {
      const from = clock.elapsed();
      const until = from + health.nextProbeAt! - clock.now() - this.#terms.timeoutMs;
      this.#grant = { from, until, used: false };
      if (this.#leaving) this.#advance({ kind: 'probeFailed' });
    }
    this.#refresh(true);
  }

  /** This worker makes no probe any more, and gives back a right to one: nobody would hear of what became of it. */
  leave(): void {
    this.#leaving = true;
    if (this.#grant) this.#advance({ kind: 'probeFailed' });
  }

  notWritten({ seen }: Draft): void {
    this.#writing = false;
    this.#sightings.giveBack(seen);
  }

  /** Learns what is stored, as of a version of the configuration. */
  learn(found: RegisteredHealth | undefined, version: number): void {
    if (this.#writing || version < this.#version || found?.etag === this.#etag) return;
    const health = found?.health ?? healthy(this.#options.id, this.#options.clock.now());
    const same = found !== undefined && sameStanding(health, this.#stored);
    this.#etag = found?.etag;
    this.#stored = health;
    if (this.#retryAfter.learn(found, this.#options.clock.now())) this.#options.onReleased();
    if (!same) {
      this.#enter(health);
      this.#unsaved = false;
    } else if (!this.#unsaved) this.#health = health;
    this.#refresh(true);
  }

  #advance(event: HealthEvent): void {
    const { clock, random } = this.#options;
    const health = next(this.#health, event, clock.now(), this.#terms.policy, random);
    if (health === this.#health) return;
    this.#enter(health);
    this.#unsaved = true;
    this.#refresh(true);
  }

  #enter(health: Health): void {
    this.#health = health;
    this.#timed = this.#inTime(health);
    this.#sightings.row = 0;
    this.#countsFrom = this.#options.clock.elapsed();
    this.#asked = false;
    this.#grant = undefined;
  }

  /** A probe is to be made, and the right to it is to be claimed. */
  get #claims(): boolean {
    return this.probing && this.#asked && !this.#grant && !this.#leaving;
  }

  get #recovered(): boolean {
    return this.#permit.kind === 'all' && this.#health.state !== 'Healthy';
  }

  #isProbe({ startedAt }: PassedAttempt): boolean {
    const grant = this.#grant;
    return grant?.used === true && startedAt >= grant.from;
  }

  #refresh(tell = false): void {
    const before = this.#permit;
    this.#permit = this.#permitNow();
    if (tell || before.kind !== this.#permit.kind || shareOf(before) !== shareOf(this.#permit))
      this.#options.onChange();
  }

  #permitNow(): Permit {
    const { clock } = this.#options;
    const now = clock.now();
    const grant = this.#grant;
    if (grant) {
      if (!grant.used && clock.elapsed() < grant.until) return { kind: 'probe' };
      // Whatever became of it: the next may be claimed.
      if (now >= this.#timed.nextProbeAt!) this.#grant = undefined;
    }
    return permitOf(this.#timed, now, this.#terms.policy, this.#pace);
  }

  #inTime(health: Health): Health {
    return inTime(health, this.#options.clock.now(), this.#terms.policy);
  }
}

const shareOf = (permit: Permit): number | undefined => (permit.kind === 'share' ? permit.share : undefined);
