/**
 * Publishes numbered events at a steady rate, whatever becomes of them, and writes to the ledger what it means to send
 * before it sends and what it was told when it is told. Each event is sent once: an unknown outcome stays unknown.
 *
 * The rate is open-loop, as real publishers are: a router that stalls finds the events that came meanwhile. Only
 * `inFlightMax` bounds it, and what would exceed that is not sent and not in the ledger.
 */
import { Agent } from 'node:http';
import { mediaTypes } from './api.js';
import { call } from './http.js';
import type { Ledger, PublishOutcome } from './ledger.js';
import { atEnd } from './teardown.js';

export interface PublisherOptions {
  /** Where to publish. Several take turns, dead or alive. */
  readonly urls: readonly string[];
  readonly ledger: Ledger;
  /** Events per second. */
  readonly rate: number;
  /** Told of each first byte of an answer. */
  readonly onFirstByte?: () => void;
  /** Told of each event that was accepted, after the ledger. */
  readonly onAccepted?: (id: string) => void;
  /** Events in flight at most. Default 64. */
  readonly inFlightMax?: number;
  /** Longest wait for an answer. Default 10 s. */
  readonly timeoutMs?: number;
  /** Prefix of ids. Default `e`. */
  readonly prefix?: string;
}

export interface LedgerPublisher {
  /** Events by outcome so far. */
  readonly counts: Readonly<Record<PublishOutcome, number>>;
  /** `performance.now()` of the latest 200. */
  readonly lastAcceptedAt: number;
  /** Resolves at the next 200 to an event that was sent after this call. */
  nextAccepted(): Promise<void>;
  /** Resolves when `count` events have been accepted in all. */
  accepted(count: number): Promise<void>;
  /** Stops sending and waits for the answers that are under way. Safe to call twice. */
  stop(): Promise<void>;
}

const tickMs = 10;
/** Events sent at once at most, after this process itself was held up: a burst would be its doing, not the router's. */
const burstMax = 16;

export function startPublisher(options: PublisherOptions): LedgerPublisher {
  const {
    urls,
    ledger,
    rate,
    onFirstByte,
    onAccepted,
    inFlightMax = 64,
    timeoutMs = 10_000,
    prefix = 'e',
  } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: inFlightMax });
  const counts = { accepted: 0, refused: 0, unknown: 0 };
  const flights = new Set<Promise<void>>();
  const watchers = new Set<() => void>();
  let lastAcceptedAt = Number.NaN;
  let lastAcceptedNumber = -1;
  let sent = 0;
  let due = 0;
  let tickedAt = performance.now();

  const publish = async (number: number): Promise<void> => {
    const id = `${prefix}${number}`;
    const data = dataOf(number);
    const url = urls[number % urls.length]!;
    ledger.intend(id, data);
    let outcome: PublishOutcome;
    try {
      const answer = await call(url, {
        method: 'POST',
        headers: { 'content-type': mediaTypes.structured },
        body: `{"specversion":"1.0","id":"${id}","source":"/ledger","type":"ledger.event","data":${data}}`,
        agent,
        timeoutMs,
        ...(onFirstByte === undefined ? {} : { onFirstByte }),
      });
      outcome = outcomeOf(answer.status, answer.body);
    } catch (error) {
      // A connection that was refused carried nothing; any other end may have come after the request did.
      outcome = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : 'unknown';
    }
    ledger.conclude(id, outcome);
    counts[outcome]++;
    if (outcome !== 'accepted') return;
    onAccepted?.(id);
    lastAcceptedAt = performance.now();
    lastAcceptedNumber = Math.max(lastAcceptedNumber, number);
    for (const watch of [...watchers]) watch();
  };

  const ticking = setInterval(() => {
    const now = performance.now();
    due = Math.min(due + ((now - tickedAt) * rate) / 1_000, burstMax);
    tickedAt = now;
    while (due >= 1 && flights.size < inFlightMax) {
      due--;
      const flight: Promise<void> = publish(sent++).finally(() => flights.delete(flight));
      flights.add(flight);
    }
  }, tickMs);

  const when = (holds: () => boolean): Promise<void> => {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const watch = (): void => {
        if (!holds()) return;
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
    });
  };

  const stop = async (): Promise<void> => {
    clearInterval(ticking);
    await Promise.all(flights);
    agent.destroy();
  };
  atEnd(stop);

  return {
    counts,
    get lastAcceptedAt() {
      return lastAcceptedAt;
    },
    nextAccepted() {
      const from = sent;
      return when(() => lastAcceptedNumber >= from);
    },
    accepted: (count) => when(() => counts.accepted >= count),
    stop,
  };
}

/** Data that a router which parses and prints numbers, keys or escapes would change. */
function dataOf(number: number): Buffer {
  return Buffer.from(
    `{"number":${number}, "big":12345678901234567890${number},"twice":1,"twice":2,"accent":"\\u00e9","tiny":1e-400}`,
  );
}

function outcomeOf(status: number, body: Buffer): PublishOutcome {
  if (status === 200) return 'accepted';
  if (status >= 400 && status < 500) return 'refused';
  // The one 503 that is no refusal says so by its code; any other status from the router is not in its contract.
  if (status === 503 && !body.includes('OutcomeUnknown')) return 'refused';
  return 'unknown';
}
