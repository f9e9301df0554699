/** Deferred and leased deliveries and dead letters of each partition: settling into them, leasing from them, their counts. */
import type { Incarnation, Place } from '@gridpost/model';
import {
  answerBytesMax,
  type AttemptBlock,
  type ConcludeResult,
  type DeadLetter,
  type DeadLetterKey,
  type DeadLetterPage,
  type DueAsk,
  type DueResult,
  Fenced,
  type LeasedDelivery,
  type LeaseOutcome,
  type PartitionUsage,
  type Quota,
  type ReceiveAsk,
  type ReceiveResult,
  type SettleBatch,
  type SettleResult,
  type Usage,
} from '@gridpost/store';
import { alikeOf, appliedOf } from './alike.js';
import { attemptArguments } from './attempts.js';
import { deadLetterOf, quotaEffectsOf, readLeased, usageOf } from './answers.js';
import type { Argument } from './call.js';
import { checkIncarnation, isEntryId, memberOf } from './keys.js';
import type { Link } from './link.js';
import type { Partitions } from './partitions.js';
import { letGo, readDeadLetter, readDeadLetters, redrive } from './scripts/dead-letters.js';
import { due, hasten, receive } from './scripts/due.js';
import { conclude, removeEntries, settle } from './scripts/settle.js';
import { purge, readUsage } from './scripts/usage.js';
import { concludeText, isOnlyRemoval, settleText } from './settle-text.js';

/** What one script reads or changes, while nobody else is served. */
const stepMax = 500;
const usagePageMax = 200;
/** More than any room or number of deliveries; JSON has no infinity. */
const countMax = 1_000_000;
const tokenRule = /^[A-Za-z0-9._-]{1,32}$/;

function checkToken(prefix: string): void {
  if (!tokenRule.test(prefix)) throw new RangeError(`token prefix ${JSON.stringify(prefix)}`);
}

export class Queues {
  readonly #link: Link;
  readonly #partitions: Partitions;
  readonly #quota: Quota;
  /** As scripts take it. */
  readonly #attemptQuota: string;

  constructor(link: Link, partitions: Partitions, quota: Quota, attemptQuota: number) {
    this.#link = link;
    this.#partitions = partitions;
    this.#quota = quota;
    this.#attemptQuota = String(attemptQuota);
  }

  async settle(partition: number, epoch: number, batch: SettleBatch): Promise<SettleResult> {
    const key = this.#partitions.key(partition);
    if (!isOnlyRemoval(batch)) return this.#settle(partition, epoch, batch);
    const blocks = attemptArguments(batch.attempts);
    const args: Argument[] = [String(epoch), this.#attemptQuota, String(4 + blocks.length), ...blocks];
    for (const { id } of batch.entries) if (isEntryId(id)) args.push(id);
    const removed = (await this.#link.run(removeEntries, key, args)) as number | null;
    if (removed === null) throw new Fenced(partition, epoch);
    if (removed >= 0) return { removed, quotaEffects: [] };
    const rest = await this.#settle(partition, epoch, { entries: [], outcomes: [] });
    return { removed: -1 - removed, quotaEffects: rest.quotaEffects };
  }

  async due(partition: number, epoch: number, ask: DueAsk): Promise<DueResult> {
    checkToken(ask.token);
    const deliveries: LeasedDelivery[] = [];
    const rooms = new Map(ask.rooms);
    // More than one script only where payloads are so large that one answer would be too long.
    for (;;) {
      const max = Math.min(ask.max - deliveries.length, countMax);
      const text = JSON.stringify({
        max,
        room: Math.min(ask.room, countMax),
        rooms: Array.from(rooms, ([subscription, room]) => [subscription, Math.min(room, countMax)]),
        parked: deliveries.length
          ? []
          : Array.from(ask.parked, ([subscription, ms]) => [checkIncarnation(subscription), Math.ceil(ms)]),
        leaseMs: ask.leaseMs,
        token: ask.token,
        bytes: answerBytesMax,
      });
      const reply = await this.#link.run(due, this.#partitions.key(partition), [String(epoch), text]);
      if (!reply) throw new Fenced(partition, epoch);
      const [now, next, more, ...fields] = reply as [number, number, number, ...Buffer[]];
      const before = deliveries.length;
      readLeased(partition, fields, deliveries);
      for (const { subscription } of more ? deliveries.slice(before) : [])
        rooms.set(subscription, (rooms.get(subscription) ?? ask.room) - 1);
      if (!more) return { deliveries, now, nextInMs: next < 0 ? undefined : next };
    }
  }

  async receive(partition: number, ask: ReceiveAsk): Promise<ReceiveResult> {
    checkToken(ask.token);
    const { subscription, max, leaseMs, token, waitedMs } = ask;
    const reply = (await this.#link.run(receive, this.#partitions.key(partition), [
      checkIncarnation(subscription),
      String(Math.min(max, countMax)),
      String(Math.ceil(leaseMs)),
      token,
      String(answerBytesMax),
      String(waitedMs === undefined ? -1 : Math.ceil(waitedMs)),
    ])) as [number, number, ...Buffer[]];
    const [now, next, ...fields] = reply;
    const deliveries: LeasedDelivery[] = [];
    readLeased(partition, fields, deliveries);
    return { deliveries, now, nextInMs: next < 0 ? undefined : next };
  }

  async conclude(
    partition: number,
    outcomes: readonly LeaseOutcome[],
    attempts?: readonly AttemptBlock[],
  ): Promise<ConcludeResult> {
    const groups = alikeOf(outcomes);
    const text = concludeText(outcomes, groups, this.#quota);
    const args = [text, this.#attemptQuota, ...attemptArguments(attempts)];
    const reply = await this.#link.run(conclude, this.#partitions.key(partition), args);
    const [done, effects] = reply as [Buffer, readonly (Buffer | number)[]];
    return {
      applied: appliedOf(outcomes.length, groups, done),
      quotaEffects: quotaEffectsOf(effects),
    };
  }

  async hasten(partition: number, subscription: Incarnation): Promise<void> {
    const key = this.#partitions.key(partition);
    let seen = 0;
    while (seen >= 0) {
      const args = [checkIncarnation(subscription), String(seen), String(stepMax)];
      seen = (await this.#link.run(hasten, key, args)) as number;
    }
  }

  async deadLetters(
    partition: number,
    subscription: Incarnation,
    after: string | undefined,
    max: number,
  ): Promise<DeadLetterPage> {
    if (after !== undefined && !/^\d{1,16}$/.test(after)) {
      throw new RangeError(`${after} does not continue a list of dead letters`);
    }
    const args = [checkIncarnation(subscription), after ?? '0', String(max), String(answerBytesMax)];
    const reply = await this.#link.run(readDeadLetters, this.#partitions.key(partition), args);
    const [more, ...fields] = reply as [number, ...Buffer[]];
    const deadLetters: DeadLetter[] = [];
    for (let i = 0; i < fields.length; i += 5) {
      deadLetters.push(deadLetterOf(partition, subscription, fields, i + 1));
    }
    return more ? { deadLetters, next: String(fields.at(-5)) } : { deadLetters };
  }

  async deadLetter(
    partition: number,
    subscription: Incarnation,
    { entry, index }: Place,
  ): Promise<DeadLetter | undefined> {
    const key = this.#partitions.key(partition);
    const member = memberOf(entry, index);
    if (member === undefined) return undefined;
    const reply = await this.#link.run(readDeadLetter, key, [checkIncarnation(subscription), member]);
    const fields = reply as Buffer[];
    if (fields.length === 0) return undefined;
    return deadLetterOf(partition, subscription, [Buffer.from(member), ...fields], 0);
  }

  async letGo(
    partition: number,
    subscription: Incarnation,
    deadLetters: readonly DeadLetterKey[],
  ): Promise<number> {
    const key = this.#partitions.key(partition);
    const named = deadLetters.flatMap(({ place, deadLetteredAt }) => {
      const member = memberOf(place.entry, place.index);
      return member === undefined ? [] : [[member, String(deadLetteredAt)]];
    });
    let count = 0;
    for (let from = 0; from < named.length; from += stepMax) {
      const args = [checkIncarnation(subscription), ...named.slice(from, from + stepMax).flat()];
      count += (await this.#link.run(letGo, key, args)) as number;
    }
    return count;
  }

  async redrive(
    partition: number,
    subscription: Incarnation,
    which: { readonly places: readonly Place[] } | { readonly max: number },
  ): Promise<number> {
    const key = this.#partitions.key(partition);
    const head = (most: number) => [
      checkIncarnation(subscription),
      String(most),
      String(this.#quota.deferredBytesMax),
    ];
    let count = 0;
    if ('places' in which) {
      const members = which.places.flatMap(({ entry, index }) => memberOf(entry, index) ?? []);
      for (let from = 0; from < members.length; from += stepMax) {
        const args = [...head(0), ...members.slice(from, from + stepMax)];
        count += (await this.#link.run(redrive, key, args)) as number;
      }
      return count;
    }
    while (count < which.max) {
      const step = Math.min(which.max - count, stepMax);
      const moved = (await this.#link.run(redrive, key, head(step))) as number;
      count += moved;
      if (moved < step) break;
    }
    return count;
  }

  async usage(partition: number): Promise<PartitionUsage> {
    const key = this.#partitions.key(partition);
    const subscriptions: Usage[] = [];
    for (let from = '-'; ; from = `(${subscriptions.at(-1)!.subscription}`) {
      const reply = await this.#link.run(readUsage, key, [from, String(usagePageMax)]);
      const [logEntries, now, ...fields] = reply as [number, number, ...(Buffer | number | null)[]];
      for (let i = 0; i < fields.length; i += 6) subscriptions.push(usageOf(fields, i));
      if (fields.length < 6 * usagePageMax) return { subscriptions, logEntries, now };
    }
  }

  async purge(partition: number, subscription: Incarnation, max: number): Promise<number> {
    const key = this.#partitions.key(partition);
    let count = 0;
    while (count < max) {
      const step = Math.min(max - count, stepMax);
      const args = [checkIncarnation(subscription), String(step)];
      const gone = (await this.#link.run(purge, key, args)) as number;
      count += gone;
      if (gone < step) break;
    }
    return count;
  }

  async #settle(partition: number, epoch: number, batch: SettleBatch): Promise<SettleResult> {
    const text = settleText(batch, this.#quota);
    const args = [String(epoch), text, this.#attemptQuota, ...attemptArguments(batch.attempts)];
    const reply = await this.#link.run(settle, this.#partitions.key(partition), args);
    if (!reply) throw new Fenced(partition, epoch);
    const [removed, effects] = reply as [number, (Buffer | number)[]];
    return { removed, quotaEffects: quotaEffectsOf(effects) };
  }
}
