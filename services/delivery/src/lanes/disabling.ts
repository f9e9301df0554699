/** Disables a subscription whose endpoint answered 410 Gone: it wants no more, and says so to every worker. */
import { type Clock, type Log, type SubscriptionState, subscriptionPath } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import type { PutResult, Store } from '@gridpost/store';
import type { Lanes } from './lanes.js';
import type { Passage } from '../attempts/open-delivery.js';

export interface DisablingOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly lanes: Lanes;
}

const reason = 'the endpoint answered 410 Gone';

/**
 * Stops the lane at once and writes the subscription's status. Where it was written by somebody else meanwhile, or the
 * store cannot be reached, the lane goes on and the next 410 tries again. Never rejects.
 */
export async function disable(lane: Passage, options: DisablingOptions): Promise<void> {
  const { store, registry, clock, log, lanes } = options;
  const { subscription, etag } = lane.registered;
  // Attempts that were under way bring more of the same answer.
  if (lane.stop !== undefined && lane.stop !== 'probation') return;
  lanes.disable(subscription.incarnation);
  const { topic, name } = subscription;
  const status: SubscriptionState = { state: 'Disabled', reason, at: clock.now() };
  let result: PutResult | undefined;
  try {
    result = await store.resources.put(
      subscriptionPath(topic, name),
      { ...subscription, status },
      { ifMatch: etag },
    );
    await registry.refresh();
  } catch (error) {
    log.warn({ topic, subscription: name, error: String(error) }, 'subscription could not be disabled');
  }
  if (result?.kind === 'replaced') log.warn({ topic, subscription: name, reason }, 'subscription disabled');
  else lanes.reconsider(subscription.incarnation);
}
