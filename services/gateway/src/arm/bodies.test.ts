import { expect, test } from '@jest/globals';
import { patchedSubscription, subscriptionBody, topicBody } from './bodies.js';

test.each([
  ['EventGridSchema', 'EventGridSchema'],
  ['CloudEventSchemaV1_0', 'CloudEventSchemaV1_0'],
  ['CustomEventSchema', 'CustomInputSchema'],
] as const)('subscriptions of a topic that takes %s get %s unless they ask for another', (input, output) => {
  expect(subscriptionBody({ properties: {} }, input)).toEqual({
    properties: { eventDeliverySchema: output },
  });
  expect(subscriptionBody({ properties: { eventDeliverySchema: null } }, input)).toEqual({
    properties: { eventDeliverySchema: output },
  });
  const asked = { eventDeliverySchema: 'CloudEventSchemaV1_0' };
  expect(subscriptionBody({ properties: asked }, input)).toEqual({ properties: asked });
  expect(patchedSubscription({}, {}, input)).toEqual({ eventDeliverySchema: output });
  expect(patchedSubscription(asked, {}, input)).toEqual(asked);
  expect(patchedSubscription(asked, { eventDeliverySchema: null }, input)).toEqual({
    eventDeliverySchema: output,
  });
});

test('what is no resource is left to the schema', () => {
  for (const body of [null, [], 'text', 1, { properties: [] }, { properties: 'text' }]) {
    expect(topicBody(body)).toEqual(body);
    expect(subscriptionBody(body, undefined)).toEqual(body);
  }
});

test('the body that was sent is left as it is', () => {
  const body = { sku: null, properties: { destination: { endpointType: 'webhook' } } };
  const before = structuredClone(body);
  topicBody(body);
  subscriptionBody(body, undefined);
  patchedSubscription({}, { destination: body.properties.destination }, undefined);
  expect(body).toEqual(before);
});
