/** Topics, domains and their topics at Azure's paths. */
import type { Request, Response } from 'express';
import type { Context } from '../context.js';
import { changing, checkPreconditions } from '../preconditions.js';
import { type Route, scopeOf, scopePaths } from '../route.js';
import { getTopic } from '../stored.js';
import { asItIs, asked, listed, removal, replaced, send } from './answers.js';
import { checkDomainTopicBody, topicBody, topicPatch } from './bodies.js';
import type { NativeRoutes } from './native.js';
import { groupOf, groupPath, provider, subscriptionOnlyPath } from './paths.js';
import { domainTopicView, topicView } from './views.js';

type Handle = Route['handle'];

export function armTopicRoutes(context: Context, native: NativeRoutes): Route[] {
  const { resources } = context.store;

  const put =
    (one: string): Handle =>
    async (req, res) => {
      const group = groupOf(req);
      const answered = await native.ask('PUT', one, req, { body: topicBody(req.body) });
      send(res, answered, topicView(group, answered.body));
    };

  /** Members that are given replace those before; the rest stays, whatever others write at the same time. */
  const patch =
    (one: string): Handle =>
    async (req, res) => {
      const group = groupOf(req);
      const written = topicPatch(req.body);
      const answered = await changing(async () => {
        const { etag, value } = await getTopic(resources, scopeOf(req));
        checkPreconditions(req.headers, etag);
        const { properties, domain, location = null, tags = null } = value;
        return replaced(native, one, req, etag, {
          location,
          tags,
          ...written,
          properties: { ...properties, ...domain, ...written.properties },
        });
      });
      send(res, answered, topicView(group, answered.body));
    };

  const regenerateKey =
    (one: string): Handle =>
    async (req, res) => {
      groupOf(req);
      const answered = await native.ask('POST', `${one}:regenerateKey`, req, { body: req.body });
      send(res, answered, answered.body);
    };

  return [scopePaths[0], scopePaths[1]].flatMap((one): Route[] => {
    const all = one.slice(0, one.lastIndexOf('/'));
    const list = listed(native, all, topicView);
    const path = groupPath + provider + one;
    return [
      { method: 'GET', path: groupPath + provider + all, role: 'reader', handle: list },
      { method: 'GET', path: subscriptionOnlyPath + provider + all, role: 'reader', handle: list },
      { method: 'PUT', path, role: 'admin', handle: put(one) },
      { method: 'GET', path, role: 'reader', handle: asked(native, 'GET', one, topicView) },
      { method: 'PATCH', path, role: 'admin', handle: patch(one) },
      { method: 'DELETE', path, role: 'admin', handle: removal(native, one) },
      {
        method: 'POST',
        path: `${path}/listKeys`,
        role: 'admin',
        handle: asked(native, 'GET', `${one}/keys`, asItIs),
      },
      { method: 'POST', path: `${path}/regenerateKey`, role: 'admin', handle: regenerateKey(one) },
    ];
  });
}

export function armDomainTopicRoutes(native: NativeRoutes): Route[] {
  const one = scopePaths[2];
  const all = one.slice(0, one.lastIndexOf('/'));

  async function put(req: Request, res: Response): Promise<void> {
    const group = groupOf(req);
    checkDomainTopicBody(req.body);
    const answered = await native.ask('PUT', one, req);
    send(res, answered, domainTopicView(group, answered.body));
  }

  const path = groupPath + provider + one;
  return [
    {
      method: 'GET',
      path: groupPath + provider + all,
      role: 'reader',
      handle: listed(native, all, domainTopicView),
    },
    { method: 'PUT', path, role: 'admin', handle: put },
    { method: 'GET', path, role: 'reader', handle: asked(native, 'GET', one, domainTopicView) },
    { method: 'DELETE', path, role: 'admin', handle: removal(native, one) },
  ];
}
