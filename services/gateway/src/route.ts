/** What a management route is: data from which the Express application and the checks on the documentation are made. */
import type { Request, Response } from 'express';

export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** As in the OpenAPI document: `/topics/{topic}`. */
  readonly path: string;
  /** Answers, or rejects with a catalogue error. For PUT and POST the body has been read into `req.body`. */
  readonly handle: (req: Request, res: Response) => Promise<void>;
  /** Served without a credential; the same for all routes of a path. */
  readonly open?: true;
}

/** A path parameter, percent-decoded. */
export function parameter(req: Request, name: string): string {
  return req.params[name] as string;
}

/** Where the client reached this gateway, for the absolute links in answers; empty if it did not say. */
export function baseUrl(req: Request): string {
  const { host } = req.headers;
  return host === undefined ? '' : `${req.protocol}://${host}`;
}
