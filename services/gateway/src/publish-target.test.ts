import { expect, test } from '@jest/globals';
import {
  customTopic,
  eventDomain,
  namespaceTopic,
  nowhere,
  type PublishForm,
  publishTargetOf,
  scopeNamed,
} from './publish-target.js';

test.each<[string, PublishForm, string]>([
  ['/topics/orders:publish', namespaceTopic, 'orders'],
  ['/topics/orders:publish?api-version=2024-06-01', namespaceTopic, 'orders'],
  ['/topics/orders:publish?x=/y:publish', namespaceTopic, 'orders'],
  ['/topics/%6Frders:publish', namespaceTopic, '%6Frders'],
  ['/topics/orders/api/events', customTopic, 'orders'],
  ['/topics/orders/api/events/', customTopic, 'orders'],
  ['/topics/orders/api/events?api-version=2018-01-01', customTopic, 'orders'],
  ['/topics/orders/api/events/?x=/api/events', customTopic, 'orders'],
  ['/TOPICS/Orders/Api/EVENTS', customTopic, 'Orders'],
  ['/orders/api/events', customTopic, 'orders'],
  ['/orders/API/events/', customTopic, 'orders'],
  ['/topics/api/events', customTopic, 'topics'],
  ['/domains/api/events', customTopic, 'domains'],
  ['/topics/x:publish/api/events', customTopic, 'x:publish'],
  ['/domains/shop/api/events', eventDomain, 'shop'],
  ['/Domains/shop/api/Events/', eventDomain, 'shop'],
  ['/api/events', nowhere, ''],
  ['/api/events/', nowhere, ''],
  ['//api/events', nowhere, ''],
  ['/queues/orders/api/events', nowhere, 'orders'],
  ['/topics/orders/more/api/events', nowhere, ''],
])('%s', (target, form, name) => {
  expect(publishTargetOf(target)).toEqual({ form, name });
});

test.each([
  '/',
  '',
  '/topics/:publish',
  '/topics/a/b:publish',
  '/topics/orders:PUBLISH',
  '/Topics/orders:publish',
  '/topics/orders:publish/',
  '/topics/orders',
  '/topics/orders/eventsubscriptions/api',
  '/topics/orders/api/event',
  '/topics/orders/api/eventss',
  '/topics/orders/api/events//',
  '/topics/orders/api/events/x',
  '/topics/orders/xapi/events',
  '/topics/orders/api%2Fevents',
  '/x?y=/topics/orders/api/events',
])('%p is somewhere else', (target) => {
  expect(publishTargetOf(target)).toBeUndefined();
});

test('a name is one of a topic or of a domain, by the address, and never both', () => {
  expect(scopeNamed(customTopic, 'orders')).toBe('orders');
  expect(scopeNamed(namespaceTopic, 'orders')).toBe('orders');
  expect(scopeNamed(eventDomain, 'shop')).toBe('domains/shop');
  for (const name of ['', 'ab', 'a/b', 'domains/shop', '__proto__', 'x'.repeat(51)]) {
    expect([customTopic, eventDomain].map((form) => scopeNamed(form, name))).toEqual([undefined, undefined]);
  }
});
