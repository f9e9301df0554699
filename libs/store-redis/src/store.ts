/**
 * The store port on Redis. Each call is one script on one partition (`scripts/`), issued by the part it belongs to; here
 * the parts meet, and the once-a-second look at the servers is kept going.
 */
import { type Clock, GridpostError, type Timer } from '@gridpost/model';
import {
  type AppendOptions,
  attemptQuotaOf,
  checkedJournals,
  type Journals,
  type Permit,
  quotaOf,
  type Store,
  type StoreHealth,
  type StoreInfo,
  type StoreLimits,
  type StoreSupports,
} from '@gridpost/store';
import { Attempts } from './attempts.js';
import { Call } from './call.js';
import type { Condition } from './condition.js';
import type { Founding } from './founding.js';
import { DeferralHints, OwnerHints } from './hints.js';
import { Histories } from './histories.js';
import { Identities } from './identities.js';
import { RedisJournals } from './journals.js';
import { checkIncarnation, configKey, type Key, deferredChannel, wakeChannel } from './keys.js';
import type { Link } from './link.js';
import { Log } from './log.js';
import { Partitions } from './partitions.js';
import { Queues } from './queues.js';
import { RedisResources } from './resources.js';
import { announce } from './scripts/founding.js';
import { permits } from './scripts/permits.js';
import type { Writer } from './writer.js';

const lookMs = 1_000;

export interface RedisStoreParts {
  readonly info: StoreInfo;
  readonly prefix: string;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  readonly link: Link;
  /** For writes, if they have a link of their own. */
  readonly writeLink: Link;
  readonly writer: Writer;
  readonly condition: Condition;
  readonly founding: Founding;
}

export class RedisStore implements Store {
  readonly info: StoreInfo;
  readonly supports: StoreSupports = { sharing: true };
  readonly resources: RedisResources;
  readonly journals: Journals;
  readonly #link: Link;
  readonly #writeLink: Link;
  readonly #condition: Condition;
  readonly #founding: Founding;
  readonly #config: Key;
  readonly #partitions: Partitions;
  readonly #hints: OwnerHints;
  readonly #deferrals: DeferralHints;
  readonly #log: Log;
  readonly #queues: Queues;
  readonly #histories: Histories;
  readonly #identities: Identities;
  readonly #attempts: Attempts;
  readonly #looks: Timer;
  #closing: Promise<void> | undefined;

  constructor(parts: RedisStoreParts) {
    const { info, prefix, limits, clock, link, writeLink, writer, condition, founding } = parts;
    this.info = info;
    this.#link = link;
    this.#writeLink = writeLink;
    this.#condition = condition;
    this.#founding = founding;
    this.#config = configKey(prefix);
    const partitions = new Partitions(prefix, info.partitions);
    this.#partitions = partitions;
    const companion = (turn: number) => link.companion(turn);
    this.#hints = new OwnerHints(companion, wakeChannel(prefix), clock);
    this.#deferrals = new DeferralHints(companion, deferredChannel(prefix), clock, info.partitions);
    this.#log = new Log({ link, writer, condition, hints: this.#hints, partitions });
    const attemptQuota = attemptQuotaOf(limits, info.partitions);
    this.#queues = new Queues(link, partitions, quotaOf(limits, info.partitions), attemptQuota);
    this.#attempts = new Attempts(link, partitions);
    this.#histories = new Histories(link, partitions);
    this.#identities = new Identities(link, partitions);
    this.resources = new RedisResources({ link, writer, key: this.#config, partitions: partitions.keys });
    this.journals = checkedJournals(new RedisJournals(link, writer, this.#config));
    const look = () => void this.#look().catch(() => {});
    link.onReady(look);
    if (writeLink !== link) writeLink.onReady(look);
    this.#looks = clock.every(lookMs, look);
  }

  async health(): Promise<StoreHealth> {
    try {
      const each = this.#partitions.keys.map((key) => this.#link.command(Call.keyed('hget', key, 'epoch')));
      await Promise.all([this.#founding.check(), ...each]);
    } catch (error) {
      return { ok: false, reason: (error as Error).message };
    }
    const reason = this.#condition.shortfall ?? this.#founding.complaint;
    return reason === undefined ? { ok: true } : { ok: false, reason };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async append(...[partition, events, options]: Parameters<Store['append']>) {
    const { refusal } = this.#founding;
    if (refusal !== undefined) throw new GridpostError('StoreUnavailable', refusal);
    return this.#log.append(partition, events, options ?? noOptions);
  }

  onAppend(wake: (partition: number) => void): () => void {
    return this.#hints.listen('appended', wake);
  }

  async announce(...[id, ttlMs, kind = 'worker']: Parameters<Store['announce']>): Promise<string[]> {
    const reply = await this.#link.run(announce, this.#config, [id, String(ttlMs), kind]);
    return (reply as Buffer[]).map(String).sort();
  }

  async withdraw(...[id, kind = 'worker']: Parameters<Store['withdraw']>): Promise<void> {
    await this.#link.command(Call.keyed('zrem', `${this.#config}:${kind}s`, id));
  }

  async permits(...[worker, asks, ttlMs]: Parameters<Store['permits']>): Promise<Permit[]> {
    const words = asks.flatMap(({ subscription, limit, wanted }) => [
      checkIncarnation(subscription),
      String(limit),
      String(wanted),
    ]);
    const args = [worker, String(Math.ceil(ttlMs)), ...words];
    const reply = (await this.#link.run(permits, this.#config, args)) as number[];
    return asks.map((_, i) => ({ held: reply[2 * i]!, waiting: reply[2 * i + 1]! }));
  }

  claim(...args: Parameters<Store['claim']>) {
    return this.#log.claim(...args);
  }

  renew(...args: Parameters<Store['renew']>) {
    return this.#log.renew(...args);
  }

  release(...args: Parameters<Store['release']>) {
    return this.#log.release(...args);
  }

  read(...args: Parameters<Store['read']>) {
    return this.#log.read(...args);
  }

  begin(...args: Parameters<Store['begin']>) {
    return this.#log.begin(...args);
  }

  settle(...args: Parameters<Store['settle']>) {
    return this.#queues.settle(...args);
  }

  due(...args: Parameters<Store['due']>) {
    return this.#queues.due(...args);
  }

  receive(...args: Parameters<Store['receive']>) {
    return this.#queues.receive(...args);
  }

  conclude(...args: Parameters<Store['conclude']>) {
    return this.#queues.conclude(...args);
  }

  onDeferred(...args: Parameters<Store['onDeferred']>) {
    return this.#deferrals.listen(...args);
  }

  hasten(...args: Parameters<Store['hasten']>) {
    return this.#queues.hasten(...args);
  }

  deadLetters(...args: Parameters<Store['deadLetters']>) {
    return this.#queues.deadLetters(...args);
  }

  deadLetter(...args: Parameters<Store['deadLetter']>) {
    return this.#queues.deadLetter(...args);
  }
  letGo(...args: Parameters<Store['letGo']>) {
    return this.#queues.letGo(...args);
  }
  redrive(...args: Parameters<Store['redrive']>) {
    return this.#queues.redrive(...args);
  }

  onRedrive(wake: (partition: number) => void): () => void {
    return this.#hints.listen('redriven', wake);
  }

  usage(...args: Parameters<Store['usage']>) {
    return this.#queues.usage(...args);
  }

  purge(...args: Parameters<Store['purge']>) {
    return this.#queues.purge(...args);
  }

  history(...args: Parameters<Store['history']>) {
    return this.#histories.page(...args);
  }

  histories(...args: Parameters<Store['histories']>) {
    return this.#histories.topics(...args);
  }

  trimHistory(...args: Parameters<Store['trimHistory']>) {
    return this.#histories.trim(...args);
  }

  identities(...args: Parameters<Store['identities']>) {
    return this.#identities.remembered(...args);
  }

  forgetIdentities(...args: Parameters<Store['forgetIdentities']>) {
    return this.#identities.forget(...args);
  }

  attempts(...args: Parameters<Store['attempts']>) {
    return this.#attempts.page(...args);
  }

  attemptUsage(...args: Parameters<Store['attemptUsage']>) {
    return this.#attempts.usage(...args);
  }

  /** What the servers offer, whether the store is still the one that was opened, and versions left half spread. */
  async #look(): Promise<void> {
    if (this.#closing) return;
    const [, version] = await Promise.all([this.#condition.refresh(), this.#founding.check()]);
    await this.resources.heal(version);
  }

  async #close(): Promise<void> {
    this.#looks.cancel();
    await Promise.all([this.#hints.close(), this.#deferrals.close()]);
    await Promise.all([this.#link.close(), this.#writeLink.close()]);
  }
}

const noOptions: AppendOptions = {};
