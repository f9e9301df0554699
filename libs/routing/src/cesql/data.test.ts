import { expect, test } from '@jest/globals';
import { type CesqlScope, parseCesql } from './index.js';
import { outcome } from './testing/scope.js';

const data = {
  order: { amount: 12, 'unit price': 1.5, 'a.b': 'dotted', "it's": 'quoted', paid: true, _id: 'x', '2nd': 2 },
  big: 2147483648,
  small: -2147483648,
  huge: 1e21,
  negativeZero: -0,
  empty: '',
  nothing: null,
  list: [1],
  object: {},
  And: 'keyword',
  '': 'unnamed',
};

test.each<[string, unknown]>([
  ['data.order.amount', 12],
  ['data.order.amount + 1', 13],
  ['data.order.amount-1', 11],
  ["data.order.'unit price'", '1.5'],
  ['data.order."unit price"', '1.5'],
  ["data.'order'.amount", 12],
  ["data.order.'a.b'", 'dotted'],
  [String.raw`data.order.'it\'s'`, 'quoted'],
  ["data.order.'2nd'", 2],
  ['data.order.paid', true],
  ["data.order._id = 'x'", true],
  ['data.And', 'keyword'],
  ["data.''", 'unnamed'],
  ['DATA.order.amount', 12],
  ['data.Order.amount', [false, 'missingAttribute']],
  ['data.big', '2147483648'],
  ["data.big = '2147483648'", true],
  ['data.big > 1', [false, 'cast']],
  ['data.small', -2147483648],
  ['data.huge', '1e+21'],
  ['data.negativeZero', 0],
  ['data.empty', ''],
  ['data.nothing', [false, 'missingAttribute']],
  ['data.list', [false, 'missingAttribute']],
  ["data.list.'0'", [false, 'missingAttribute']],
  ['data.object', [false, 'missingAttribute']],
  ['data.empty.length', [false, 'missingAttribute']],
  ['data.toString', [false, 'missingAttribute']],
  ['data.__proto__', [false, 'missingAttribute']],
  ['EXISTS data.order.amount', true],
  ['EXISTS data.empty', true],
  ['EXISTS data.order', false],
  ['EXISTS data.nothing', false],
  ['EXISTS data.list', false],
  ['EXISTS data.none', false],
  ['NOT EXISTS data.none', true],
  ["data.order.amount IN ('12')", true],
  ["data.order.amount LIKE '1_'", true],
  ['LENGTH(data.order.paid)', 4],
])('%s', (text, expected) => expect(outcome(text, {}, data)).toEqual(expected));

test('an attribute may be called data', () => {
  expect(outcome("data = 'x' AND EXISTS data", { data: 'x' }, data)).toBe(true);
  expect(outcome('EXISTS data', {}, data)).toBe(false);
});

test('an event without JSON data has nothing in it', () => {
  expect(outcome("data.a = 'x'", {})).toEqual([false, 'missingAttribute']);
});

test('the scope is asked for the keys as they are written', () => {
  const asked: (readonly string[])[] = [];
  const scope: CesqlScope = {
    attribute: () => undefined,
    data(path) {
      asked.push(path);
      return 'x';
    },
  };
  parseCesql("data.aB.'c d' = data.e").passes(scope);
  expect(asked).toEqual([['aB', 'c d'], ['e']]);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, 1n, undefined, () => 1])(
  'what JSON cannot say counts as missing: %p',
  (value) => {
    const expression = parseCesql('data.a');
    expect(expression.evaluate({ attribute: () => undefined, data: () => value }).error?.kind).toBe(
      'missingAttribute',
    );
  },
);
