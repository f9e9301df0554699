/** A gateway that asks a real endpoint whether it wants events, on a clock that tests turn. */
import { afterEach } from '@jest/globals';
import { type DeliverySchema, type Provisioning, type Subscription, subscriptionPath } from '@gridpost/model';
import { Endpoint, FakeClock, type Received } from '@gridpost/model/testing';
import type { Stored } from '../stored.js';
import { type Answer, type Served, serve } from './serve.js';

export const path = '/topics/orders/eventsubscriptions/billing';

export interface Asked extends Served {
  readonly clock: FakeClock;
  readonly endpoint: Endpoint;
  /** Writes the subscription, to the endpoint unless another URL is given. */
  subscribe(wish?: { readonly url?: string; readonly schema?: DeliverySchema }): Promise<Answer>;
  stored(): Promise<Stored<Subscription>>;
  /** Resolves with what is noted of the endpoint as soon as its state is one of these. */
  reached(...states: Provisioning['state'][]): Promise<Provisioning>;
  /** Resolves with the latest request to the endpoint when there are `count`. */
  asked(count: number): Promise<Received>;
}

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

export async function serveAsking(
  options: Parameters<typeof serve>[0] & { readonly clock?: FakeClock } = {},
): Promise<Asked> {
  const { clock = new FakeClock() } = options;
  const endpoint = await new Endpoint().listen();
  const served = await serve({ publicUrl: 'https://events.example.com/grid', ...options, clock });
  // The endpoint goes first, lest a gateway that is closed waits for it.
  endings.push(() => endpoint.close());
  const { admin, store, registry } = served;
  // Its events can be delivered in every schema.
  await admin('PUT', '/topics/orders', { inputSchema: 'CustomEventSchema' });

  const stored = async (): Promise<Stored<Subscription>> =>
    (await store.resources.get(subscriptionPath('orders', 'billing'))) as Stored<Subscription>;
  return {
    ...served,
    ...{ clock, endpoint, stored },
    async subscribe({ url = endpoint.url, schema = 'CloudEventSchemaV1_0' } = {}) {
      const answer = await admin('PUT', path, {
        destination: { endpointType: 'WebHook', properties: { endpointUrl: url } },
        eventDeliverySchema: schema,
      });
      if (answer.status >= 300) throw new Error(answer.text);
      return answer;
    },
    reached: (...states) =>
      new Promise((resolve) => {
        const look = (): void => {
          const provisioning = registry.subscriptionAt('orders', 'billing')?.subscription.provisioning;
          if (!provisioning || !states.includes(provisioning.state)) return;
          stop();
          resolve(provisioning);
        };
        const stop = registry.onChange(look);
        look();
      }),
    async asked(count) {
      await endpoint.until((received) => received.length >= count);
      return endpoint.received.at(-1)!;
    },
  };
}
