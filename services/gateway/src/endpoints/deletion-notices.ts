/**
 * Tells an endpoint of Event Grid's schema that its subscription is no more (`aeg-event-type: SubscriptionDeletion`). One
 * try, which nobody waits for; nothing of it is stored, and a process that ends forgets what it has not told. An endpoint
 * that has not agreed to get events gets no notice either.
 */
import { randomUUID } from 'node:crypto';
import {
  type Clock,
  endpointOf,
  type FunctionApps,
  isProven,
  type Log,
  type Subscription,
  subscriptionPath,
  topicPath,
} from '@gridpost/model';
import { describeFailure, type Outgoing } from './outgoing.js';
import { systemEvent } from './system-event.js';

/** Notices under way at once, and those that wait for their turn: a topic may go with all its subscriptions. */
const underWayMax = 32;
const waitingMax = 10_000;

export interface DeletionNoticesOptions {
  readonly outgoing: Outgoing;
  readonly functionApps: FunctionApps;
  readonly clock: Clock;
  readonly log: Log;
}

export class DeletionNotices {
  readonly #options: DeletionNoticesOptions;
  readonly #waiting: Subscription[] = [];
  #underWay = 0;

  constructor(options: DeletionNoticesOptions) {
    this.#options = options;
  }

  /** Returns at once. To be called once for a subscription that was removed. */
  tell(subscription: Subscription): void {
    const { destination, eventDeliverySchema } = subscription.properties;
    if (!destination || eventDeliverySchema !== 'EventGridSchema' || !isProven(subscription)) return;
    if (this.#waiting.length < waitingMax) this.#waiting.push(subscription);
    else this.#options.log.warn(namesOf(subscription), 'endpoint not told of the deletion: too many at once');
    this.#next();
  }

  #next(): void {
    while (this.#underWay < underWayMax) {
      const subscription = this.#waiting.shift();
      if (!subscription) return;
      this.#underWay++;
      void this.#send(subscription).finally(() => {
        this.#underWay--;
        this.#next();
      });
    }
  }

  /** Never rejects. */
  async #send(subscription: Subscription): Promise<void> {
    const { outgoing, functionApps, clock, log } = this.#options;
    const { topic, name, properties } = subscription;
    const endpoint = endpointOf(properties.destination!, functionApps);
    if (!endpoint) return;
    const request = systemEvent({
      endpoint,
      type: 'SubscriptionDeletion',
      topic: `/${topicPath(topic)}`,
      subscription: name,
      id: randomUUID(),
      eventType: 'Microsoft.EventGrid.SubscriptionDeletedEvent',
      data: { eventSubscriptionId: `/${subscriptionPath(topic, name)}` },
      signing: properties.signing,
      now: clock.now(),
    });
    try {
      const { status } = await outgoing.send(request);
      log.info({ ...namesOf(subscription), status }, 'endpoint told of the deletion');
    } catch (error) {
      const reason = describeFailure(error as Error);
      log.warn({ ...namesOf(subscription), reason }, 'endpoint not told of the deletion');
    }
  }
}

function namesOf({ topic, name }: Subscription): { topic: string; subscription: string } {
  return { topic, subscription: name };
}
