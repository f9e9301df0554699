/** Event subscriptions at Azure's paths: as children of topics and domains, and as extension resources of them. */
import { holderOf, type InputSchema, type Scope } from '@gridpost/model';
import type { Context } from '../context.js';
import { changing, checkPreconditions } from '../preconditions.js';
import { parameter, type Route, scopeOf, scopePaths } from '../route.js';
import { findTopic, getSubscription } from '../stored.js';
import { page, refuseFilter, removal, replaced, send } from './answers.js';
import { patchedSubscription, subscriptionBody } from './bodies.js';
import type { NativeRoutes } from './native.js';
import { type Form, forms, groupOf, groupPath, provider } from './paths.js';
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

  const get =
    (one: string, form: Form): Handle =>
    async (req, res) => {
      const group = groupOf(req);
      const answered = await native.ask('GET', one, req);
      send(res, answered, subscriptionView(group, scopeOf(req), form, answered.body));
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
        return replaced(native, one, req, etag, patchedSubscription(value.properties, req.body, inputSchema));
      });
      send(res, answered, subscriptionView(group, scope, form, answered.body));
    };

  const list =
    (all: string, form: Form): Handle =>
    async (req, res) => {
      const group = groupOf(req);
      refuseFilter(req);
      const answered = await native.ask('GET', all, req);
      send(
        res,
        answered,
        page(req, answered, (view: View) => subscriptionView(group, scopeOf(req), form, view)),
      );
    };

  const getFullUrl =
    (one: string): Handle =>
    async (req, res) => {
      groupOf(req);
      const answered = await native.ask('POST', `${one}:getFullUrl`, req);
      send(res, answered, answered.body);
    };

  /** The headers that deliveries get, with their values, secret or not. */
  const getDeliveryAttributes = (): Handle => async (req, res) => {
    groupOf(req);
    const { value } = await getSubscription(resources, scopeOf(req), parameter(req, 'name'));
    const { deliveryAttributeMappings = [] } = value.properties.destination?.properties ?? {};
    res.set('cache-control', 'no-store').json({ value: deliveryAttributeMappings });
  };

  return scopePaths.flatMap((scope) =>
    (['nested', 'extension'] as const).flatMap((form): Route[] => {
      const all = `${scope}/eventsubscriptions`;
      const one = `${all}/{name}`;
      const allPath = groupPath + provider + scope + forms[form];
      const path = `${allPath}/{name}`;
      return [
        { method: 'GET', path: allPath, handle: list(all, form) },
        { method: 'PUT', path, handle: put(one, form) },
        { method: 'GET', path, handle: get(one, form) },
        { method: 'PATCH', path, handle: patch(one, form) },
        { method: 'DELETE', path, handle: removal(native, one) },
        { method: 'POST', path: `${path}/getFullUrl`, handle: getFullUrl(one) },
        { method: 'POST', path: `${path}/getDeliveryAttributes`, handle: getDeliveryAttributes() },
      ];
    }),
  );
}
