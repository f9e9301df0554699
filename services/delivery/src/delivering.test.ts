import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Endpoint } from './testing/endpoint.js';
import { Rig } from './testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
beforeEach(async () => {
  rig = await new Rig().prepare();
  endpoint = await new Endpoint().listen();
});
afterEach(async () => {
  const left = await rig.close();
  await endpoint.until(() => endpoint.connections === 0);
  await endpoint.close();
  expect(left).toBe(0);
});

describe('a delivered event', () => {
  test('reaches every matching subscription, and leaves nothing behind', async () => {
    await rig.subscribe('all', `${endpoint.url}/all`);
    await rig.subscribe('paid', `${endpoint.url}/paid`, { filter: { includedEventTypes: ['order.paid'] } });
    const { metrics } = await rig.work();
    await rig.publish(['a', 'b']);
    await rig.publish(['c'], { type: 'order.paid' });
    await rig.publish(['d'], { type: 'order.lost' });
    await rig.settled();
    expect(endpoint.ids('/all').sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(endpoint.ids('/paid')).toEqual(['c']);
    expect(metrics.deliveryAttempts.with('orders', 'all', 'success').value).toBe(4);
    expect(metrics.deliveryLag.with('orders').count).toBe(5);
    expect(metrics.eventsMatched.with('orders', 'true').value).toBe(4);
  });

  test('carries what a receiver needs to know, and the bytes that were published', async () => {
    await rig.subscribe('hook', `${endpoint.url}/hook?key=1`);
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    const [{ path, headers, body }] = endpoint.received as [(typeof endpoint.received)[0]];
    expect(path).toBe('/hook?key=1');
    expect(JSON.parse(body)).toEqual({
      specversion: '1.0',
      id: 'a',
      source: '/shop',
      type: 'order.created',
      data: { id: 'a' },
    });
    expect(headers).toMatchObject({
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'aeg-event-type': 'Notification',
      'aeg-subscription-name': 'hook',
      'aeg-delivery-count': '0',
      'user-agent': 'gridpost-test',
    });
    expect(headers['webhook-id']).toMatch(/^msg_0_\w+_0_\w{16}$/);
  });
});
