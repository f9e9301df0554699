/**
 * How many attempts run at once on this worker, over all subscriptions: so many that a thousand endpoints that fail together,
 * or come back together, leave sockets and turns of the event loop to everybody else. The limit is found out by trying:
 *
 *     the process has time to spare, and somebody waits ──► twice as many
 *     it has none ──► half, but not below what one subscription may run
 *
 * More attempts at once than a saturated process can handle make each turn of its event loop longer and nothing faster; where
 * endpoints are slow it has time to spare, and the limit grows within a second to what sockets allow.
 *
 * Whoever finds no room waits and is called when there is some, one attempt each. *Prompt* is who starts what has just been
 * published, for an endpoint that gives no trouble; the others catch up. Both kinds take turns where both wait, so that the
 * few that are prompt wait for the next end and not behind all that catch up. A prompt one is never refused its even share:
 * all others may be attempts at endpoints that hang, of which none ends soon.
 */

/** Called when an attempt may start. */
export type Call = () => void;

export class Capacity {
  readonly #min: number;
  readonly #max: number;
  readonly #prompt = new Set<Call>();
  readonly #late = new Set<Call>();
  #limit: number;
  #running = 0;
  /** Lanes with attempts under way. */
  #lanes = 0;
  /** Who is being called may start one. */
  #granted = false;
  #promptNext = true;
  #serving = false;

  constructor({ min, max }: { readonly min: number; readonly max: number }) {
    this.#min = min;
    this.#max = Math.max(min, max);
    this.#limit = Math.min(this.#max, 4 * min);
  }

  /** Attempts that may run at once. */
  get limit(): number {
    return this.#limit;
  }

  /** Whether a lane that has `running` attempts under way may start another; if not, it is called when it may. */
  offers(running: number, prompt: boolean, call: Call): boolean {
    if (this.#granted) return true;
    const waiting = this.#prompt.size + (prompt ? 0 : this.#late.size);
    if (waiting === 0 && this.#running < this.#limit) return true;
    if (prompt && running < Math.max(1, Math.floor(this.#limit / this.#lanes))) return true;
    (prompt ? this.#prompt : this.#late).add(call);
    return false;
  }

  /** A lane with `running` attempts under way has started one more. */
  started(running: number): void {
    this.#granted = false;
    this.#running++;
    if (running === 0) this.#lanes++;
  }

  /** One has ended of a lane that has `running` left. */
  ended(running: number): void {
    this.#running--;
    if (running === 0) this.#lanes--;
    this.#serve();
  }

  /** To be called about every 100 ms. `saturated`: the process has no time to spare. */
  look(saturated: boolean): void {
    if (saturated) this.#limit = Math.max(this.#min, Math.floor(this.#limit / 2));
    else if (this.#prompt.size + this.#late.size > 0) this.#limit = Math.min(this.#max, this.#limit * 2);
    this.#serve();
  }

  #serve(): void {
    if (this.#serving || this.#prompt.size + this.#late.size === 0) return;
    this.#serving = true;
    // Not now: whoever has ended an attempt is in the middle of something.
    queueMicrotask(() => {
      this.#serving = false;
      while (this.#running < this.#limit) {
        const call = this.#next();
        if (!call) return;
        this.#granted = true;
        call();
        this.#granted = false;
      }
    });
  }

  #next(): Call | undefined {
    const prompt = this.#late.size === 0 || (this.#promptNext && this.#prompt.size > 0);
    this.#promptNext = !prompt;
    const line = prompt ? this.#prompt : this.#late;
    for (const call of line) {
      line.delete(call);
      return call;
    }
    return undefined;
  }
}
