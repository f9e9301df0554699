/** The ways in which a delivery in hand is let go of, each counted under its word. None is silent. */
import type { DeadLetterReason, DropReason } from '@gridpost/model';
import type { DeliveryState } from '@gridpost/store';
import { finished, type OpenDelivery } from './open-delivery.js';
import type { DeferReason } from '../series.js';

/**
 * How long the queue of a stopped lane is parked at a time, and what was under way to an endpoint that is gone is put off.
 * That the lane may go on makes what it holds due at once.
 */
export const parkedMs = 30_000;

/** Back to its queue, due after a delay. */
export function defer(
  delivery: OpenDelivery,
  reason: DeferReason,
  dueInMs: number,
  state: DeliveryState = delivery.ownState,
): void {
  // Its queue knows of cut attempts alone: what else its endpoint may have seen has to be counted before it goes there.
  if (delivery.redelivery !== 'drain') delivery.countRedelivery();
  delivery.lane.series.deferred(reason);
  delivery.holder.conclude(delivery, { kind: 'deferred', dueInMs, state }, reason);
}

/** Given up: kept as a dead letter, unless its subscription wants none. Counted once it is kept. */
export function giveUp(
  delivery: OpenDelivery,
  reason: DeadLetterReason,
  state: DeliveryState = delivery.ownState,
): void {
  if (!delivery.lane.registered.subscription.properties.deadLettering) {
    drop(delivery, 'DeadLetteringOff');
    return;
  }
  delivery.holder.conclude(delivery, { kind: 'deadLettered', reason, state });
}

/** Not kept. */
export function drop(delivery: OpenDelivery, reason: DropReason): void {
  delivery.lane.series.dropped(reason);
  delivery.holder.conclude(delivery, finished, reason);
}
