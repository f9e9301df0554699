import { expect, test } from '@jest/globals';
import { readExpression } from './expressions.js';

test.each([
  ['up', ['up'], [], []],
  ['up{job="a", instance=~"b|c"} == 0', ['up{job="a", instance=~"b|c"}'], ['job', 'instance'], []],
  ['sum by (topic) (rate(x_total[5m]))', ['x_total'], [], ['topic']],
  ['sum(rate(x_total{a!="}"}[$__rate_interval])) by (a, b)', ['x_total{a!="}"}'], ['a'], ['a', 'b']],
  ['a offset 5m unless b and on (job) c or vector(0)', ['a', 'b', 'c'], [], ['job']],
  ['time() - a * on (job) group_left (version) b', ['a', 'b'], [], ['job', 'version']],
  ['histogram_quantile(0.99, sum by (le) (rate(d_bucket[1m])))', ['d_bucket'], [], ['le']],
  [
    'level:metric:sum > 1e3 and deriv(level:metric:sum[15m]) > 0',
    ['level:metric:sum', 'level:metric:sum'],
    [],
    [],
  ],
])('%s', (expression, selectors, labels, grouping) => {
  const reading = readExpression(expression);
  expect(reading.selectors.map(({ text }) => text)).toEqual(selectors);
  expect(reading.selectors.flatMap((selector) => selector.labels)).toEqual(labels);
  expect(reading.grouping).toEqual(grouping);
});
