/** Subscriptions over HTTP: created, read, listed and deleted. Their shape is `subscription-resource.ts`'s business. */
import {
  type Destination,
  endpointOf,
  GridpostError,
  holderOf,
  isProven,
  newIncarnation,
  type Scope,
  type Subscription,
  type SubscriptionProperties,
  type SubscriptionState,
  subscriptionPath,
  topicPath,
} from '@gridpost/model';
import type { Request, Response } from 'express';
import { hasten } from './by-partition.js';
import { type Context, catchUp } from './context.js';
import { checkDeliverySchema } from './delivery-schema.js';
import { DomainTopics } from './domain-topics.js';
import { provisionedBy } from './endpoints/provisioning.js';
import { checkedFilter } from './filters.js';
import { checkStart, startInThePast } from './jobs/replay.js';
import { pageBytesMax } from './paging.js';
import { changing, checkPreconditions, entityTag, ifUnchanged, removeFound } from './preconditions.js';
import { parameter, type Route, scopeOf, scopePaths } from './route.js';
import { completed } from './stored-secrets.js';
import {
  checkExists,
  checkSubscriptionName,
  findSubscription,
  getSubscription,
  getTopic,
  type Stored,
} from './stored.js';
import { forgetHealth } from './standing.js';
import { propertiesOf, subscriptionView, type WrittenProperties } from './subscription-resource.js';

/** Documents of one call to the store while a page is gathered. */
const listStep = 100;

interface Change {
  /** Secrets that are shown in this answer and never again. */
  readonly made: object;
  readonly before: Subscription | undefined;
  readonly after: Stored<Subscription>;
}

export function subscriptionRoutes(context: Context): Route[] {
  const { store, registry, clock, paging, endpoints, resourceLimits } = context;
  const { resources } = store;
  const domainTopics = new DomainTopics(context);

  /**
   * Creates or replaces: 201, 200. A replaced subscription keeps its incarnation, and with it its backlog and its dead
   * letters; a disabled one becomes active, and a paused one stays paused. Where deliveries were waiting for just this
   * change, they are due at once, and what the endpoint did before is forgotten.
   */
  async function put(req: Request, res: Response): Promise<void> {
    const scope = scopeOf(req);
    const name = parameter(req, 'name');
    checkSubscriptionName(name);
    const checked = await checkedProperties(context, req.body);
    const { before, after, made } = await changing(() => write(req, scope, name, checked));
    const mends = before !== undefined && mendsDelivery(before, after.value);
    if (mends) await forgetHealth(resources, after.value);
    await catchUp(context);
    endpoints.handshakes.take(after.value);
    if (mends && isProven(after.value) && after.value.status.state === 'Active')
      await hasten(store, after.value.incarnation);
    res.status(before ? 200 : 201).set('etag', entityTag(after.etag));
    res.json(subscriptionView(after, context, made));
  }

  async function write(
    req: Request,
    scope: Scope,
    name: string,
    written: WrittenProperties,
  ): Promise<Change | undefined> {
    const { holder, domainTopic } = holderOf(scope);
    const topic = await getTopic(resources, holder);
    checkDeliverySchema(written.properties, written.at, topic.value.properties.inputSchema);
    const before = await findSubscription(resources, scope, name);
    checkPreconditions(req.headers, before?.etag);
    const now = clock.now();
    const { functionApps } = endpoints.policy;
    const { properties, made } = completed(written, before?.value.properties, functionApps, now);
    if (before) checkStart(properties, written.at, before.value);
    else await checkRoom(holder);
    const requires =
      domainTopic === undefined
        ? { path: topicPath(holder), etag: topic.etag }
        : await domainTopics.hold(topic, scope, before === undefined);
    if (!requires) return undefined;
    const provisioning = provisionedBy(properties, endpoints.policy, before?.value, now);
    const value: Subscription = {
      topic: scope,
      topicIncarnation: topic.value.incarnation,
      name,
      incarnation: before?.value.incarnation ?? newIncarnation(),
      properties,
      status: statusAfter(before?.value, properties),
      ...(before?.value.keys ? { keys: before.value.keys } : {}),
      ...(provisioning ? { provisioning } : {}),
      createdAt: before?.value.createdAt ?? now,
      updatedAt: now,
    };
    const takeBack = before ? undefined : await startInThePast(context, topic.value, value, written.at);
    const result = await resources.put(subscriptionPath(scope, name), value, {
      ...ifUnchanged(before),
      // A topic deleted meanwhile, or made again under the same name, must not get a subscription of its former life.
      requires,
    });
    if ('etag' in result) return { made, before: before?.value, after: { etag: result.etag, value } };
    await takeBack?.();
    return undefined;
  }

  /** Gateways that create at the same moment may pass the bound by one subscription each. */
  async function checkRoom(topic: Scope): Promise<void> {
    await registry.refresh();
    const count = registry.topic(topic)?.subscriptions.size ?? 0;
    const { subscriptionsPerTopicMax } = resourceLimits;
    if (count >= subscriptionsPerTopicMax) {
      throw new GridpostError(
        'TooManyResources',
        `there are ${subscriptionsPerTopicMax} subscriptions, the most there can be`,
      );
    }
  }

  async function get(req: Request, res: Response): Promise<void> {
    const stored = await getSubscription(resources, scopeOf(req), parameter(req, 'name'));
    res.set('etag', entityTag(stored.etag)).json(subscriptionView(stored, context));
  }

  async function getFullUrl(req: Request, res: Response): Promise<void> {
    const endpoint = endpointOf(await destinationIn(req), endpoints.policy.functionApps);
    if (!endpoint) throw new GridpostError('Conflict', 'this deployment does not know the function app');
    res.set('cache-control', 'no-store').json({ endpointUrl: endpoint.url });
  }

  /** The headers that its deliveries get, secret values included. */
  async function getDeliveryAttributes(req: Request, res: Response): Promise<void> {
    const { deliveryAttributeMappings = [] } = (await destinationIn(req)).properties;
    res.set('cache-control', 'no-store').json({ value: deliveryAttributeMappings });
  }

  async function destinationIn(req: Request): Promise<Destination> {
    const { value } = await getSubscription(resources, scopeOf(req), parameter(req, 'name'));
    const { destination } = value.properties;
    if (destination) return destination;
    throw new GridpostError('WrongDeliveryMode', 'events of this subscription are received, not pushed');
  }

  async function list(req: Request, res: Response): Promise<void> {
    const scope = scopeOf(req);
    const ask = paging.ask(req);
    await checkExists(resources, scope);
    const below = subscriptionPath(scope, '');
    const value: object[] = [];
    let bytes = 0;
    let last = ask.after;
    for (;;) {
      const documents = await resources.list(below, last === undefined ? undefined : below + last, listStep);
      for (const { path, etag, value: stored } of documents) {
        // Below a subscription is its health.
        if (path.includes('/', below.length)) continue;
        if (value.length === ask.max || bytes >= pageBytesMax) {
          res.json({ value, nextLink: paging.nextLink(req, ask, last!) });
          return;
        }
        const subscription = stored as Subscription;
        const view = subscriptionView({ etag, value: subscription }, context);
        value.push(view);
        bytes += JSON.stringify(view).length;
        last = subscription.name;
      }
      if (documents.length < listStep) break;
    }
    res.json({ value });
  }

  /** 204, also if there is none. No attempt of its deliveries starts later than 2 s after the answer. */
  async function remove(req: Request, res: Response): Promise<void> {
    const scope = scopeOf(req);
    const name = parameter(req, 'name');
    const path = subscriptionPath(scope, name);
    const removed = await removeFound(resources, path, req.headers, () =>
      findSubscription(resources, scope, name),
    );
    if (removed) endpoints.deletionNotices.tell(removed.value);
    await domainTopics.letGo(scope);
    await catchUp(context);
    res.status(204).end();
  }

  return scopePaths.flatMap((scope): Route[] => {
    const all = `${scope}/eventsubscriptions`;
    const one = `${all}/{name}`;
    return [
      { method: 'GET', path: all, role: 'reader', handle: list },
      { method: 'PUT', path: one, role: 'admin', handle: put },
      { method: 'GET', path: one, role: 'reader', handle: get },
      { method: 'DELETE', path: one, role: 'admin', handle: remove },
      { method: 'POST', path: `${one}:getFullUrl`, role: 'admin', handle: getFullUrl },
      { method: 'POST', path: `${one}:getDeliveryAttributes`, role: 'admin', handle: getDeliveryAttributes },
    ];
  });
}

/**
 * What a body says of a subscription, if all of it is right that can be told without looking at what is stored. Names are
 * looked up, for 2 s at most. Rejects with `InvalidResource`.
 */
export async function checkedProperties(
  { clock, filterLimits, endpoints, deadLetterPlaces }: Context,
  body: unknown,
): Promise<WrittenProperties> {
  const allowed = { destinations: endpoints.policy, deadLetters: deadLetterPlaces };
  const written = propertiesOf(body, clock.now(), allowed);
  checkedFilter(written.properties, written.at, filterLimits);
  await endpoints.check(written);
  return written;
}

/** Whether the change may cure what kept deliveries waiting: a disabled subscription, or how its events are delivered. */
function mendsDelivery(before: Subscription, after: Subscription): boolean {
  return before.status.state === 'Disabled' || wayOf(before) !== wayOf(after);
}

/** Whoever paused it resumes it. What is received cannot be paused. */
function statusAfter(
  before: Subscription | undefined,
  { destination }: SubscriptionProperties,
): SubscriptionState {
  return destination && before?.status.state === 'Paused' ? before.status : { state: 'Active' };
}

function wayOf({ properties }: Subscription): string {
  const { destination, eventDeliverySchema, probation } = properties;
  return JSON.stringify([destination, eventDeliverySchema, probation]);
}
