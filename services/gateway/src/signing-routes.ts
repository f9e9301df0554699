/** The secret that signs a subscription's requests over HTTP: replaced by another, for a while beside it. */
import { signingSecretFault } from '@gridpost/egress';
import { GridpostError, limits, type Subscription, subscriptionPath } from '@gridpost/model';
import type { Request, Response } from 'express';
import { type Context, catchUp } from './context.js';
import { changing, checkPreconditions, entityTag } from './preconditions.js';
import { parameter, type Route, scopeOf, scopePaths } from './route.js';
import { rotated, secretMade, signingView } from './signing-resource.js';
import { getSubscription } from './stored.js';
import { invalidResource, type Optional, schemaCheck } from './validation.js';

const check =
  schemaCheck<Optional<{ readonly secret: string; readonly overlapInSeconds: number }>>('rotate-secret.json');

export function signingRoutes(context: Context): Route[] {
  const { clock, store } = context;
  const { resources } = store;

  /** 200 with the new secret, which is not shown again. Not idempotent: repeated, it makes another. */
  async function rotate(req: Request, res: Response): Promise<void> {
    const scope = scopeOf(req);
    const name = parameter(req, 'name');
    const written = check(req.body ?? {});
    const secret = written.secret ?? undefined;
    const overlapSeconds = written.overlapInSeconds ?? limits.signingOverlapSeconds.default;
    const { etag, shown } = await changing(async () => {
      const found = await getSubscription(resources, scope, name);
      checkPreconditions(req.headers, found.etag);
      const { signing } = found.value.properties;
      if (!signing)
        throw new GridpostError(
          'Conflict',
          'requests of this subscription are not signed; write signing first',
        );
      const fault = secret === undefined ? undefined : signingSecretFault(signing.scheme, secret);
      if (fault !== undefined) throw invalidResource([{ pointer: '/secret', message: fault }]);
      const now = clock.now();
      const after = rotated(signing, { secret, overlapSeconds }, now);
      const value: Subscription = {
        ...found.value,
        properties: { ...found.value.properties, signing: after },
        updatedAt: now,
      };
      const result = await resources.put(subscriptionPath(scope, name), value, { ifMatch: found.etag });
      if (!('etag' in result)) return undefined;
      return {
        etag: result.etag,
        shown: { ...signingView(after, now), ...secretMade(after, signing, secret) },
      };
    });
    await catchUp(context);
    res.set('etag', entityTag(etag)).set('cache-control', 'no-store').json(shown);
  }

  return scopePaths.map((scope) => ({
    method: 'POST',
    path: `${scope}/eventsubscriptions/{name}:rotateSecret`,
    handle: rotate,
    role: 'admin',
  }));
}
