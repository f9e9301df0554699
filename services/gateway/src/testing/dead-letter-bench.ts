/** A gateway with a subscription whose dead letters are made as tests need them. */
import { decodeRequest } from '@gridpost/codec';
import { type DeadLetterReason, type Event, type Subscription, subscriptionPath } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { type DeliveryState, MemoryStore } from '@gridpost/store';
import { serve, type Served } from './serve.js';

export const path = '/topics/orders/eventsubscriptions/billing';
export const list = `${path}/deadletters`;

export interface Bench extends Served {
  readonly store: MemoryStore;
  readonly clock: FakeClock;
  /** Appends events to a partition, takes them from its log as a worker would, and gives them up. */
  giveUp(
    partition: number,
    events: readonly Event[],
    state?: Partial<DeliveryState>,
    reason?: DeadLetterReason,
  ): Promise<void>;
  /** Events waiting to be delivered, over all partitions. */
  deferred(): Promise<number>;
}

const pushed = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/', validation: 'none' },
  },
};

export async function setup({ partitions = 1, properties = pushed as object } = {}): Promise<Bench> {
  const clock = new FakeClock(Date.parse('2026-01-31T12:00:00Z'));
  const store = new MemoryStore({ partitions, clock });
  const served = await serve({ store, clock });
  await served.admin('PUT', '/topics/orders');
  await served.admin('PUT', path, properties);
  const { value } = (await store.resources.get(subscriptionPath('orders', 'billing')))!;
  const { incarnation, topicIncarnation } = value as Subscription;
  return {
    ...served,
    clock,
    store,
    async giveUp(partition, events, state = {}, reason = 'MaxDeliveryAttemptsExceeded') {
      await store.append(
        partition,
        events.map(({ frame }) => ({ topic: topicIncarnation, frame })),
      );
      const { epoch } = (await store.claim(partition, 'worker', 10_000, 0))!;
      const { entries } = await store.read(partition, epoch, undefined, {
        entriesMax: 1_000,
        bytesMax: 2 ** 30,
      });
      await store.settle(partition, epoch, {
        entries: entries.map((entry) => ({
          id: entry.id,
          acceptedAt: entry.acceptedAt,
          events: new Map(entry.events.entries()),
          deferrals: entry.events.map((_, index) => ({
            index,
            subscription: incarnation,
            disposition: {
              kind: 'deadLettered',
              reason,
              state: { attempts: 30, liveFrom: entry.acceptedAt, ...state },
            },
          })),
        })),
        outcomes: [],
      });
    },
    async deferred() {
      let count = 0;
      for (let partition = 0; partition < partitions; partition++) {
        for (const usage of (await store.usage(partition)).subscriptions) count += usage.deferred;
      }
      return count;
    },
  };
}

export function structured(id: string, data = '1'): Event {
  const text = `{ "specversion":"1.0", "id":"${id}","source":"/s","type":"t", "data":${data} }`;
  return decodeRequest(['content-type', 'application/cloudevents+json'], Buffer.from(text)).events[0]!;
}
