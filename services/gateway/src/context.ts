/** What the management routes work with. */
import type { AttemptLogLevel } from '@gridpost/attempt-log';
import type { Clock, Log } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import type { FilterLimits } from '@gridpost/routing';
import type { Store } from '@gridpost/store';
import type { AuditLog } from './audit/audit-log.js';
import type { DeadLetterPlaces } from './dead-letter-destination.js';
import type { Endpoints } from './endpoints/endpoints.js';
import type { SubscriptionKeys, TopicKeys } from './keys.js';
import type { Paging } from './paging.js';
import type { Consumers } from './pull/consumers.js';
import type { LockTokens } from './pull/lock-token.js';
import type { ResourceLimits } from './quotas/resource-limits.js';

export interface Context {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly keys: TopicKeys;
  readonly subscriptionKeys: SubscriptionKeys;
  readonly paging: Paging;
  readonly attemptLog: AttemptLogLevel;
  readonly audit: AuditLog;
  readonly consumers: Consumers;
  readonly lockTokens: LockTokens;
  readonly endpoints: Endpoints;
  /** What subscriptions' filters may cost. */
  readonly filterLimits: FilterLimits;
  readonly resourceLimits: ResourceLimits;
  /** Where subscriptions may have their dead letters written, beside webhooks. */
  readonly deadLetterPlaces: DeadLetterPlaces;
}

/**
 * Lets this process see a change it has just written before the change is answered. If the store is gone by then, the
 * change is made all the same, and this process learns of it as it learns of the changes of others.
 */
export async function catchUp({ registry, log }: Context): Promise<void> {
  try {
    await registry.refresh();
  } catch (error) {
    log.warn({ error: (error as Error).message }, 'a change was written but could not be read back yet');
  }
}
