/** Topics and subscriptions as the store has them now, whoever wrote them; names checked on the way. */
import {
  type DomainTopic,
  domainScope,
  GridpostError,
  holderOf,
  isSubscriptionName,
  isTopicName,
  type Scope,
  type Subscription,
  subscriptionNameRule,
  subscriptionPath,
  type Topic,
  topicNameRule,
  topicPath,
} from '@gridpost/model';
import type { Resources } from '@gridpost/store';

export interface Stored<T> {
  readonly etag: string;
  readonly value: T;
}

/** When a resource was made and last written, as Azure shows it. */
export function systemDataOf({
  createdAt,
  updatedAt,
}: {
  readonly createdAt: number;
  readonly updatedAt: number;
}): object {
  return {
    createdAt: new Date(createdAt).toISOString(),
    lastModifiedAt: new Date(updatedAt).toISOString(),
  };
}

/** Throws `InvalidName`. */
export function checkTopicName(name: string): void {
  if (!isTopicName(name)) throw invalidName('topic', name, topicNameRule);
}

/** Throws `InvalidName`. */
export function checkSubscriptionName(name: string): void {
  if (!isSubscriptionName(name)) throw invalidName('subscription', name, subscriptionNameRule);
}

/** Throws `InvalidName`. */
export function checkScope(scope: Scope): void {
  const { holder, domainTopic } = holderOf(scope);
  const domain = domainIn(holder);
  if (domain === undefined) checkTopicName(holder);
  else if (!isTopicName(domain)) throw invalidName('domain', domain, topicNameRule);
  if (domainTopic !== undefined) checkTopicName(domainTopic);
}

/** A topic, or a domain by its scope. Throws `InvalidName`. */
export async function findTopic(resources: Resources, name: Scope): Promise<Stored<Topic> | undefined> {
  checkScope(name);
  return (await resources.get(topicPath(name))) as Stored<Topic> | undefined;
}

/** Throws `InvalidName`, `TopicNotFound` or `DomainNotFound`. */
export async function getTopic(resources: Resources, name: Scope): Promise<Stored<Topic>> {
  return (await findTopic(resources, name)) ?? missing(name);
}

/** Throws `InvalidName`. */
export async function findDomainTopic(
  resources: Resources,
  scope: Scope,
): Promise<Stored<DomainTopic> | undefined> {
  checkScope(scope);
  return (await resources.get(topicPath(scope))) as Stored<DomainTopic> | undefined;
}

/** Throws `InvalidName`. */
export async function findSubscription(
  resources: Resources,
  scope: Scope,
  name: string,
): Promise<Stored<Subscription> | undefined> {
  checkScope(scope);
  checkSubscriptionName(name);
  return (await resources.get(subscriptionPath(scope, name))) as Stored<Subscription> | undefined;
}

/** Throws `InvalidName`, `TopicNotFound`, `DomainNotFound` or `SubscriptionNotFound`. */
export async function getSubscription(
  resources: Resources,
  scope: Scope,
  name: string,
): Promise<Stored<Subscription>> {
  const stored = await findSubscription(resources, scope, name);
  if (stored) return stored;
  await checkExists(resources, scope);
  throw new GridpostError(
    'SubscriptionNotFound',
    `${whatIs(scope)} has no subscription ${JSON.stringify(name)}`,
  );
}

/** Throws `InvalidName`, `TopicNotFound` or `DomainNotFound`. */
export async function checkExists(resources: Resources, scope: Scope): Promise<void> {
  const { holder, domainTopic } = holderOf(scope);
  await getTopic(resources, holder);
  if (domainTopic !== undefined && !(await findDomainTopic(resources, scope))) missing(scope);
}

export function missing(scope: Scope): never {
  const code = domainIn(scope) === undefined ? 'TopicNotFound' : 'DomainNotFound';
  throw new GridpostError(code, `there is no ${whatIs(scope)}`);
}

/** A scope in words. */
function whatIs(scope: Scope): string {
  const { holder, domainTopic } = holderOf(scope);
  const domain = domainIn(holder);
  if (domain === undefined) return `topic ${JSON.stringify(holder)}`;
  const within = domainTopic === undefined ? '' : `topic ${JSON.stringify(domainTopic)} in `;
  return `${within}domain ${JSON.stringify(domain)}`;
}

/** The name of the domain that a scope is. */
export function domainIn(scope: Scope): string | undefined {
  return scope.startsWith(domainScope('')) ? scope.slice(domainScope('').length) : undefined;
}

function invalidName(kind: string, name: string, rule: string): GridpostError {
  // Escaped, and cut: the name is whatever somebody sent.
  return new GridpostError(
    'InvalidName',
    `the ${kind} name ${JSON.stringify(name.slice(0, 64))} is not ${rule}`,
  );
}
