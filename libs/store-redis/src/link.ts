/**
 * The connection that commands go through, on one server or a whole cluster: runs scripts, watches over what is not
 * answered, and knows what each server it speaks to offers.
 *
 * Every call settles. ioredis rejects what is under way when a connection ends; the watch sees to the rest: a frozen
 * server, a link that swallows, a command that a cluster's queue holds back. It looks every 50 ms for calls near their
 * timeout, rejects them and cuts their connections, since replies come in order and nothing later on them will be answered
 * sooner. A pause between two looks counts as no more than two of them, so that a process that stood still does not take
 * its own pause for the server's.
 */
import type { Socket } from 'node:net';
import { Bag, type Clock, GridpostError, type Timer } from '@gridpost/model';
import { Cluster, type Redis } from 'ioredis';
import { type Argument, Call, type Script } from './call.js';
import { type Client, clientOf, companionOf, primariesOf } from './client.js';
import { type Effect, failureOf, isReply, isUnknownScript } from './failure.js';
import type { Key } from './keys.js';
import { type Offer, offerOf } from './offer.js';
import type { Target } from './url.js';

const watchMs = 50;
/** How long before its time a call is given up, so that a look that comes late does not make it late. */
const marginMs = 3 * watchMs;

export interface LinkOptions {
  readonly target: Target;
  readonly clock: Clock;
  /** Longest a call may stay unanswered. */
  readonly timeoutMs: number;
  /** Why an offer is not enough, if it is not. */
  readonly judge: (offer: Offer) => string | undefined;
}

/** What is known of a connection: the server behind it, as it described itself over this very connection. */
export interface Standing {
  readonly node: Redis;
  readonly offer: Offer;
  readonly shortfall: string | undefined;
}

/** What a script returned, and the connection it ran on. */
export interface Executed {
  readonly reply: unknown;
  readonly socket: Socket;
}

export class Link {
  readonly #client: Client;
  readonly #place: string;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #judge: LinkOptions['judge'];
  readonly #watch: Timer;
  readonly #unanswered = new Bag<Call>();
  readonly #standings = new WeakMap<Socket, Standing>();
  /** Time that has passed under watch, in ms. */
  #watched = 0;
  #lookedAt: number;
  #lastError = '';
  #closed = false;

  constructor({ target, clock, timeoutMs, judge }: LinkOptions) {
    this.#client = clientOf(target, timeoutMs);
    this.#place = target.place;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#judge = judge;
    const note = (error: Error & { code?: string }) => {
      this.#lastError = error.message || error.code || String(error);
    };
    this.#client.on('error', note);
    this.#client.on('node error', note);
    this.#client.on('sentinelError', note);
    this.#lookedAt = clock.elapsed();
    this.#watch = clock.every(watchMs, () => this.#look());
  }

  /** Connects for the first time. Rejects with `StoreUnavailable` and the reason; later connections are made by themselves. */
  async connect(): Promise<void> {
    const connecting = this.#client.connect();
    const tooLate = new Promise<never>((_, reject) => {
      const timer = this.#clock.after(this.#timeoutMs, () => reject(new Error('no answer')));
      connecting.then(
        () => timer.cancel(),
        () => timer.cancel(),
      );
    });
    try {
      await Promise.race([connecting, tooLate]);
    } catch (error) {
      const reason = this.#lastError || (error as Error).message;
      throw new GridpostError('StoreUnavailable', `Redis at ${this.#place} cannot be reached: ${reason}`);
    }
  }

  /** Calls whenever a server has become ready, also again after a lost connection. */
  onReady(call: () => void): void {
    if (this.#client instanceof Cluster) this.#client.on('+node', (node: Redis) => node.on('ready', call));
    this.#client.on('ready', call);
  }

  /** Runs a script that does no harm if it is run twice. */
  async run(script: Script, key: Key, args: readonly Argument[]): Promise<unknown> {
    return (await this.execute(script, key, args, 'repeatable')).reply;
  }

  /** Runs a script in one round trip, or two where the server does not know it yet. Rejects as `failureOf` says. */
  async execute(script: Script, key: Key, args: readonly Argument[], effect: Effect): Promise<Executed> {
    let call = Call.script(script, key, args);
    try {
      try {
        const reply = await this.#send(call, this.#client);
        return { reply, socket: call.socket! };
      } catch (error) {
        if (!isUnknownScript(error)) throw error;
      }
      call = Call.scriptText(script, key, args);
      const reply = await this.#send(call, this.#client);
      return { reply, socket: call.socket! };
    } catch (error) {
      throw failureOf(error, call, effect, this.#place);
    }
  }

  /** Sends a plain command that does no harm if it is executed twice. */
  async command(call: Call, node: Client = this.#client): Promise<unknown> {
    try {
      return await this.#send(call, node);
    } catch (error) {
      throw failureOf(error, call, 'repeatable', this.#place);
    }
  }

  /** Asks every server that writes go to what it offers. Rejects if one does not answer. */
  async assess(): Promise<Standing[]> {
    return Promise.all(primariesOf(this.#client).map((node) => this.#assess(node)));
  }

  /** What the server behind a connection offered over it; undefined if it has not been asked since it was connected. */
  standing(socket: Socket): Standing | undefined {
    return this.#standings.get(socket);
  }

  /** Asks, on every connection, until the answer on this one is there. Rejects if it does not come: it is gone. */
  async standingOf(socket: Socket): Promise<Standing> {
    const looks = primariesOf(this.#client).map(async (node) => {
      await this.#assess(node);
      const standing = this.#standings.get(socket);
      if (!standing) throw new Error('this was another connection');
      return standing;
    });
    return Promise.any(looks);
  }

  /** A connection for listening, not watched by this link. */
  companion(turn: number): Redis | undefined {
    return companionOf(this.#client, turn);
  }

  /** Waits for what is under way, then ends the connections. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled([...this.#unanswered].map((call) => call.promise));
    this.#watch.cancel();
    const { status } = this.#client;
    const ended = new Promise<void>((resolve) => this.#client.once('end', () => resolve()));
    this.#client.disconnect();
    // Between two attempts to connect there is nothing that could end.
    if (status !== 'end' && status !== 'reconnecting' && status !== 'wait') await ended;
  }

  async #send(call: Call, node: Client): Promise<unknown> {
    if (this.#closed) throw new Error('the store is closed');
    call.madeAt = this.#watched;
    this.#unanswered.add(call);
    try {
      return await node.sendCommand(call);
    } finally {
      this.#unanswered.delete(call);
    }
  }

  async #assess(node: Redis): Promise<Standing> {
    const info = Call.command('info');
    const wanted = ['appendonly', 'appendfsync', 'no-appendfsync-on-rewrite', 'maxmemory-policy'];
    const [text, config, waitaof] = await Promise.all([
      this.command(info, node),
      this.#unlessRefused(Call.command('config', 'get', ...wanted), node),
      this.#unlessRefused(Call.command('command', 'info', 'waitaof'), node),
    ]);
    const settings = new Map<string, string>();
    for (let i = 0; i + 1 < config.length; i += 2) settings.set(String(config[i]), String(config[i + 1]));
    const offer = offerOf(String(text), settings, Array.isArray(waitaof[0]));
    const standing = { node, offer, shortfall: this.#judge(offer) };
    this.#standings.set(info.socket!, standing);
    return standing;
  }

  /** The reply's elements; none where the user is not allowed to ask. */
  async #unlessRefused(call: Call, node: Redis): Promise<readonly unknown[]> {
    try {
      return (await this.#send(call, node)) as unknown[];
    } catch (error) {
      if (isReply(error)) return [];
      throw failureOf(error, call, 'repeatable', this.#place);
    }
  }

  #look(): void {
    const at = this.#clock.elapsed();
    this.#watched += Math.min(at - this.#lookedAt, 2 * watchMs);
    this.#lookedAt = at;
    for (const call of this.#unanswered) {
      if (this.#watched - call.madeAt < this.#timeoutMs - marginMs) continue;
      call.giveUp(new Error(`no answer in ${this.#timeoutMs} ms`));
    }
  }
}
