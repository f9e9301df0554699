/** Why an event would be delivered to a topic's subscriptions or not, if it were published now. */
import type { Event, Scope } from '@gridpost/model';
import { filtersOf } from '@gridpost/registry';
import { compileFilter } from '@gridpost/routing';
import type { Context } from '../context.js';
import { resultOf } from '../filters.js';
import { obstaclesOf } from '../obstacles.js';
import { instant, named } from './view.js';

/** Subscriptions that one answer explains; which of more it is can be asked for by name. */
const explainedMax = 100;

/** `only`: the name of the subscription that is asked about. The registry must be current. */
export function explainNow(
  { registry, clock }: Pick<Context, 'registry' | 'clock'>,
  scope: Scope,
  event: Event,
  only: string | undefined,
): object {
  const now = clock.now();
  const all = [...(registry.topic(scope)?.subscriptions.values() ?? [])].filter(
    ({ subscription }) => only === undefined || subscription.name === only,
  );
  const subscriptions = all.slice(0, explainedMax).map(({ subscription }) => ({
    ...named(subscription.topic, subscription.name),
    ...resultOf(compileFilter(filtersOf(subscription)), event),
    obstacles: obstaclesOf(subscription, registry.healthOf(subscription.incarnation)?.health, now),
  }));
  return {
    against: 'subscriptions as they are now',
    at: instant(now),
    subscriptions,
    ...(all.length > explainedMax ? { more: all.length - explainedMax } : {}),
  };
}
