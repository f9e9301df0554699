/**
 * Asks endpoints whether they want events, and writes what came of it. The state is in the subscription's document, so
 * that any gateway can go on: one that wants to make a try writes that first, on condition that nobody else did, and a try
 * whose gateway died is made again when its time is over. An outcome counts only for the try that it is of; whatever was
 * written of the subscription meanwhile stands.
 *
 * Every gateway looks once a second for tries that are due. What a write has just made due is taken at once.
 */
import {
  type Clock,
  type Endpoint,
  endpointOf,
  type FunctionApps,
  type Log,
  type PendingProvisioning,
  pendingOf,
  type Provisioning,
  type Subscription,
  subscriptionPath,
  type Timer,
  topicPath,
} from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import type { Store } from '@gridpost/store';
import { hasten } from '../by-partition.js';
import { changing } from '../preconditions.js';
import type { Stored } from '../stored.js';
import type { HandshakeSecrets, Named } from './handshake-secrets.js';
import { judgeOrigin, originRequest } from './origin-request.js';
import { describeFailure, NoAnswer, type Outgoing } from './outgoing.js';
import { concluded, givenUp, tried, untried } from './provisioning.js';
import { judgeCode, validationEvent } from './validation-event.js';
import type { Verdict } from './verdict.js';

export interface HandshakesOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly secrets: HandshakeSecrets;
  readonly functionApps: FunctionApps;
  readonly outgoing: Outgoing;
}

const lookEveryMs = 1_000;
/** Tries of one gateway at once, and of them at one host: nobody is to be flooded by way of many subscriptions. */
const triesMax = 32;
const triesPerHostMax = 4;

/** `asking`: the endpoint has not answered yet. `over`: there is no such handshake, or not any more. */
export type Grant = 'granted' | 'asking' | 'over';

export class Handshakes {
  readonly #options: HandshakesOptions;
  /** Hosts that are asked now, by the handshake's id. */
  readonly #hosts = new Map<string, string>();
  readonly #underWay = new Set<Promise<void>>();
  #publicUrl = '';
  #looking: Timer | undefined;
  #stopWatching: (() => void) | undefined;
  /** The subscriptions whose endpoints are being asked, as the registry has them; undefined if that has changed. */
  #pending: Subscription[] | undefined;
  #closed = false;

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  /** `publicUrl`: where endpoints reach the gateways; its host is the origin that they are asked to allow. */
  start(publicUrl: string): void {
    const { clock, registry } = this.#options;
    this.#publicUrl = publicUrl;
    this.#stopWatching = registry.onChange(() => {
      this.#pending = undefined;
    });
    this.#looking = clock.every(lookEveryMs, () => this.#look());
  }

  /** Makes the try that is due, unless there is no room for it now; a later look finds it then. Returns at once. */
  take(subscription: Subscription): void {
    const { topic, name, properties } = subscription;
    const id = pendingOf(subscription)?.handshake.id;
    if (id === undefined || this.#closed || this.#hosts.has(id)) return;
    const endpoint = endpointOf(properties.destination!, this.#options.functionApps);
    const host = endpoint ? new URL(endpoint.url).hostname : '';
    if (this.#hosts.size >= triesMax || this.#triesAt(host) >= triesPerHostMax) return;
    this.#hosts.set(id, host);
    const going = this.#take(subscriptionPath(topic, name), id)
      .catch((error: unknown) => {
        const fields = { topic, subscription: name, error: String(error) };
        this.#options.log.warn(fields, 'handshake could not be continued');
      })
      .finally(() => {
        this.#hosts.delete(id);
        this.#underWay.delete(going);
      });
    this.#underWay.add(going);
  }

  /** Somebody opened the address, or called back. Rejects as the store does. */
  async grant({ subscription: path, id }: Named, allowedRate: number | undefined): Promise<Grant> {
    let asking = false;
    const written = await this.#rewrite(path, id, (pending, now) => {
      const { kind, phase, until, endsAt } = pending.handshake;
      if (now >= endsAt) return undefined;
      // What calls back before it has answered repeats what it was sent, and has decided nothing.
      asking = kind === 'Options' && phase === 'trying' && now < until;
      if (asking) return undefined;
      const rate = allowedRate === undefined ? {} : { allowedRate };
      return concluded(pending, { kind: 'agreed', ...rate }, now);
    });
    if (written) return 'granted';
    return asking ? 'asking' : 'over';
  }

  /** Begins no more tries. Those under way go on. Safe to call twice. */
  stop(): void {
    this.#closed = true;
    this.#looking?.cancel();
    this.#stopWatching?.();
  }

  /** Resolves when the outcome of each try under way is written. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  get #origin(): string {
    return new URL(this.#publicUrl).hostname;
  }

  #look(): void {
    const { registry, clock } = this.#options;
    this.#pending ??= Array.from(registry.subscriptions(), ({ subscription }) => subscription).filter(
      pendingOf,
    );
    const now = clock.now();
    for (const subscription of this.#pending)
      if (this.#isDue(pendingOf(subscription)!, now)) this.take(subscription);
  }

  /** A try that this process does not know of is another's, and where there is no other it died with the last process. */
  #isDue({ handshake }: PendingProvisioning, now: number): boolean {
    return handshake.until <= now || (handshake.phase === 'trying' && !this.#options.store.supports.sharing);
  }

  async #take(path: string, id: string): Promise<void> {
    const { store, clock, functionApps } = this.#options;
    const found = (await store.resources.get(path)) as Stored<Subscription> | undefined;
    const pending = found && pendingOf(found.value);
    const now = clock.now();
    if (pending?.handshake.id !== id || !this.#isDue(pending, now)) return;
    if (now >= pending.handshake.endsAt) {
      await this.#rewrite(path, id, (current, at) =>
        at < current.handshake.endsAt ? undefined : givenUp(current, at),
      );
      return;
    }
    const endpoint = endpointOf(found!.value.properties.destination!, functionApps);
    if (!endpoint) {
      const reason = 'the function app is not among those of this deployment';
      await this.#rewrite(path, id, (_, at) => ({ state: 'Failed', at, reason }));
      return;
    }
    const trying = tried(pending, this.#origin, now);
    const subscription: Subscription = { ...found!.value, provisioning: trying };
    const claimed = await store.resources.put(path, subscription, { ifMatch: found!.etag });
    if (!('etag' in claimed)) return;
    const verdict = await this.#ask(endpoint, subscription, trying);
    const { tries } = trying.handshake;
    await this.#rewrite(path, id, (current, at) => {
      // A try of which nothing was heard in time was made again, by another.
      if (current.handshake.tries !== tries) return undefined;
      return verdict === undefined ? untried(current, at) : concluded(current, verdict, at);
    });
  }

  #triesAt(hostname: string): number {
    let count = 0;
    for (const host of this.#hosts.values()) if (host === hostname) count++;
    return count;
  }

  /** Undefined if this process ends before there is an answer. */
  async #ask(
    endpoint: Endpoint,
    { topic, name, properties: { signing } }: Subscription,
    { handshake }: PendingProvisioning,
  ): Promise<Verdict | undefined> {
    const { clock, secrets, outgoing } = this.#options;
    const { id, kind } = handshake;
    const address = secrets.urlOf({ subscription: subscriptionPath(topic, name), id }, this.#publicUrl);
    try {
      if (kind === 'Options') {
        const origin = this.#origin;
        return judgeOrigin(
          await outgoing.send(originRequest({ endpoint, origin, callbackUrl: address })),
          origin,
        );
      }
      const code = secrets.codeOf(id);
      const names = { topic: `/${topicPath(topic)}`, subscription: name, id };
      const ask = { endpoint, ...names, signing, code, now: clock.now() };
      return judgeCode(await outgoing.send(validationEvent({ ...ask, validationUrl: address })), code);
    } catch (error) {
      if (error instanceof NoAnswer && error.why === 'closed') return undefined;
      return { kind: 'again', reason: describeFailure(error as Error) };
    }
  }

  /**
   * Writes what `change` makes of the handshake with this id, whatever else is written of the subscription at the same
   * time. Resolves with what was written; undefined if that handshake is over, or `change` wants nothing written.
   */
  async #rewrite(
    path: string,
    id: string,
    change: (pending: PendingProvisioning, now: number) => Provisioning | undefined,
  ): Promise<Provisioning | undefined> {
    const { store, clock } = this.#options;
    const nothing = Symbol('nothing');
    const result = await changing(async () => {
      const found = (await store.resources.get(path)) as Stored<Subscription> | undefined;
      const pending = found && pendingOf(found.value);
      if (pending?.handshake.id !== id) return nothing;
      const provisioning = change(pending, clock.now());
      if (!provisioning) return nothing;
      const value: Subscription = { ...found!.value, provisioning };
      const put = await store.resources.put(path, value, { ifMatch: found!.etag });
      return 'etag' in put ? value : undefined;
    });
    if (typeof result === 'symbol') return undefined;
    await this.#written(result);
    return result.provisioning;
  }

  async #written({ topic, name, incarnation, provisioning }: Subscription): Promise<void> {
    const { log, metrics, store, registry } = this.#options;
    const { state } = provisioning!;
    const reason = 'reason' in provisioning! ? provisioning.reason : undefined;
    metrics.handshakes.with(state).add();
    const fields = { topic, subscription: name, state, reason };
    if (state === 'Succeeded') log.info(fields, 'endpoint agreed to get events');
    else log.warn(fields, 'endpoint has not agreed to get events');
    await registry.refresh();
    if (state === 'Succeeded') await hasten(store, incarnation);
  }
}
