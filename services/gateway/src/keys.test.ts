import { createHmac } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { Topic } from '@gridpost/model';
import { TopicKeys } from './keys.js';

const rootKey = Buffer.from('a root key of thirty-two bytes!!');
const topic: Topic = {
  name: 'orders',
  incarnation: '0123456789abcdef',
  properties: { inputSchema: 'CloudEventSchemaV1_0', disableLocalAuth: false, eventRetentionInDays: 0 },
  keys: { key1: 1, key2: 3 },
  createdAt: 0,
  updatedAt: 0,
};

test('a key follows from root key, incarnation, name and generation, and from nothing else', () => {
  const keys = new TopicKeys(rootKey);
  const derived = (text: string) => createHmac('sha256', rootKey).update(text).digest('base64');
  expect(keys.keysOf(topic)).toEqual({
    key1: derived('topic-key/0123456789abcdef/key1/1'),
    key2: derived('topic-key/0123456789abcdef/key2/3'),
  });
  expect(keys.keysOf({ ...topic, name: 'renamed', updatedAt: 1 })).toEqual(keys.keysOf(topic));
  expect(new TopicKeys(Buffer.from('another')).keysOf(topic).key1).not.toBe(keys.keysOf(topic).key1);
});

test('both keys are right, and near misses are not, whatever their length', () => {
  const keys = new TopicKeys(rootKey);
  const { key1, key2 } = keys.keysOf(topic);
  expect([key1, key2].map((key) => keys.isKeyOf(topic, key))).toEqual([true, true]);
  const misses = [
    '',
    key1.slice(1),
    `${key1}=`,
    key1.toLowerCase(),
    ` ${key1}`,
    `${key1}\u0000`,
    'é',
    'x'.repeat(9_000),
  ];
  expect(misses.map((key) => keys.isKeyOf(topic, key))).toEqual(misses.map(() => false));
});

test('a change of generation ends the old key at once', () => {
  const keys = new TopicKeys(rootKey);
  const { key1, key2 } = keys.keysOf(topic);
  expect(keys.isKeyOf(topic, key1)).toBe(true);
  const changed = { ...topic, keys: { ...topic.keys, key1: 2 } };
  expect([key1, key2].map((key) => keys.isKeyOf(changed, key))).toEqual([false, true]);
});
