/** The access keys of a subscription that is received from: shown, and one of them replaced. */
import { GridpostError, type KeyName, type Subscription, subscriptionPath } from '@gridpost/model';
import type { Request, Response } from 'express';
import { type Context, catchUp } from '../context.js';
import { changing, checkPreconditions } from '../preconditions.js';
import { parameter, type Route, scopeOf, scopePaths } from '../route.js';
import { getSubscription, type Stored } from '../stored.js';
import { schemaCheck } from '../validation.js';

const checkRegenerate = schemaCheck<{ readonly keyName: KeyName }>('regenerate-key.json');

export function subscriptionKeyRoutes(context: Context): Route[] {
  const { clock, subscriptionKeys } = context;
  const { resources } = context.store;

  async function listKeys(req: Request, res: Response): Promise<void> {
    const { value } = await pulled(req);
    res.set('cache-control', 'no-store').json(subscriptionKeys.keysOf(value));
  }

  /** Replaces one key by a new one and answers both. The old one is refused as soon as a gateway has noticed. */
  async function regenerateKey(req: Request, res: Response): Promise<void> {
    const { keyName } = checkRegenerate(req.body ?? {});
    const subscription = await changing(async () => {
      const { etag, value } = await pulled(req);
      checkPreconditions(req.headers, etag);
      const keys = value.keys ?? { key1: 1, key2: 1 };
      const changed: Subscription = {
        ...value,
        keys: { ...keys, [keyName]: keys[keyName] + 1 },
        updatedAt: clock.now(),
      };
      const path = subscriptionPath(value.topic, value.name);
      const result = await resources.put(path, changed, { ifMatch: etag });
      return 'etag' in result ? changed : undefined;
    });
    await catchUp(context);
    res.set('cache-control', 'no-store').json(subscriptionKeys.keysOf(subscription));
  }

  async function pulled(req: Request): Promise<Stored<Subscription>> {
    const stored = await getSubscription(resources, scopeOf(req), parameter(req, 'name'));
    if (stored.value.properties.queue) return stored;
    throw new GridpostError(
      'WrongDeliveryMode',
      'events of this subscription are pushed to its destination; only one with deliveryMode Queue has keys',
    );
  }

  return scopePaths.flatMap((scope): Route[] => {
    const one = `${scope}/eventsubscriptions/{name}`;
    return [
      { method: 'GET', path: `${one}/keys`, role: 'admin', handle: listKeys },
      { method: 'POST', path: `${one}:regenerateKey`, role: 'admin', handle: regenerateKey },
    ];
  });
}
