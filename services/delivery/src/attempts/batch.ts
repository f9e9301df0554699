/**
 * What goes into one attempt: a delivery, or several where their subscription has batches (Event Grid, "Output batching").
 *
 * A batch never waits for more. It takes what is in line when its turn comes, up to the number of events and the size
 * that the subscription wants; a single event that is larger goes alone. It also ends before an event for which one of
 * the subscription's own headers, or the mark of the job that sends it, would have another value, since a header is true
 * of the whole request.
 *
 * All of a batch's events get the endpoint's one answer. What follows from it is decided for each of them by itself.
 */
import { hash } from 'node:crypto';
import { type EncodedDelivery, encodeBatch, encodeOne } from '@gridpost/codec';
import type { Signer } from '@gridpost/egress';
import type { AttemptRequest } from '../requests/dispatch.js';
import type { OpenDelivery, Passage } from './open-delivery.js';
import type { Target } from '../requests/target.js';

const none: readonly string[] = [];

export class Batch {
  readonly lane: Passage;
  /** The lane's when the batch was begun. */
  readonly target: Target;
  /** Whether its turn was that of fresh deliveries; others may be in it. */
  readonly fresh: boolean;
  readonly deliveries: OpenDelivery[] = [];
  /** `clock.elapsed()` when the attempt started. */
  startedAt = 0;
  /** Without batches. */
  #alone: EncodedDelivery | undefined;
  #elements: Buffer[] = [];
  /** Of the body: a bracket before each element or a comma, and one more behind the last. */
  #bytes = 1;
  #found = none;

  constructor(lane: Passage, fresh: boolean) {
    this.lane = lane;
    this.target = lane.target;
    this.fresh = fresh;
  }

  /** Bytes of the body of a batch. */
  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.deliveries.length >= this.target.eventsMax;
  }

  /** Takes a delivery; false if it has to go into another. Throws `TypeError` for an event that cannot be encoded. */
  add(delivery: OpenDelivery): boolean {
    const { target, deliveries } = this;
    const { event } = delivery;
    const found = target.headers.foundIn(event);
    if (target.batches) {
      const element = encodeOne(event, target.schema);
      const bytes = this.#bytes + element.length + 1;
      if (deliveries.length > 0 && (bytes > target.bytesMax || !same(found, this.#found))) return false;
      this.#elements.push(element);
      this.#bytes = bytes;
    } else {
      this.#alone = target.encodeAlone(event);
    }
    this.#found = found;
    deliveries.push(delivery);
    return true;
  }

  /** The request that carries what it holds, signed at `now` (`clock.now()`) where it is to be. To be called once. */
  request(now: number): AttemptRequest {
    const { target, deliveries } = this;
    const { headers, body } = this.#alone ?? encodeBatch(this.#elements, target.schema);
    this.#elements = [];
    const { origin, path, signer, tokens } = target;
    const all = target.headers.of(headers, deliveries, this.#found);
    if (signer) this.#sign(signer, all, body, now);
    return { origin, path, headers: all, body, tokens };
  }

  /** A batch gets an id here: that of these deliveries in this order, whichever worker puts them together again. */
  #sign(signer: Signer, headers: string[], body: Buffer | undefined, now: number): void {
    const [first, ...others] = this.deliveries;
    let id = first!.messageId;
    if (others.length > 0) {
      id = `batch_${hash('sha256', this.deliveries.map(({ messageId }) => messageId).join('\n'))}`;
      headers.push('webhook-id', id);
    }
    for (const each of signer.headers(id, body, now)) headers.push(each);
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((text, index) => text === b[index]));
}
