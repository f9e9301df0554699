/** Topics and domains over HTTP: created, read, listed and deleted; and their access keys. */
import {
  GridpostError,
  type KeyName,
  newIncarnation,
  type Scope,
  type Topic,
  topicPath,
} from '@gridpost/model';
import type { Request, Response } from 'express';
import { type Context, catchUp } from './context.js';
import { changing, checkPreconditions, entityTag, ifUnchanged, removeFound } from './preconditions.js';
import { type Route, scopeOf, scopePaths } from './route.js';
import { findTopic, getTopic } from './stored.js';
import { topicView, writtenTopic } from './topic-resource.js';
import { schemaCheck } from './validation.js';

const checkRegenerate = schemaCheck<{ readonly keyName: KeyName }>('regenerate-key.json');

export function topicRoutes(context: Context): Route[] {
  const { registry, clock, keys, paging, endpoints, resourceLimits } = context;
  const { resources } = context.store;

  /** Creates or replaces: 201, 200. Idempotent. */
  async function put(req: Request, res: Response): Promise<void> {
    const name = scopeOf(req);
    const written = writtenTopic(req.body, name);
    const { created, stored } = await changing(async () => {
      const before = await findTopic(resources, name);
      checkPreconditions(req.headers, before?.etag);
      if (!before) await checkRoom();
      else if (before.value.properties.inputSchema !== written.properties.inputSchema)
        await checkUnused(name);
      const now = clock.now();
      const topic: Topic = {
        name,
        incarnation: before?.value.incarnation ?? newIncarnation(),
        ...written,
        keys: before?.value.keys ?? { key1: 1, key2: 1 },
        createdAt: before?.value.createdAt ?? now,
        updatedAt: now,
      };
      const result = await resources.put(topicPath(name), topic, ifUnchanged(before));
      if (!('etag' in result)) return undefined;
      return { created: result.kind === 'created', stored: { etag: result.etag, value: topic } };
    });
    await catchUp(context);
    res.status(created ? 201 : 200).set('etag', entityTag(stored.etag));
    res.json(topicView(stored, req));
  }

  /** Gateways that create at the same moment may pass the bound by one topic each; it guards memory, it sells nothing. */
  async function checkRoom(): Promise<void> {
    await registry.refresh();
    const { topicsMax } = resourceLimits;
    if ([...registry.topics()].length >= topicsMax) {
      throw new GridpostError(
        'TooManyResources',
        `there are ${topicsMax} topics and domains, the most there can be`,
      );
    }
  }

  /**
   * Subscriptions were checked against what the topic takes. One that is written at this very moment may slip by; events
   * that it cannot be sent become its dead letters.
   */
  async function checkUnused(topic: Scope): Promise<void> {
    await registry.refresh();
    const count = registry.topic(topic)?.subscriptions.size ?? 0;
    if (count === 0) return;
    throw new GridpostError(
      'Conflict',
      `the inputSchema cannot be changed while there are subscriptions, of which there are ${count}: what they are delivered depends on it`,
    );
  }

  async function get(req: Request, res: Response): Promise<void> {
    const stored = await getTopic(resources, scopeOf(req));
    res.set('etag', entityTag(stored.etag)).json(topicView(stored, req));
  }

  /** From the registry, which keeps topics apart from their many subscriptions; the store's order has them mixed. */
  async function list(req: Request, res: Response): Promise<void> {
    const ask = paging.ask(req);
    const ofDomains = req.path.startsWith('/domains');
    await registry.refresh();
    const names: string[] = [];
    for (const { topic } of registry.topics())
      if ((topic.domain !== undefined) === ofDomains) names.push(topic.name);
    res.json(
      paging.named(req, ask, names, (name) => {
        const { topic, etag } = registry.topic(name)!;
        return topicView({ etag, value: topic }, req);
      }),
    );
  }

  /** Removes the topic with its subscriptions and all they hold: 204, also if there is none, as often as it is asked. */
  async function remove(req: Request, res: Response): Promise<void> {
    const name = scopeOf(req);
    await registry.refresh();
    const below = [...(registry.topic(name)?.subscriptions.values() ?? [])];
    const removed = await removeFound(resources, topicPath(name), req.headers, () =>
      findTopic(resources, name),
    );
    if (removed) for (const { subscription } of below) endpoints.deletionNotices.tell(subscription);
    await catchUp(context);
    res.status(204).end();
  }

  async function listKeys(req: Request, res: Response): Promise<void> {
    const { value } = await getTopic(resources, scopeOf(req));
    res.set('cache-control', 'no-store').json(keys.keysOf(value));
  }

  /** Replaces one key by a new one and answers both. The old one is refused as soon as a gateway has noticed. */
  async function regenerateKey(req: Request, res: Response): Promise<void> {
    const name = scopeOf(req);
    const { keyName } = checkRegenerate(req.body ?? {});
    const topic = await changing(async () => {
      const { etag, value } = await getTopic(resources, name);
      checkPreconditions(req.headers, etag);
      const changed: Topic = {
        ...value,
        keys: { ...value.keys, [keyName]: value.keys[keyName] + 1 },
        updatedAt: clock.now(),
      };
      const result = await resources.put(topicPath(name), changed, { ifMatch: etag });
      return 'etag' in result ? changed : undefined;
    });
    await catchUp(context);
    res.set('cache-control', 'no-store').json(keys.keysOf(topic));
  }

  return [scopePaths[0], scopePaths[1]].flatMap((one): Route[] => [
    { method: 'GET', path: one.slice(0, one.lastIndexOf('/')), role: 'reader', handle: list },
    { method: 'PUT', path: one, role: 'admin', handle: put },
    { method: 'GET', path: one, role: 'reader', handle: get },
    { method: 'DELETE', path: one, role: 'admin', handle: remove },
    { method: 'GET', path: `${one}/keys`, role: 'admin', handle: listKeys },
    { method: 'POST', path: `${one}:regenerateKey`, role: 'admin', handle: regenerateKey },
  ]);
}
