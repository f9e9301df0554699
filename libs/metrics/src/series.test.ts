import { expect, test } from '@jest/globals';
import { Metrics } from './metrics.js';
import { Buckets, Cell, Family, labelValuesMax, otherLabel } from './series.js';

test('a scrape shows what was counted, under the labels given', async () => {
  const metrics = new Metrics('1.2.3');
  metrics.eventsPublished.with('orders', 'accepted').add(3);
  metrics.deliveryDuration.with('orders', 'success').observe(0.003);
  metrics.deliveryDuration.with('orders', 'success').observe(99);
  const text = await metrics.render();
  expect(text).toContain('gridpost_events_published_total{topic="orders",outcome="accepted"} 3');
  expect(text).toContain(
    'gridpost_delivery_duration_seconds_bucket{topic="orders",outcome="success",le="0.0025"} 0',
  );
  expect(text).toContain(
    'gridpost_delivery_duration_seconds_bucket{topic="orders",outcome="success",le="0.005"} 1',
  );
  expect(text).toContain(
    'gridpost_delivery_duration_seconds_bucket{topic="orders",outcome="success",le="30"} 1',
  );
  expect(text).toContain(
    'gridpost_delivery_duration_seconds_bucket{topic="orders",outcome="success",le="+Inf"} 2',
  );
  expect(text).toContain('gridpost_delivery_duration_seconds_sum{topic="orders",outcome="success"} 99.003');
  expect(text).toContain('gridpost_delivery_duration_seconds_count{topic="orders",outcome="success"} 2');
  expect(text).toContain(`gridpost_build_info{version="1.2.3",node="${process.version}"} 1`);
});

test('the same labels resolve to the same series', () => {
  const metrics = new Metrics('1');
  expect(metrics.dropped.with('a', 'b', 'c')).toBe(metrics.dropped.with('a', 'b', 'c'));
  expect(metrics.dropped.with('a', 'b', 'c')).not.toBe(metrics.dropped.with('a', 'c', 'b'));
});

test('a label takes a bounded number of values; the rest share one series and are counted', () => {
  const overflow = new Cell();
  const family = new Family({
    name: 'x_total',
    help: 'x',
    type: 'counter',
    labels: ['subscription'],
    make: () => new Cell(),
    overflow,
  });
  for (let i = 0; i < labelValuesMax; i++) family.with(`s${i}`).add();
  expect(overflow.value).toBe(0);
  family.with('one-too-many').add(5);
  family.with('another').add(6);
  expect(overflow.value).toBe(2);
  expect(family.get().values).toHaveLength(labelValuesMax + 1);
  expect(family.get().values.find(({ labels }) => labels.subscription === otherLabel)?.value).toBe(11);
  family.forget('s0');
  family.with('fits-again').add();
  expect(family.get().values.some(({ labels }) => labels.subscription === 'fits-again')).toBe(true);
});

test('gauges that are read off are asked before each scrape', () => {
  const family = new Family({ name: 'g', help: 'g', type: 'gauge', labels: [], make: () => new Cell() });
  let reading = 1;
  family.beforeScrape(() => family.with().set(reading++));
  expect(family.get().values[0]?.value).toBe(1);
  expect(family.get().values[0]?.value).toBe(2);
});

test('a histogram counts a value at a bound into that bound', () => {
  const buckets = new Buckets([1, 2]);
  for (const value of [0, 1, 1.5, 2, 3]) buckets.observe(value);
  expect([...buckets.counts]).toEqual([2, 2]);
  expect(buckets.count).toBe(5);
});
