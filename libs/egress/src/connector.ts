import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { sharedLookup } from './lookup.js';

/**
 * Makes a connection; undici's shape. What it returns, although the type does not say so, has a `destroy` that ends the
 * connecting, or is undefined where there is nothing to end.
 */
export type Connector = buildConnector.connector;

export const systemLookup = lookup as LookupFunction;

/**
 * TCP and TLS as the system has them, to any address: for what the deployment names itself. Certificates are verified
 * against the system's roots, HTTP/1.1 only. `timeoutMs` is for all of it, name and TLS included.
 */
export function plainConnector(timeoutMs: number): Connector {
  return connectorWith(timeoutMs, sharedLookup(systemLookup));
}

export function connectorWith(timeoutMs: number, lookup: LookupFunction): Connector {
  return buildConnector({ timeout: timeoutMs, allowH2: false, lookup });
}
