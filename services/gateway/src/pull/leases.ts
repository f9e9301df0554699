/** What consumers hold of what they received: a lock on each event, and what those of one lease share. */
import type { EntryId } from '@gridpost/model';
import type { DeliveryState, LeasedDelivery } from '@gridpost/store';

/** What the locks share that were given out together, of one entry. */
export interface Lease {
  readonly partition: number;
  readonly entry: EntryId;
  /** In the store. */
  readonly token: string;
  /** How often the events have been received, this time included. */
  readonly received: number;
  /** When this was, on the store's clock. */
  readonly receivedAt: number;
  /** Instant from which their time to live counts. */
  readonly liveFrom: number;
}

export interface Lock {
  readonly lease: Lease;
  /** Of the event in its entry. */
  readonly index: number;
}

/** The locks of deliveries that were just received. */
export function locksOf(deliveries: readonly LeasedDelivery[]): Lock[] {
  let before: LeasedDelivery | undefined;
  let lease: Lease | undefined;
  return deliveries.map((delivery) => {
    if (!lease || !before || !isOfOneLease(before, delivery)) lease = leaseOf(delivery);
    before = delivery;
    return { lease, index: delivery.place.index };
  });
}

/** Deliveries that the store gives out together share their state. */
function isOfOneLease(a: LeasedDelivery, b: LeasedDelivery): boolean {
  return (
    a.token === b.token &&
    a.state === b.state &&
    a.place.entry === b.place.entry &&
    a.place.partition === b.place.partition
  );
}

/** Of a delivery that was just received. */
export function leaseOf({ place: { partition, entry }, token, state }: LeasedDelivery): Lease {
  const { attempts, liveFrom, lastAttemptAt } = state;
  // The store has noted when this was.
  return { partition, entry, token, received: attempts, receivedAt: lastAttemptAt!, liveFrom };
}

/** Of a delivery under this lease, when it was received. */
export function stateOf({ received, receivedAt, liveFrom }: Lease): DeliveryState {
  return { attempts: received, liveFrom, lastAttemptAt: receivedAt };
}
