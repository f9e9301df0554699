/**
 * Subscriptions and events for the routing workloads: of each kind of filter one that wants exactly one number, so that
 * an event made for a number matches the one subscription of that number and no other.
 */
import { type Event, frameEvent } from '@gridpost/model';
import type { Filters } from '@gridpost/routing';

/** What an event made for a number carries, and which a filter may ask for. */
export interface Facts {
  readonly type: string;
  readonly subject: string;
  readonly tenant: string;
  readonly customer: string;
  readonly amount: number;
  readonly code: number;
}

/** Six digits: one number's text is never a beginning or an end of another's. */
const digits = (number: number): string => String(number).padStart(6, '0');

export function factsOf(number: number): Facts {
  const text = digits(number);
  return {
    type: `com.example.type-${text}`,
    subject: `/${text}/orders/${text}`,
    tenant: `tenant-${text}`,
    customer: `customer-${text}`,
    amount: number * 10 + 5,
    code: number,
  };
}

type Kind = (number: number) => Filters;

const advanced = (
  operatorType: string,
  key: string,
  values: readonly (string | number | number[])[],
): Filters => ({
  filter: { advancedFilters: [{ operatorType, key, values }] },
});

/** Kinds that look at context attributes only. */
export const attributeKinds: readonly Kind[] = [
  (number) => ({ filter: { includedEventTypes: [factsOf(number).type] } }),
  (number) => ({ filter: { includedEventTypes: [factsOf(number).type, `${factsOf(number).type}.v2`] } }),
  (number) => ({ filter: { subjectBeginsWith: `/${digits(number)}/` } }),
  (number) => ({ filter: { subjectEndsWith: `/${digits(number)}` } }),
  (number) => advanced('StringIn', 'tenant', [factsOf(number).tenant]),
  (number) => ({ filters: [{ exact: { type: factsOf(number).type, tenant: factsOf(number).tenant } }] }),
  (number) => ({
    filters: [
      {
        any: [{ exact: { tenant: factsOf(number).tenant } }, { prefix: { subject: `/${digits(number)}/` } }],
      },
    ],
  }),
  (number) => ({
    filters: [{ sql: `type = '${factsOf(number).type}' AND subject LIKE '/${digits(number)}/%'` }],
  }),
];

/** Kinds that look into the data. */
export const dataKinds: readonly Kind[] = [
  (number) => advanced('StringIn', 'data.order.customer', [factsOf(number).customer]),
  (number) => advanced('StringBeginsWith', 'data.order.customer', [factsOf(number).customer]),
  (number) => advanced('NumberIn', 'data.code', [number]),
  (number) => advanced('NumberInRange', 'data.amount', [[number * 10, number * 10 + 9]]),
  (number) => ({ filters: [{ exact: { 'data.order.customer': factsOf(number).customer } }] }),
  (number) => ({
    filter: {
      includedEventTypes: [factsOf(number).type],
      advancedFilters: [{ operatorType: 'NumberGreaterThan', key: 'data.amount', value: number * 10 }],
    },
  }),
];

/** A kind that no index can find: it has to be tried. */
export const scannedKinds: readonly Kind[] = [
  (number) => advanced('StringContains', 'subject', [`${digits(number)}/orders`]),
];

/** An event of about 1 KB of JSON data, as it is read from a log. */
export function eventFor(number: number): Event {
  const { type, subject, tenant, customer, amount, code } = factsOf(number);
  const lines = Array.from({ length: 8 }, (_, i) => ({
    sku: `sku-${i}-${digits(number)}`,
    quantity: i + 1,
    price: 9.99,
    note: 'one line of an order, as orders have them',
  }));
  const body = Buffer.from(
    JSON.stringify({ code, amount, order: { customer, currency: 'EUR', open: true, lines } }),
  );
  const attributes = { specversion: '1.0', id: digits(number), source: '/bench', type, subject, tenant };
  return frameEvent({
    form: 'binary',
    attributes: Object.entries(attributes).map(([name, value]) => ({ name, value })),
    dataKind: 'json',
    dataAt: 0,
    dataLength: body.length,
    body,
  });
}
