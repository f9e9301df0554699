/** What a route is: data from which the Express application and the checks on the documentation are made. */
import { domainScope, domainTopicScope, type Scope } from '@gridpost/model';
import type { Request, Response } from 'express';
import type { Need } from './caller.js';

export interface DescribedRoute {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
  /** As in the OpenAPI document: `/topics/{topic}`. */
  readonly path: string;
  /**
   * What a caller needs: `reader` where it only looks, `operator` where it mends what runs, `admin` where it configures,
   * deletes, or shows a secret. `anyone` is the same for all routes of a path.
   */
  readonly role: Need;
}

/** One of the Express application's. */
export interface Route extends DescribedRoute {
  readonly role: Exclude<Need, 'consumer'>;
  /** Answers, or rejects with a catalogue error. For PUT, PATCH and POST the body has been read into `req.body`. */
  readonly handle: (req: Request, res: Response) => Promise<void>;
  /** What is sent along is not read, whatever it is. */
  readonly anyBody?: true;
}

/** A path parameter, percent-decoded. */
export function parameter(req: Request, name: string): string {
  return req.params[name] as string;
}

/** The paths below which subscriptions are: those of a topic, of a domain, and of a topic in a domain. */
export const scopePaths = [
  '/topics/{topic}',
  '/domains/{domain}',
  '/domains/{domain}/topics/{domainTopic}',
] as const;

/** The scope that a path of `scopePaths`, or one below it, names. */
export function scopeOf({ params }: Request): Scope {
  return scopeFrom(params as Record<string, string | undefined>);
}

/** The scope with these names: a topic's alone, or a domain's and perhaps that of a topic in it. */
export function scopeFrom({
  topic,
  domain,
  domainTopic,
}: Readonly<Record<string, string | undefined>>): Scope {
  if (domain === undefined) return topic!;
  return domainTopic === undefined ? domainScope(domain) : domainTopicScope(domain, domainTopic);
}

/** Where the client reached this gateway, for the absolute links in answers; empty if it did not say. */
export function baseUrl(req: Request): string {
  const { host } = req.headers;
  return host === undefined ? '' : `${req.protocol}://${host}`;
}
