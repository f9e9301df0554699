/** What a person reads after `npm start`: where it listens, what it promises, and two commands to see it work. */
import { isIPv6 } from 'node:net';
import { limits, type Topic, newIncarnation, topicPath } from '@gridpost/model';
import type { Store } from '@gridpost/store';

export const demoTopic = 'demo';

/** Makes the topic that the printed commands use. Only where nothing exists yet, so that nobody finds it by surprise. */
export async function createDemoTopic(store: Store, now: number): Promise<void> {
  const topic: Topic = {
    name: demoTopic,
    incarnation: newIncarnation(),
    properties: {
      inputSchema: 'CloudEventSchemaV1_0',
      disableLocalAuth: false,
      eventRetentionInDays: limits.retentionDays.default,
    },
    keys: { key1: 1, key2: 1 },
    createdAt: now,
    updatedAt: now,
  };
  await store.resources.put(topicPath(demoTopic), topic, { ifNoneMatch: '*' });
}

export function urlOf(scheme: 'http' | 'https', host: string, port: number): string {
  return `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

export function welcome(options: {
  version: string;
  url: string;
  info: Store['info'];
  roles: readonly string[];
  open: boolean;
}): string {
  const { version, url, info, roles, open } = options;
  const lines = [
    `Gridpost ${version} listening on ${url}`,
    `  store       ${info.kind} ${info.place}, ${info.partitions} partition${info.partitions === 1 ? '' : 's'}`,
    `  durability  ${info.durability}`,
    `  roles       ${roles.join(', ')}`,
    `  access      ${open ? 'open: no admin key is set, so it listens on loopback only' : 'admin key required'}`,
  ];
  if (!roles.includes('gateway')) return lines.join('\n');
  const admin = open ? '' : ` -H "Authorization: Bearer $GRIDPOST_ADMIN_KEY"`;
  const topic = `${url}/topics/${demoTopic}`;
  lines.push(
    '',
    open ? 'Subscribe a webhook:' : `Subscribe a webhook (create the topic first: PUT ${topic}):`,
    '',
    `  curl -X PUT ${topic}/eventsubscriptions/my-hook${admin} -H 'Content-Type: application/json' \\`,
    `    -d '{"destination":{"endpointType":"WebHook","properties":{"endpointUrl":"http://127.0.0.1:9000/"}}}'`,
    '',
    'Publish an event:',
    '',
    `  curl -X POST ${topic}:publish${admin} -H 'Content-Type: application/cloudevents+json' \\`,
    `    -d '{"specversion":"1.0","id":"1","source":"/shop","type":"order.created","data":{"order":42}}'`,
    '',
  );
  return lines.join('\n');
}
