/** Handshakes over HTTP: the address that endpoints are given, and asking an endpoint again. */
import { GridpostError, type Subscription, subscriptionPath } from '@gridpost/model';
import type { Request, Response } from 'express';
import { type Context, catchUp } from '../context.js';
import { changing, entityTag } from '../preconditions.js';
import { parameter, type Route, scopeOf, scopePaths } from '../route.js';
import { getSubscription } from '../stored.js';
import { subscriptionView } from '../subscription-resource.js';
import { validatePath } from './handshake-secrets.js';
import { begun, kindNeeded } from './provisioning.js';
import { allowedRateOf } from './verdict.js';

export function handshakeRoutes(context: Context): Route[] {
  const { store, clock, endpoints } = context;
  const { resources } = store;

  /** Whoever knows the address may say yes in the endpoint's place: opened by a person, or called by the endpoint. */
  async function validate(req: Request, res: Response): Promise<void> {
    // Programs that only look at where a link leads have not decided anything.
    if (req.method === 'HEAD') {
      throw new GridpostError('MethodNotAllowed', 'HEAD is not supported here; use GET, POST', {
        allow: ['GET', 'POST'],
      });
    }
    const named = endpoints.secrets.named(req.query);
    const rate = allowedRateOf(req.headers['webhook-allowed-rate']);
    const grant = named ? await endpoints.handshakes.grant(named, rate) : 'over';
    if (grant === 'over') {
      throw new GridpostError(
        'HandshakeNotFound',
        'the address is not one that was given out, was used before, or its 10 minutes are over; :revalidate gives another',
      );
    }
    if (grant === 'asking') {
      throw new GridpostError('Conflict', 'answer the OPTIONS request first; call back after that');
    }
    res.set('cache-control', 'no-store').json({ subscription: `/${named!.subscription}`, validated: true });
  }

  /** 202: asks the endpoint again, from the beginning. Its events are kept until it has agreed. */
  async function revalidate(req: Request, res: Response): Promise<void> {
    const scope = scopeOf(req);
    const name = parameter(req, 'name');
    const path = subscriptionPath(scope, name);
    const stored = await changing(async () => {
      const { etag, value: before } = await getSubscription(resources, scope, name);
      const kind = kindNeeded(before.properties, endpoints.policy);
      if (kind === undefined) {
        throw new GridpostError('WrongDeliveryMode', 'events of this subscription are received, not pushed');
      }
      const now = clock.now();
      const value: Subscription = { ...before, provisioning: begun(kind, 'Updating', now), updatedAt: now };
      const result = await resources.put(path, value, { ifMatch: etag });
      return 'etag' in result ? { etag: result.etag, value } : undefined;
    });
    endpoints.handshakes.take(stored.value);
    await catchUp(context);
    res.status(202).set('etag', entityTag(stored.etag)).json(subscriptionView(stored, context));
  }

  return [
    { method: 'GET', path: validatePath, handle: validate, role: 'anyone' },
    { method: 'POST', path: validatePath, handle: validate, role: 'anyone', anyBody: true },
    ...scopePaths.map(
      (scope): Route => ({
        method: 'POST',
        path: `${scope}/eventsubscriptions/{name}:revalidate`,
        handle: revalidate,
        role: 'operator',
      }),
    ),
  ];
}
