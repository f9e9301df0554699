/**
 * Writes that must be durable before they are answered: appends, and changes of the configuration.
 *
 * A reply means what the server offers over the very connection it came on, so each new connection's offer is looked at
 * before the first write over it is answered. Where a reply is not enough, `WAIT` or `WAITAOF` follow on the same
 * connection, one for all writes that were executed meanwhile. They block that connection, which therefore carries
 * nothing but such writes (`open.ts`).
 */
import type { Socket } from 'node:net';
import { atLeast, type Clock, type Durability, GridpostError } from '@gridpost/model';
import { type Argument, Call, type Script } from './call.js';
import type { Key } from './keys.js';
import type { Link, Standing } from './link.js';
import { confirmationOf } from './offer.js';
import { SharedRun } from './shared-run.js';

export interface WriterOptions {
  readonly link: Link;
  readonly durability: Durability;
  readonly clock: Clock;
  /** Longest a write and its confirmation may take. */
  readonly timeoutMs: number;
}

export class Writer {
  readonly #link: Link;
  readonly #durability: Durability;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #confirms: boolean;
  readonly #confirmations = new WeakMap<Socket, SharedRun<void>>();

  constructor({ link, durability, clock, timeoutMs }: WriterOptions) {
    this.#link = link;
    this.#durability = durability;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#confirms = atLeast(durability, 'disk');
  }

  /** Whether writes may block their connection. */
  static blocks(durability: Durability): boolean {
    return atLeast(durability, 'disk');
  }

  /** Resolves with the script's reply when what it wrote is durable in the class; rejects as `failureOf` says. */
  async write(script: Script, key: Key, args: readonly Argument[]): Promise<unknown> {
    const from = this.#confirms ? this.#clock.elapsed() : 0;
    const { reply, socket } = await this.#link.execute(script, key, args, 'once');
    const standing = this.#link.standing(socket) ?? (await this.#standing(socket));
    if (standing.shortfall !== undefined) throw unknown(standing.shortfall);
    if (this.#confirms) await this.#within(this.#timeoutMs - (this.#clock.elapsed() - from), socket);
    return reply;
  }

  /** Looks at a connection that is new. */
  async #standing(socket: Socket): Promise<Standing> {
    try {
      return await this.#link.standingOf(socket);
    } catch {
      throw unknown('the connection was lost before the server had described itself');
    }
  }

  #within(ms: number, socket: Socket): Promise<void> {
    let confirmation = this.#confirmations.get(socket);
    if (!confirmation) {
      confirmation = new SharedRun(() => this.#confirm(socket));
      this.#confirmations.set(socket, confirmation);
    }
    const confirmed = confirmation.ask();
    return new Promise<void>((resolve, reject) => {
      const timer = this.#clock.after(Math.max(0, ms), () => reject(unknown('no confirmation in time')));
      confirmed.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** One confirmation of everything that has been executed on the connection. */
  async #confirm(socket: Socket): Promise<void> {
    const { node, offer } = this.#link.standing(socket)!;
    const { disk, replicas } = confirmationOf(offer, this.#durability);
    const ms = String(Math.floor(this.#timeoutMs / 2));
    const waits: Promise<boolean>[] = [];
    const ask = async (wanted: number, ...words: string[]) => {
      const call = Call.command(words[0]!, ...words.slice(1));
      const reply = await this.#link.command(call, node);
      const count = Number(Array.isArray(reply) ? reply[0] : reply);
      return count >= wanted && call.socket === socket;
    };
    if (disk) waits.push(ask(1, 'waitaof', '1', '0', ms));
    if (replicas > 0) waits.push(ask(replicas, 'wait', String(replicas), ms));
    let confirmed = false;
    try {
      confirmed = (await Promise.all(waits)).every(Boolean);
    } catch (error) {
      throw unknown((error as Error).message);
    }
    if (!confirmed) throw unknown(`fewer than ${replicas} replicas or the disk confirmed the write`);
  }
}

function unknown(reason: string): GridpostError {
  return new GridpostError('OutcomeUnknown', `the write is not known to be durable: ${reason}`);
}
