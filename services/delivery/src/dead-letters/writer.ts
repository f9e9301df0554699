/**
 * Writes dead letters to the destinations that subscriptions name. `runOnce` is one pass over the owned partitions: it
 * finds who has something to be written and has each begin (`line.ts`); what is slow or down holds up nobody else.
 */
import type { Incarnation, Subscription } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import { Line, type LineOptions } from './line.js';

export interface WriterOptions extends LineOptions {
  readonly registry: Registry;
  /** Those owned at the moment. */
  readonly partitions: () => readonly { readonly partition: number }[];
}

/** Subscriptions written for at once: each holds a batch, and what it was read from, in memory. */
const runningMax = 8;

interface Due {
  readonly subscription: Subscription;
  readonly partitions: number[];
}

export class DeadLetterWriter {
  readonly #options: WriterOptions;
  readonly #lines = new Map<Incarnation, Line>();
  /** Names under which there are series. */
  readonly #named = new Map<Incarnation, readonly [topic: string, name: string]>();
  readonly #stopWatching: () => void;
  #anyDestination: boolean | undefined;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#stopWatching = options.registry.onChange(() => {
      this.#anyDestination = undefined;
    });
  }

  /** Resolves when all that is due has been begun. Rejects as the store does; the next pass goes on. */
  async runOnce(): Promise<void> {
    const { store, registry, partitions } = this.#options;
    const held = new Map<Incarnation, Due>();
    let now = 0;
    // Where nobody has a destination, which is usual, the store is not asked.
    this.#anyDestination ??= anyDestination(registry);
    for (const { partition } of this.#anyDestination ? partitions() : []) {
      const usage = await store.usage(partition);
      now = usage.now;
      for (const { subscription: id, deadLettered } of usage.subscriptions) {
        const { subscription } = registry.subscription(id) ?? {};
        if (deadLettered === 0 || !subscription?.properties.deadLetterDestination) continue;
        const due = held.get(id) ?? { subscription, partitions: [] };
        due.partitions.push(partition);
        held.set(id, due);
      }
    }
    this.#begin(held, now);
    this.#show(held, now);
  }

  /** Begins nothing more, and ends the requests under way. Resolves when nothing is. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopWatching();
    this.#options.destinations.close();
    await Promise.all([...this.#lines.values()].map(({ running }) => running));
  }

  /** Whose turn was longest ago comes first, so that destinations that hang do not take all the room for ever. */
  #begin(held: ReadonlyMap<Incarnation, Due>, now: number): void {
    const lines = Array.from(held, ([id, due]) => ({ line: this.#lineOf(id, due.subscription), ...due }));
    lines.sort((a, b) => a.line.lastRunAt - b.line.lastRunAt);
    for (const { line, subscription, partitions } of lines) {
      const running = [...this.#lines.values()].filter((each) => each.running).length;
      if (this.#closed || running >= runningMax) return;
      line.run(subscription, partitions, now);
    }
  }

  #lineOf(id: Incarnation, subscription: Subscription): Line {
    let line = this.#lines.get(id);
    if (!line) {
      line = new Line(subscription, this.#options);
      this.#lines.set(id, line);
    }
    return line;
  }

  #show(held: ReadonlyMap<Incarnation, Due>, now: number): void {
    const { metrics, registry } = this.#options;
    for (const [id, line] of this.#lines) {
      const due = held.get(id);
      if (due) {
        const { topic, name } = due.subscription;
        this.#named.set(id, [topic, name]);
        metrics.unwrittenAge.with(topic, name).set(line.overdueMs(now) / 1_000);
      } else if (!line.running) this.#lines.delete(id);
    }
    for (const [id, [topic, name]] of this.#named) {
      if (held.has(id)) continue;
      metrics.unwrittenAge.with(topic, name).set(0);
      if (registry.subscription(id)?.subscription.properties.deadLetterDestination) continue;
      this.#named.delete(id);
      metrics.unwrittenAge.forget(topic, name);
    }
  }
}

function anyDestination(registry: Registry): boolean {
  for (const { subscription } of registry.subscriptions())
    if (subscription.properties.deadLetterDestination) return true;
  return false;
}
