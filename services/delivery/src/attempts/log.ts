/** What is logged of attempts: one line for each, and where decisions differ within a batch, one for each decision. */
import type { Log } from '@gridpost/model';
import type { Batch } from './batch.js';
import type { Decision } from './decision.js';
import type { AttemptResult, OpenDelivery, Passage } from './open-delivery.js';

export class AttemptLog {
  readonly #log: Log;
  readonly #logsSuccess: boolean;

  constructor(log: Log) {
    this.#log = log;
    this.#logsSuccess = log.isLevelEnabled?.('debug') ?? false;
  }

  delivered(deliveries: readonly OpenDelivery[], status: number, ms: number): void {
    if (!this.#logsSuccess) return;
    this.#log.debug({ ...factsOf(deliveries), status, durationMs: Math.round(ms) }, 'delivered');
  }

  failed(deliveries: readonly OpenDelivery[], result: AttemptResult, decision: Decision): void {
    const { outcome, status, lastError: error, startedAt, endedAt } = result;
    const durationMs = Math.round(endedAt - startedAt);
    const fields = { ...factsOf(deliveries), outcome, status, durationMs, error };
    if (decision.kind === 'retry')
      this.#log.info({ ...fields, nextInMs: decision.delayMs }, 'attempt failed, will be repeated');
    else if (decision.kind === 'stop') this.#log.warn(fields, 'attempt failed, endpoint wants no more');
    else if (decision.kind === 'deadLetter')
      this.#log.warn({ ...fields, reason: decision.reason }, 'attempt failed, delivery given up');
  }

  /** The endpoint found the batch too large. */
  split({ deliveries, bytes, target }: Batch): void {
    this.#log.info(
      { ...factsOf(deliveries), bytes, bytesMax: target.bytesMax },
      'batch is too large for the endpoint: smaller ones follow',
    );
  }

  notEncoded(delivery: OpenDelivery, error: unknown): void {
    this.#log.error({ ...namesOf(delivery), error: String(error) }, 'event cannot be encoded');
  }

  endpointWaits(lane: Passage, holdMs: number): void {
    this.#log.info(
      { ...subscriptionOf(lane), holdMs },
      'endpoint wants to be left alone: its deliveries wait',
    );
  }
}

/** Of deliveries with as many attempts before this one; of a batch it names the first. */
function factsOf(deliveries: readonly OpenDelivery[]): object {
  const [first, ...others] = deliveries as [OpenDelivery];
  const events = others.length === 0 ? {} : { events: deliveries.length };
  return { ...namesOf(first), ...events, attempt: first.attempts + 1 };
}

function namesOf({ lane, event, holder, entry, index }: OpenDelivery): object {
  const place = `${holder.partition}/${entry}/${index}`;
  return { ...subscriptionOf(lane), eventId: event.id, source: event.source, place };
}

function subscriptionOf({ registered }: Passage): { topic: string; subscription: string } {
  const { topic, name } = registered.subscription;
  return { topic, subscription: name };
}
