/** The least event of Event Grid's schema, and a topic to publish it to, for this room's tests. */
export const topic = '/topics/orders';

export const least = {
  id: '1',
  subject: '/orders/7',
  eventType: 'order.created',
  eventTime: '2024-05-01T12:00:00Z',
};
