/** What handlers of Azure's routes share: answering with what a route of Gridpost's own answered, in Azure's words. */
import { GridpostError } from '@gridpost/model';
import type { Request, Response } from 'express';
import { entityTag } from '../preconditions.js';
import { baseUrl, type Route } from '../route.js';
import type { Answered, NativeRoutes } from './native.js';
import { type Group, groupOf } from './paths.js';

/** Sends what was answered, with this body, or with none. */
export function send(res: Response, { status, headers }: Omit<Answered, 'body'>, body?: object): void {
  for (const [name, value] of headers) res.set(name, value);
  res.status(status);
  if (body === undefined) res.end();
  else res.json(body);
}

/** A handler that answers with what a route of Gridpost's own answers, its body as `view` shows it. */
export function asked(
  native: NativeRoutes,
  method: Route['method'],
  path: string,
  view: (group: Group, body: never, req: Request) => object,
): Route['handle'] {
  return async (req, res) => {
    const group = groupOf(req);
    const answered = await native.ask(method, path, req);
    send(res, answered, view(group, answered.body as never, req));
  };
}

/** The same for a list, whose items `view` shows. */
export function listed(
  native: NativeRoutes,
  path: string,
  view: (group: Group, item: never, req: Request) => object,
): Route['handle'] {
  return async (req, res) => {
    const group = groupOf(req);
    refuseFilter(req);
    const answered = await native.ask('GET', path, req);
    send(
      res,
      answered,
      page(req, answered, (item) => view(group, item, req)),
    );
  };
}

/** What is answered as it stands. */
export function asItIs(_group: Group, body: object): object {
  return body;
}

/** A page as Azure's clients read it on; `view` shows an item. */
function page(req: Request, answered: Answered, view: (item: never) => object): object {
  const { value, nextLink } = answered.body as { value: never[]; nextLink?: string };
  if (nextLink === undefined) return { value: value.map(view) };
  const query = new URL(nextLink, 'http://unused').searchParams;
  const version = req.query['api-version'];
  if (typeof version === 'string') query.set('api-version', version);
  return { value: value.map(view), nextLink: `${baseUrl(req)}${req.path}?${query}` };
}

/** Throws `InvalidParameter`: an unfiltered list in place of a filtered one would be believed. */
function refuseFilter({ query }: Request): void {
  if (query.$filter === undefined) return;
  const message = 'is not supported; read the whole list';
  throw new GridpostError('InvalidParameter', `the query parameter $filter ${message}`, {
    errors: [{ pointer: 'query/$filter', message }],
  });
}

/** 200, or 204 if there was nothing: Azure's clients take either (Azure Resource Manager RPC, "Delete Resource"). */
export function removal(native: NativeRoutes, one: string): Route['handle'] {
  return async (req, res) => {
    groupOf(req);
    const existed = await exists(native.ask('GET', one, req));
    const answered = await native.ask('DELETE', one, req);
    send(res, { ...answered, status: existed ? 200 : 204 });
  };
}

/** Puts the resource if it is still what the etag says; undefined if it is not. */
export async function replaced(
  native: NativeRoutes,
  one: string,
  req: Request,
  etag: string,
  body: unknown,
): Promise<Answered | undefined> {
  const { 'if-none-match': _, ...headers } = req.headers;
  try {
    return await native.ask('PUT', one, req, { body, headers: { ...headers, 'if-match': entityTag(etag) } });
  } catch (error) {
    if (error instanceof GridpostError && error.code === 'PreconditionFailed') return undefined;
    throw error;
  }
}

/** Whether `get`, which rejects where there is nothing, resolves. Rejects with anything else that goes wrong. */
async function exists(get: Promise<unknown>): Promise<boolean> {
  try {
    await get;
    return true;
  } catch (error) {
    if (error instanceof GridpostError && error.status === 404) return false;
    throw error;
  }
}
