/** Event subscriptions at Azure's paths: as children of topics and domains, and as extension resources of them. */
import { holderOf, type InputSchema, type Scope } from '@gridpost/model';
import type { Request } from 'express';
import type { Context } from '../context.js';
import { changing, checkPreconditions } from '../preconditions.js';
import { parameter, type Route, scopeOf, scopePaths } from '../route.js';
import { findTopic, getSubscription } from '../stored.js';
import { asWritten } from '../subscription-resource.js';
import { asItIs, asked, listed, removal, replaced, send } from './answers.js';
import { patchedSubscription, subscriptionBody } from './bodies.js';
import type { NativeRoutes } from './native.js';
import { type Form, forms, type Group, groupOf, groupPath, provider } from './paths.js';
import { subscriptionView, type View } from './views.js';

type Handle = Route['handle'];

export function armSubscriptionRoutes(context: Context, native: NativeRoutes): Route[] {
  const { resources } = context.store;

  /** Undefined if there is no such topic. Throws `InvalidName`. */
  async function inputSchemaOf(scope: Scope): Promise<InputSchema | undefined> {
    return (await findTopic(resources, holderOf(scope).holder))?.value.properties.inputSchema;
  }

  const put =
    (one: string, form: Form): Handle =>
    async (req, res) => {
      const group = groupOf(req);
      const scope = scopeOf(req);
      const body = subscriptionBody(req.body, await inputSchemaOf(scope));
      const answered = await native.ask('PUT', one, req, { body });
      send(res, answered, subscriptionView(group, scope, form, answered.body));
    };

  /** Properties that are given replace those before; the rest stays, whatever others write at the same time. */
  const patch =
    (one: string, form: Form): Handle =>
    async (req, res) => {
      const group = groupOf(req);
      const scope = scopeOf(req);
      const inputSchema = await inputSchemaOf(scope);
      const answered = await changing(async () => {
        const { etag, value } = await getSubscription(resources, scope, parameter(req, 'name'));
        checkPreconditions(req.headers, etag);
        return replaced(
          native,
          one,
          req,
          etag,
          patchedSubscription(asWritten(value.properties), req.body, inputSchema),
        );
      });
      send(res, answered, subscriptionView(group, scope, form, answered.body));
    };

  const view =
    (form: Form) =>
    (group: Group, shown: View, req: Request): object =>
      subscriptionView(group, scopeOf(req), form, shown);

  return scopePaths.flatMap((scope) =>
    (['nested', 'extension'] as const).flatMap((form): Route[] => {
      const all = `${scope}/eventsubscriptions`;
      const one = `${all}/{name}`;
      const allPath = groupPath + provider + scope + forms[form];
      const path = `${allPath}/{name}`;
      return [
        { method: 'GET', path: allPath, role: 'reader', handle: listed(native, all, view(form)) },
        { method: 'PUT', path, role: 'admin', handle: put(one, form) },
        { method: 'GET', path, role: 'reader', handle: asked(native, 'GET', one, view(form)) },
        { method: 'PATCH', path, role: 'admin', handle: patch(one, form) },
        { method: 'DELETE', path, role: 'admin', handle: removal(native, one) },
        {
          method: 'POST',
          role: 'admin',
          path: `${path}/getFullUrl`,
          handle: asked(native, 'POST', `${one}:getFullUrl`, asItIs),
        },
        {
          method: 'POST',
          role: 'admin',
          path: `${path}/getDeliveryAttributes`,
          handle: asked(native, 'POST', `${one}:getDeliveryAttributes`, asItIs),
        },
      ];
    }),
  );
}
