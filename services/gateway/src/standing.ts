/** What operators do about a subscription's deliveries, over HTTP: pause, resume, and have what is held against its endpoint forgotten. */
import {
  GridpostError,
  healthPath,
  isProven,
  type Scope,
  type Subscription,
  subscriptionPath,
} from '@gridpost/model';
import type { Resources } from '@gridpost/store';
import type { Request, Response } from 'express';
import { hasten } from './by-partition.js';
import { type Context, catchUp } from './context.js';
import { changing, entityTag } from './preconditions.js';
import { parameter, type Route, scopeOf, scopePaths } from './route.js';
import { getSubscription, type Stored } from './stored.js';
import { subscriptionView } from './subscription-resource.js';

type Status = Subscription['status'];

const active: Status = { state: 'Active' };

export function standingRoutes(context: Context): Route[] {
  const { store, clock } = context;
  const { resources } = store;

  /** Nothing is attempted from 2 s after the answer on; what comes meanwhile is kept. Attempts under way end. */
  async function pause(req: Request, res: Response): Promise<void> {
    const stored = await change(req, (status) => {
      if (status.state === 'Disabled') throw disabled('it is not delivered to anyway');
      return status.state === 'Paused' ? status : { state: 'Paused', at: clock.now() };
    });
    await answer(res, stored);
  }

  /** What was kept is due at once, unless the endpoint is held back. */
  async function resume(req: Request, res: Response): Promise<void> {
    const stored = await change(req, (status) => {
      if (status.state === 'Disabled') throw disabled(':reset takes it out of that state');
      return active;
    });
    await flow(stored);
    await answer(res, stored);
  }

  /** An endpoint that was held back gets all that has waited, and a disabled subscription is active. A paused one stays so. */
  async function reset(req: Request, res: Response): Promise<void> {
    const stored = await change(req, (status) => (status.state === 'Disabled' ? active : status));
    await forgetHealth(resources, stored.value);
    if (stored.value.status.state === 'Active') await flow(stored);
    await answer(res, stored);
  }

  /** Writes the status if it is another. Throws `WrongDeliveryMode` where nothing is pushed, and what `status` throws. */
  function change(req: Request, status: (before: Status) => Status): Promise<Stored<Subscription>> {
    const scope: Scope = scopeOf(req);
    const name = parameter(req, 'name');
    return changing(async () => {
      const stored = await getSubscription(resources, scope, name);
      const { etag, value: before } = stored;
      if (before.properties.queue) {
        throw new GridpostError(
          'WrongDeliveryMode',
          'events of this subscription are received, not pushed: whoever receives decides when',
        );
      }
      const after = status(before.status);
      if (after.state === before.status.state) return stored;
      const value: Subscription = { ...before, status: after, updatedAt: clock.now() };
      const result = await resources.put(subscriptionPath(scope, name), value, { ifMatch: etag });
      return 'etag' in result ? { etag: result.etag, value } : undefined;
    });
  }

  async function flow({ value }: Stored<Subscription>): Promise<void> {
    if (isProven(value)) await hasten(store, value.incarnation);
  }

  async function answer(res: Response, stored: Stored<Subscription>): Promise<void> {
    await catchUp(context);
    res.set('etag', entityTag(stored.etag)).json(subscriptionView(stored, context));
  }

  return scopePaths.flatMap((scope): Route[] =>
    Object.entries({ pause, resume, reset }).map(([name, handle]) => ({
      method: 'POST',
      path: `${scope}/eventsubscriptions/{name}:${name}`,
      role: 'operator',
      handle,
    })),
  );
}

/** Workers take the endpoint for healthy as soon as they see it, which is within a second. */
export async function forgetHealth(
  resources: Resources,
  { topic, name }: Pick<Subscription, 'topic' | 'name'>,
): Promise<void> {
  await resources.remove(healthPath(topic, name));
}

function disabled(hint: string): GridpostError {
  return new GridpostError('Conflict', `the subscription is disabled: ${hint}`);
}
