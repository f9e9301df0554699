/** Topics and subscriptions as the store has them now, whoever wrote them; names checked on the way. */
import {
  GridpostError,
  isSubscriptionName,
  isTopicName,
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

/** Throws `InvalidName`. */
export function checkTopicName(name: string): void {
  if (!isTopicName(name)) throw invalidName('topic', name, topicNameRule);
}

/** Throws `InvalidName`. */
export function checkSubscriptionName(name: string): void {
  if (!isSubscriptionName(name)) throw invalidName('subscription', name, subscriptionNameRule);
}

export async function findTopic(resources: Resources, name: string): Promise<Stored<Topic> | undefined> {
  checkTopicName(name);
  return (await resources.get(topicPath(name))) as Stored<Topic> | undefined;
}

/** Throws `InvalidName` or `TopicNotFound`. */
export async function getTopic(resources: Resources, name: string): Promise<Stored<Topic>> {
  const stored = await findTopic(resources, name);
  if (!stored) throw new GridpostError('TopicNotFound', `there is no topic ${JSON.stringify(name)}`);
  return stored;
}

export async function findSubscription(
  resources: Resources,
  topic: string,
  name: string,
): Promise<Stored<Subscription> | undefined> {
  checkTopicName(topic);
  checkSubscriptionName(name);
  return (await resources.get(subscriptionPath(topic, name))) as Stored<Subscription> | undefined;
}

/** Throws `InvalidName`, `TopicNotFound` or `SubscriptionNotFound`. */
export async function getSubscription(
  resources: Resources,
  topic: string,
  name: string,
): Promise<Stored<Subscription>> {
  const stored = await findSubscription(resources, topic, name);
  if (stored) return stored;
  await getTopic(resources, topic);
  throw new GridpostError(
    'SubscriptionNotFound',
    `topic ${JSON.stringify(topic)} has no subscription ${JSON.stringify(name)}`,
  );
}

function invalidName(kind: string, name: string, rule: string): GridpostError {
  // Escaped, and cut: the name is whatever somebody sent.
  return new GridpostError(
    'InvalidName',
    `the ${kind} name ${JSON.stringify(name.slice(0, 64))} is not ${rule}`,
  );
}
