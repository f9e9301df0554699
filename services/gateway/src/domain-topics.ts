/**
 * Topics within a domain over HTTP. One is a name under which subscriptions are, made with the first and gone with the
 * last unless the domain says otherwise (Event Grid, "Event domains").
 *
 * Whoever adds a subscription writes the topic's document first, and whoever removes an empty topic removes the document
 * that was there before the look at its subscriptions: so the two cannot miss each other.
 */
import {
  type DomainTopic,
  domainScope,
  domainTopicScope,
  GridpostError,
  holderOf,
  limits,
  type Scope,
  subscriptionPath,
  type Topic,
  topicPath,
} from '@gridpost/model';
import type { PutOptions } from '@gridpost/store';
import type { Request, Response } from 'express';
import { type Context, catchUp } from './context.js';
import { changing, checkPreconditions, entityTag, ifUnchanged, removeFound } from './preconditions.js';
import { parameter, type Route, scopeOf } from './route.js';
import { checkScope, findDomainTopic, getTopic, missing, type Stored, systemDataOf } from './stored.js';

export class DomainTopics {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * What a subscription on the topic has to require when it is written; undefined if the topic changed meanwhile. Makes
   * the topic for a new subscription, or throws `DomainNotFound` where the domain does not want that.
   */
  async hold(
    domain: Stored<Topic>,
    scope: Scope,
    fresh: boolean,
  ): Promise<PutOptions['requires'] | undefined> {
    const path = topicPath(scope);
    const before = await findDomainTopic(this.#context.store.resources, scope);
    if (!before && !domain.value.domain?.autoCreateTopicWithFirstSubscription) missing(scope);
    if (before && !fresh) return { path, etag: before.etag };
    const written = await this.write(domain, scope, before);
    return written && { path, etag: written.etag };
  }

  /** Undefined if the topic, or the domain, changed meanwhile. Throws `TooManyResources`. */
  async write(
    domain: Stored<Topic>,
    scope: Scope,
    before: Stored<DomainTopic> | undefined,
  ): Promise<Stored<DomainTopic> | undefined> {
    const { store, registry, clock } = this.#context;
    if (!before) {
      await registry.refresh();
      const count = registry.topic(domain.value.name)?.domainTopics.size ?? 0;
      if (count >= limits.domainTopicsMax) {
        throw new GridpostError(
          'TooManyResources',
          `the domain has ${limits.domainTopicsMax} topics, the most there can be`,
        );
      }
    }
    const now = clock.now();
    const name = holderOf(scope).domainTopic!;
    const value: DomainTopic = { name, createdAt: before?.value.createdAt ?? now, updatedAt: now };
    const result = await store.resources.put(topicPath(scope), value, {
      ...ifUnchanged(before),
      requires: { path: topicPath(domain.value.name), etag: domain.etag },
    });
    return 'etag' in result ? { etag: result.etag, value } : undefined;
  }

  /** After a subscription was removed: if it was the last of a domain topic, the topic goes too. */
  async letGo(scope: Scope): Promise<void> {
    const { holder, domainTopic } = holderOf(scope);
    if (domainTopic === undefined) return;
    const { resources } = this.#context.store;
    const domain = (await resources.get(topicPath(holder)))?.value as Topic | undefined;
    if (!domain?.domain?.autoDeleteTopicWithLastSubscription) return;
    const topic = await findDomainTopic(resources, scope);
    if (!topic) return;
    const [first] = await resources.list(subscriptionPath(scope, ''), undefined, 1);
    if (!first) await resources.remove(topicPath(scope), { ifMatch: topic.etag });
  }
}

export function domainTopicRoutes(context: Context): Route[] {
  const { registry, paging, endpoints } = context;
  const { resources } = context.store;
  const domainTopics = new DomainTopics(context);

  /** Creates, or writes again: 201, 200. It has no properties of its own. */
  async function put(req: Request, res: Response): Promise<void> {
    const scope = scopeOf(req);
    checkScope(scope);
    const { created, stored } = await changing(async () => {
      const domain = await getTopic(resources, holderOf(scope).holder);
      const before = await findDomainTopic(resources, scope);
      checkPreconditions(req.headers, before?.etag);
      const stored = await domainTopics.write(domain, scope, before);
      return stored && { created: !before, stored };
    });
    await catchUp(context);
    res.status(created ? 201 : 200).set('etag', entityTag(stored.etag));
    res.json(view(scope, stored));
  }

  async function get(req: Request, res: Response): Promise<void> {
    const scope = scopeOf(req);
    await getTopic(resources, holderOf(scope).holder);
    const stored = (await findDomainTopic(resources, scope)) ?? missing(scope);
    res.set('etag', entityTag(stored.etag)).json(view(scope, stored));
  }

  /** From the registry, which keeps topics apart from their many subscriptions; the store's order has them mixed. */
  async function list(req: Request, res: Response): Promise<void> {
    const domain = parameter(req, 'domain');
    const ask = paging.ask(req);
    await getTopic(resources, domainScope(domain));
    await registry.refresh();
    const known = registry.topic(domainScope(domain))?.domainTopics ?? new Map<string, never>();
    res.json(
      paging.named(req, ask, known.keys(), (name) => {
        const { domainTopic, etag } = known.get(name)!;
        return view(domainTopicScope(domain, name), { etag, value: domainTopic });
      }),
    );
  }

  /** Removes the topic with its subscriptions and all they hold: 204, also if there is none. */
  async function remove(req: Request, res: Response): Promise<void> {
    const scope = scopeOf(req);
    await registry.refresh();
    const ofDomain = [...(registry.topic(holderOf(scope).holder)?.subscriptions.values() ?? [])];
    const removed = await removeFound(resources, topicPath(scope), req.headers, () =>
      findDomainTopic(resources, scope),
    );
    if (removed)
      for (const { subscription } of ofDomain)
        if (subscription.topic === scope) endpoints.deletionNotices.tell(subscription);
    await catchUp(context);
    res.status(204).end();
  }

  const path = '/domains/{domain}/topics/{domainTopic}';
  return [
    { method: 'GET', path: '/domains/{domain}/topics', role: 'reader', handle: list },
    { method: 'PUT', path, role: 'admin', handle: put },
    { method: 'GET', path, role: 'reader', handle: get },
    { method: 'DELETE', path, role: 'admin', handle: remove },
  ];
}

function view(scope: Scope, { etag, value }: Stored<DomainTopic>): object {
  return {
    id: `/${scope}`,
    name: value.name,
    type: 'Gridpost/domains/topics',
    etag: entityTag(etag),
    properties: { provisioningState: 'Succeeded' },
    systemData: systemDataOf(value),
  };
}
