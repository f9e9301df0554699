/**
 * Azure Resource Manager's paths and ids, and which of Gridpost's resources they mean.
 *
 * A deployment of Gridpost is one namespace of topics and domains. Subscription and resource group are where Azure's
 * clients expect them, have to look like ones, and are given back in ids; no matter which, the resources are the same.
 */
import { GridpostError, holderOf, type Scope, subscriptionPath, topicPath } from '@gridpost/model';
import type { Request } from 'express';
import { scopeFrom, scopePaths } from '../route.js';
import { domainIn } from '../stored.js';

export const subscriptionOnlyPath = '/subscriptions/{subscription}';
export const groupPath = `${subscriptionOnlyPath}/resourceGroups/{resourceGroup}`;
/** Where resources of Event Grid are, below a subscription or a resource group. */
export const provider = '/providers/Microsoft.EventGrid';

/** The resource group in ids where the path names none. */
const defaultResourceGroup = 'gridpost';
/** What a resource's location is that was written without one; Azure's word for no region. */
export const defaultLocation = 'global';

/** How an event subscription's path continues that of its scope: as a child, or as an extension resource. */
export const forms = {
  nested: '/eventSubscriptions',
  extension: `${provider}/eventSubscriptions`,
} as const;
export type Form = keyof typeof forms;

/** Whether a path is Azure Resource Manager's. */
export function isArmPath(path: string): boolean {
  return /^\/+(subscriptions|providers)(\/|$)/i.test(path);
}

/** The request target with its slashes collapsed if it is Azure Resource Manager's: the SDK doubles them (scopes with one). */
export function collapsed(url: string): string {
  if (!isArmPath(url)) return url;
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  return path.replace(/\/{2,}/g, '/') + url.slice(path.length);
}

export interface Group {
  readonly subscription: string;
  readonly resourceGroup: string;
}

/** The subscription and the resource group that the path names. Throws `InvalidName`. */
export function groupOf({ params }: Request): Group {
  const { subscription, resourceGroup = defaultResourceGroup } = params as Record<string, string>;
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(subscription!)) {
    throw invalid('subscription id', subscription!, 'a GUID');
  }
  // Azure, "Naming rules and restrictions for Azure resources".
  if (!/^[\p{L}\p{Nd}_.()-]{1,90}$/u.test(resourceGroup) || resourceGroup.endsWith('.')) {
    throw invalid(
      'resource group',
      resourceGroup,
      '1 to 90 letters, digits, underscores, hyphens, parentheses or full stops, the last of which is no full stop',
    );
  }
  return { subscription: subscription!, resourceGroup };
}

function invalid(kind: string, name: string, rule: string): GridpostError {
  return new GridpostError(
    'InvalidName',
    `the ${kind} ${JSON.stringify(name.slice(0, 100))} in the path is not ${rule}`,
  );
}

export function groupId({ subscription, resourceGroup }: Group): string {
  return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}`;
}

export function scopeId(group: Group, scope: Scope): string {
  return `${groupId(group)}${provider}/${topicPath(scope)}`;
}

/** A resource of Event Grid as an id names it. */
export interface Named {
  readonly scope: Scope;
  /** Of the event subscription, if it is one. */
  readonly subscription?: string;
}

const id =
  /^(?:\/?subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/)?\/?Microsoft\.EventGrid\/(?:topics\/([^/]+)|domains\/([^/]+)(?:\/topics\/([^/]+))?)(?:(?:\/providers\/Microsoft\.EventGrid)?\/eventSubscriptions\/([^/]+))?$/i;

/** What an id means, whole or from the provider's name on; undefined if it is nothing that Gridpost has. */
export function named(text: string): Named | undefined {
  const [, topic, domain, domainTopic, subscription] = id.exec(text) ?? [];
  if (topic === undefined && domain === undefined) return undefined;
  const scope = scopeFrom({ topic, domain, domainTopic });
  return { scope, ...(subscription === undefined ? {} : { subscription }) };
}

/** Gridpost's own path of a resource: the same for all ids that mean it. */
export function ownPath({ scope, subscription }: Named): string {
  return subscription === undefined ? topicPath(scope) : subscriptionPath(scope, subscription);
}

/** The path of the route to a resource, and its parameters. */
export function routeTo({ scope, subscription }: Named): {
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
} {
  const { holder, domainTopic } = holderOf(scope);
  const domain = domainIn(holder);
  const [path, params] =
    domain === undefined
      ? [scopePaths[0], { topic: holder }]
      : domainTopic === undefined
        ? [scopePaths[1], { domain }]
        : [scopePaths[2], { domain, domainTopic }];
  if (subscription === undefined) return { path, params };
  return { path: `${path}/eventsubscriptions/{name}`, params: { ...params, name: subscription } };
}

/** Why there is nothing at one of Azure Resource Manager's paths. */
export function nothingAt(path: string): GridpostError {
  const after = path
    .split(/\/providers\//i)
    .slice(1)
    .join('/providers/');
  const [namespace = '', ...rest] = after.split('/');
  const type = [namespace, ...rest.filter((_, index) => index % 2 === 0)].filter(Boolean).join('/');
  const what = type === '' ? 'nothing at this path' : `no ${JSON.stringify(type.slice(0, 100))} there`;
  return new GridpostError(
    'RouteNotFound',
    `Gridpost has ${what}; of Azure Resource Manager it has Microsoft.EventGrid's topics, domains, domains/topics and eventSubscriptions on these, and deployments of them (docs/azure.md)`,
  );
}
