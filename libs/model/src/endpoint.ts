/**
 * Where a destination's events go: the exact URL that is called, and the headers that let a caller in. The same for those
 * who ask an endpoint and for those who deliver to it.
 */
import {
  authorizationOf,
  type Credentials,
  type OAuth2Credentials,
  type TlsIdentity,
  type TlsTrust,
  tlsIdentityOf,
} from './credentials.js';
import type { Destination } from './resources.js';

/** A host of Azure Functions as a deployment knows it. */
export interface FunctionApp {
  /** Of its root, without a query. */
  readonly url: string;
  /** System key of the Event Grid extension, or the master key. */
  readonly key?: string;
}

/** By the app's name in lower case: Azure compares names without regard to case. */
export type FunctionApps = ReadonlyMap<string, FunctionApp>;

export interface Endpoint {
  readonly url: string;
  /** Secret. */
  readonly headers: Readonly<Record<string, string>>;
  /** What a token has to be obtained with, for each request. */
  readonly oauth2?: OAuth2Credentials;
  /** Absent where connections are made as to any endpoint. */
  readonly tls?: TlsIdentity;
}

/** Azure's id of a function. Slots have none of their own here. */
const functionId =
  /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.Web\/sites\/([^/]+)\/functions\/([^/]+)$/i;

/** Undefined for what is no id of a function. */
export function functionOf(
  resourceId: string,
): { readonly app: string; readonly functionName: string } | undefined {
  const [, app, functionName] = functionId.exec(resourceId) ?? [];
  return app === undefined ? undefined : { app: app.toLowerCase(), functionName: functionName! };
}

/** Undefined if the destination names a function app that is not among these. */
export function endpointOf(destination: Destination, apps: FunctionApps): Endpoint | undefined {
  const called = calledBy(destination, apps);
  return called && endpointAt(called, destination.properties);
}

/** What is called, with what lets requests in there. */
export function endpointAt(
  called: Pick<Endpoint, 'url' | 'headers'>,
  { credentials, tls: trust }: { readonly credentials?: Credentials; readonly tls?: TlsTrust },
): Endpoint {
  const authorization = authorizationOf(credentials);
  const tls = tlsIdentityOf(credentials, trust);
  return {
    ...called,
    ...(authorization === undefined ? {} : { headers: { ...called.headers, authorization } }),
    ...(credentials?.type === 'oauth2' ? { oauth2: credentials } : {}),
    ...(tls ? { tls } : {}),
  };
}

function calledBy({ endpointType, properties }: Destination, apps: FunctionApps): Endpoint | undefined {
  if (endpointType === 'WebHook') return { url: properties.endpointUrl, headers: {} };
  if (properties.resourceId === undefined) {
    const { endpointUrl: url, functionName, key } = properties;
    return hookOf({ url, ...(key === undefined ? {} : { key }) }, functionName);
  }
  const named = functionOf(properties.resourceId);
  const app = named && apps.get(named.app);
  return app && hookOf(app, named.functionName);
}

/** The Event Grid extension's address on a host (Azure Functions, "Event Grid trigger", webhook). */
function hookOf({ url, key }: FunctionApp, functionName: string): Endpoint {
  const base = url.replace(/\/+$/, '');
  return {
    url: `${base}/runtime/webhooks/eventgrid?functionName=${encodeURIComponent(functionName)}`,
    // A key in the query would stand in the logs of whatever lies between.
    headers: key === undefined ? {} : { 'x-functions-key': key },
  };
}
