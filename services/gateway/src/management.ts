/**
 * The Express application: everything but publishing and receiving. It gives each request an id, checks who asks, finds the route,
 * and turns whatever is thrown into an answer; what a route does stands in its own file.
 *
 * Express matches the paths, strictly: letters by case, no trailing slash, nothing collapsed; but those of Azure Resource
 * Manager as Azure compares them. A path is a pattern of literals and whole segments only, so matching takes time in the
 * path's length.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, GridpostError, holderOf, type Log, type Role, roles, type Topic } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { answerWhole } from './answer.js';
import { collapsed, isArmPath, nothingAt } from './arm/paths.js';
import type { AuditLog } from './audit/audit-log.js';
import { isRefusal, kindOf, onPartWritten, recordOf } from './audit/audited.js';
import { type Access, checkOrigin } from './auth.js';
import { type Caller, requireRole } from './caller.js';
import { jsonBody } from './json-body.js';
import { armAnswer, catalogued, problemAnswer, requestIdHeader } from './problem.js';
import { type Route, scopeOf } from './route.js';
import { RouteTimes, unmatchedRoute } from './route-times.js';

export interface ManagementOptions {
  readonly routes: readonly Route[];
  readonly access: Access;
  readonly audit: AuditLog;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is noted of a request for its log line and its metrics. */
interface Notes {
  readonly requestId: string;
  readonly began: number;
  route: string;
  parameters: Request['params'];
  /** What the route needs of its caller. */
  need: Route['role'];
  /** Once the credential has been found right. */
  caller: Caller | undefined;
}

export function createManagement(options: ManagementOptions): Express {
  const { access, registry, clock } = options;
  const app = express();
  app.disable('x-powered-by');
  // Entity tags are the store's; Express would hash bodies for others that mean nothing in If-Match.
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', 'simple');

  app.use((req: Request, res: Response, next: NextFunction) => {
    const notes: Notes = {
      requestId: randomUUID(),
      began: clock.elapsed(),
      route: unmatchedRoute,
      parameters: {},
      need: 'reader',
      caller: undefined,
    };
    res.locals.notes = notes;
    res.set(requestIdHeader, notes.requestId).set('x-content-type-options', 'nosniff');
    res.on('close', () => conclude(req, res, options));
    onPartWritten(res, (part) => {
      const { requestId, route, parameters, caller } = notes;
      const whole = recordOf(req, res, requestId, caller, parameters, clock);
      options.audit.write('changes', { ...whole, ...part }, { route });
    });
    next();
  });

  // A router of its own, because this is how Express is told to compare without regard to case.
  const arm = express.Router({ caseSensitive: false, strict: false });
  app.use((req, res, next) => {
    req.url = collapsed(req.url);
    if (isArmPath(req.path)) arm(req, res, next);
    else next();
  });

  for (const [path, routes] of byPath(options.routes)) {
    const matched = (isArmPath(path) ? arm : app).route(expressPath(path));
    matched.all(async (req, res, next) => {
      const need = needOf(routes, req.method);
      Object.assign(notesOf(res), { route: path, parameters: req.params, need });
      if (need !== 'anyone') {
        await admit(req, res, need);
        if (req.method !== 'GET' && req.method !== 'HEAD') checkOrigin(req.headers);
      }
      next();
    });
    for (const { method, handle, anyBody } of routes) {
      if (method === 'GET') matched.get(handle);
      else if (method === 'DELETE') matched.delete(handle);
      else if (method === 'PUT') matched.put(jsonBody, handle);
      else if (method === 'PATCH') matched.patch(jsonBody, handle);
      else if (anyBody) matched.post(handle);
      else matched.post(jsonBody, handle);
    }
    const allow = allowedMethods(routes);
    matched.all((req, _res, next) => next(noMethod(req, allow)));
  }

  app.use(async (req: Request, res: Response, next: NextFunction) => {
    await admit(req, res, 'reader');
    next(
      isArmPath(req.path)
        ? nothingAt(req.path)
        : new GridpostError(
            'RouteNotFound',
            'there is nothing at this path; GET /openapi.json lists what there is',
          ),
    );
  });
  // Express knows error handlers by their four parameters.
  app.use((error: unknown, req: Request, res: Response, next: NextFunction) => {
    if (res.headersSent) next(error);
    else refuse(error, req, res, options);
  });
  return app;

  /** Rejects unless the caller is known and may do what the route is for. */
  async function admit(req: Request, res: Response, need: Role): Promise<void> {
    const caller = await access.callerOf(req.headers, topicOf(req, registry), need);
    notesOf(res).caller = caller;
    requireRole(caller, need);
  }
}

/** What a method of a path needs; one that it does not have, the least of what its methods need. */
function needOf(routes: readonly Route[], method: string): Route['role'] {
  const sought = method === 'HEAD' ? 'GET' : method;
  const role = routes.find((route) => route.method === sought)?.role;
  if (role !== undefined) return role;
  const needs = routes.map((route) => route.role);
  return roles.find((each) => needs.includes(each)) ?? needs[0]!;
}

/** The topic that the path names, as far as this process knows it. */
function topicOf(req: Request, registry: Registry): Topic | undefined {
  const { topic, domain } = req.params;
  if (topic === undefined && domain === undefined) return undefined;
  return registry.topic(holderOf(scopeOf(req)).holder)?.topic;
}

/** Paths with an operation first: `/topics/{topic}` would match `/topics/x:operation` as well. */
function byPath(routes: readonly Route[]): [string, Route[]][] {
  const paths = new Map<string, Route[]>();
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route]);
  return [...paths].sort(([a], [b]) => Number(b.includes(':')) - Number(a.includes(':')));
}

/** `/topics/{topic}:regenerateKey` → `/topics/:topic\:regenerateKey`. */
function expressPath(template: string): string {
  return template.replaceAll(':', '\\:').replace(/\{(\w+)\}/g, ':$1');
}

/** Express answers HEAD with what GET would. */
function allowedMethods(routes: readonly Route[]): string[] {
  return routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
}

function noMethod({ method, params }: Request, allow: readonly string[]): GridpostError {
  // What matched as a name may have been meant as an operation that does not exist.
  if (Object.values(params).some((value) => String(value).includes(':'))) {
    return new GridpostError(
      'RouteNotFound',
      'there is no such operation; GET /openapi.json lists what there is',
    );
  }
  return new GridpostError('MethodNotAllowed', `${method} is not supported here; use ${allow.join(', ')}`, {
    allow,
  });
}

function notesOf(res: Response): Notes {
  return res.locals.notes as Notes;
}

function refuse(thrown: unknown, req: Request, res: Response, { clock, log }: ManagementOptions): void {
  const { requestId, route } = notesOf(res);
  const error = isBadEscape(thrown)
    ? new GridpostError('InvalidName', 'the path has a broken percent escape')
    : catalogued(thrown);
  if (error.code === 'Internal') {
    const cause = error.cause instanceof Error ? error.cause : error;
    log.error({ requestId, method: req.method, route, error: cause.stack }, 'request failed');
  }
  answerWhole(req, res, clock, (isArmPath(req.path) ? armAnswer : problemAnswer)(error, requestId));
}

/** Express's router decodes parameters, and marks what it cannot decode as the client's fault. */
function isBadEscape(thrown: unknown): boolean {
  return thrown instanceof URIError && (thrown as { status?: number }).status === 400;
}

/** Once the answer is out, or nobody waits for it any more: its metrics, and its record. */
function conclude(req: Request, res: Response, { metrics, clock, audit }: ManagementOptions): void {
  const { requestId, began, route, parameters, need, caller } = notesOf(res);
  const elapsedMs = clock.elapsed() - began;
  if (res.writableFinished) new RouteTimes(metrics, req.method, route).observe(res.statusCode, elapsedMs);
  const kind = kindOf(need, route, res.statusCode, audit.settings.reads);
  if (kind === undefined) return;
  if (isRefusal(res.statusCode))
    metrics.managementRefusals.with(res.statusCode === 401 ? 'Unauthorized' : 'Forbidden').add();
  audit.write(kind, recordOf(req, res, requestId, caller, parameters, clock), { route, elapsedMs });
}
