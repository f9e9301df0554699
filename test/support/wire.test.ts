import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readMetrics } from './metrics.js';
import { memberBytes, readDelivery } from './wire.js';

test.each([
  ['{"data":1e400}', '1e400'],
  ['{ "id" : "1" , "data" : { "a" : [1, "}"] } }', '{ "a" : [1, "}"] }'],
  ['{"a":{"data":1},"data":"\\"}","z":0}', '"\\"}"'],
  ['{"data":1,"data":2}', '2'],
  ['{"d\\u0061ta":true}', 'true'],
  ['{"a":1}', undefined],
  ['{}', undefined],
])('the bytes of data in %s are %s', (text, expected) => {
  expect(memberBytes(Buffer.from(text), 'data')?.toString()).toBe(expected);
});

test('the bytes of a member are its JSON text, wherever it stands', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.jsonValue(),
      fc.nat(3),
      (others, value, indent) => {
        const text = JSON.stringify({ ...others, data: value }, null, indent);
        const found = memberBytes(Buffer.from(text), 'data')!.toString();
        expect(JSON.stringify(JSON.parse(found))).toBe(JSON.stringify(value));
        expect(text).toContain(found);
      },
    ),
  );
});

test('a structured delivery is read', () => {
  const body = Buffer.from('{"specversion":"1.0","id":"1","n":5,"subject":null,"data_base64":"TWE="}');
  expect(readDelivery({ 'content-type': 'application/cloudevents+json; charset=utf-8' }, body)).toEqual({
    attributes: { specversion: '1.0', id: '1', n: 5 },
    data: Buffer.from('Ma'),
  });
});

test('a binary delivery is read', () => {
  const headers = {
    'content-type': 'text/plain',
    'ce-specversion': '1.0',
    'ce-subject': '%E2%82%AC',
    host: 'h',
  };
  expect(readDelivery(headers, Buffer.from('hi'))).toEqual({
    attributes: { specversion: '1.0', subject: '€', datacontenttype: 'text/plain' },
    data: Buffer.from('hi'),
  });
});

test('anything else is no event', () => {
  expect(() => readDelivery({ 'content-type': 'application/json' }, Buffer.from('{}'))).toThrow('no event');
});

test('metrics are summed over the labels that were not asked for', () => {
  const scrape = readMetrics(
    '# HELP a b\n# TYPE a counter\na{x="1",y="q\\"\\\\"} 2\na{x="1",y="r"} 3\na{x="2",y="r"} 4\nb 1.5e3\n',
  );
  expect(scrape.value('a')).toBe(9);
  expect(scrape.value('a', { x: '1' })).toBe(5);
  expect(scrape.value('a', { y: 'q"\\' })).toBe(2);
  expect(scrape.value('b')).toBe(1500);
  expect(scrape.value('c')).toBe(0);
  expect(() => readMetrics('no sample at all')).toThrow('no sample');
});
