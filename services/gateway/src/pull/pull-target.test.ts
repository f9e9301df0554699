import { expect, test } from '@jest/globals';
import { domainScope, domainTopicScope, type Scope } from '@gridpost/model';
import { pullRoutes, pullTargetOf, subscriptionNamed } from './pull-target.js';

const inTopic = '/topics/orders/eventsubscriptions/billing';

test.each<[string, string, Scope, string]>([
  [`${inTopic}:receive`, '/topics/{topic}/eventsubscriptions/{name}:receive', 'orders', ''],
  [`${inTopic}:receive?a=/b:c`, '/topics/{topic}/eventsubscriptions/{name}:receive', 'orders', 'a=/b:c'],
  [
    '/domains/shop/eventsubscriptions/billing:renewLock?',
    '/domains/{domain}/eventsubscriptions/{name}:renewLock',
    domainScope('shop'),
    '',
  ],
  [
    '/domains/shop/topics/north/eventsubscriptions/b%69lling:release?releaseDelayInSeconds=10',
    '/domains/{domain}/topics/{domainTopic}/eventsubscriptions/{name}:release',
    domainTopicScope('shop', 'north'),
    'releaseDelayInSeconds=10',
  ],
])('%s', (text, route, scope, query) => {
  const target = pullTargetOf(text)!;
  expect([target.form.route, target.query]).toEqual([route, query]);
  expect(subscriptionNamed(target)).toEqual({ scope, name: 'billing' });
});

test('every route is one of its own', () => {
  for (const { path } of pullRoutes) {
    const target = pullTargetOf(path.replaceAll(/[{}]/g, ''));
    expect(target?.form.route).toBe(path);
  }
  expect(pullRoutes).toHaveLength(15);
});

test.each([
  inTopic,
  `${inTopic}:getFullUrl`,
  `${inTopic}:Receive`,
  `${inTopic}:receive/`,
  `${inTopic}:receive:`,
  `${inTopic}?x=:receive`,
  `/x?y=${inTopic}:receive`,
  `/${inTopic}:receive`,
  '/Topics/orders/eventsubscriptions/billing:receive',
  '/topics/orders/eventsubscriptions/:receive',
  '/topics//eventsubscriptions/billing:receive',
  '/topics/orders/more/eventsubscriptions/billing:receive',
  '/subscriptions/orders/eventsubscriptions/billing:receive',
])('%p is somewhere else', (text) => {
  expect(pullTargetOf(text)).toBeUndefined();
});

test('a broken percent escape is refused', () => {
  const target = pullTargetOf('/topics/%zz/eventsubscriptions/billing:receive')!;
  expect(() => subscriptionNamed(target)).toThrow(expect.objectContaining({ code: 'InvalidName' }));
});
