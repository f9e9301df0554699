import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { TlsIdentity } from '@gridpost/model';
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
 * against the system's roots unless `tls` names others, HTTP/1.1 only. `timeoutMs` is for all of it, name and TLS included.
 */
export function plainConnector(timeoutMs: number, tls?: TlsIdentity): Connector {
  return connectorWith(timeoutMs, sharedLookup(systemLookup), tls);
}

export function connectorWith(timeoutMs: number, lookup: LookupFunction, tls?: TlsIdentity): Connector {
  try {
    // Made once: reading certificates and keys costs more than the rest of a connection.
    const secure = tls && { secureContext: createSecureContext(tls) };
    return buildConnector({ timeout: timeoutMs, allowH2: false, lookup, ...secure });
  } catch (error) {
    // Checked where they are written, perhaps by a process that is less strict; others are not to suffer from it.
    return (_, callback) => queueMicrotask(() => callback(error as Error, null));
  }
}
