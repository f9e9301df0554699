import { describe, expect, test } from '@jest/globals';
import { expectDomainTopics } from './addressing.js';
import { decodeRequest } from './decode.js';
import type { RequestRules } from './rules.js';
import { batchHeaders, minimal, minimalHeaders, refusalOf, structuredHeaders } from './testing/refusal.js';

const json = ['content-type', 'application/json'];
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const on = (rules: RequestRules, headers: readonly string[], body: Buffer) =>
  decodeRequest(headers, body, rules);
const refusal = (headers: readonly string[], body: Buffer) => {
  const { code, message } = refusalOf(() => on('customTopic', headers, body));
  return [code, message];
};

describe('on a custom topic', () => {
  test.each<[string, readonly string[], Buffer]>([
    ['one event', structuredHeaders, bytes(minimal)],
    ['one event as JSON', json, bytes(minimal)],
    ['a batch of one', batchHeaders, bytes([minimal])],
    ['JSON in binary mode', [...minimalHeaders, ...json], Buffer.from('0')],
    ['JSON by its suffix', [...minimalHeaders, 'content-type', 'application/vnd.x+json'], Buffer.from('{}')],
  ])('%s is what it is elsewhere', (_, headers, body) => {
    const { mode, events } = on('customTopic', headers, body);
    const elsewhere = on('namespaceTopic', headers, body);
    expect([mode, events[0]!.frame]).toEqual([elsewhere.mode, elsewhere.events[0]!.frame]);
  });

  test('a batch has at least one event', () => {
    expect(on('namespaceTopic', batchHeaders, bytes([])).events).toEqual([]);
    expect(refusal(batchHeaders, bytes([]))).toEqual(['InvalidEvent', expect.stringContaining('empty')]);
  });

  test('binary mode takes JSON and nothing else', () => {
    for (const type of ['text/plain', 'application/octet-stream', 'application/jsonlines', 'text/xml']) {
      const headers = [...minimalHeaders, 'content-type', type];
      expect(on('namespaceTopic', headers, Buffer.from('{}')).events).toHaveLength(1);
      const [code, message] = refusal(headers, Buffer.from('{}'));
      expect([code, message]).toEqual(['UnsupportedContentType', expect.stringContaining(`"${type}"`)]);
      expect(message).toMatch(/ce- headers with JSON as content type$/);
    }
    expect(on('namespaceTopic', minimalHeaders, Buffer.from('{}')).events).toHaveLength(1);
    expect(refusal(minimalHeaders, Buffer.from('{}'))[0]).toBe('UnsupportedContentType');
  });

  test('an event in binary mode has data', () => {
    const headers = [...minimalHeaders, ...json];
    expect(on('namespaceTopic', headers, Buffer.alloc(0)).events[0]!.dataKind).toBe('none');
    expect(refusal(headers, Buffer.alloc(0))[0]).toBe('InvalidJson');
    expect(refusal(headers, Buffer.from(' '))[0]).toBe('InvalidJson');
  });

  test.each(['2018-04-05T17:31:00', '2018-04-05t17:31:00.123456', '2016-12-31T23:59:60'])(
    'the time %s may lack its offset',
    (time) => {
      for (const [headers, body] of [
        [structuredHeaders, bytes({ ...minimal, time })],
        [[...minimalHeaders, 'ce-time', time, ...json], Buffer.from('1')],
      ] as const) {
        expect(on('customTopic', headers, body).events[0]!.attribute('time')).toBe(time);
        expect(refusalOf(() => on('namespaceTopic', headers, body)).message).toContain(time);
      }
    },
  );

  test.each(['', '2018-04-05', '2018-04-05T17:31', '2018-02-30T17:31:00', '2018-04-05T17:31:00+', 'now'])(
    'the time %p is still none',
    (time) => {
      expect(refusal(structuredHeaders, bytes({ ...minimal, time }))[0]).toBe('InvalidEvent');
      const binary = [...minimalHeaders, 'ce-time', time, ...json];
      expect(refusal(binary, Buffer.from('1'))[0]).toBe('InvalidEventHeader');
    },
  );

  test('no other attribute is taken for a time', () => {
    const dataschema = '2018-04-05T17:31:00';
    expect(refusal(structuredHeaders, bytes({ ...minimal, dataschema }))[0]).toBe('InvalidEvent');
  });
});

describe('in a domain', () => {
  const to = { topicOf: (name: string) => (name === 'eu' ? '/domains/shop/topics/eu' : undefined) };
  const decode = (headers: readonly string[], body: unknown) => {
    const request = on('customTopic', headers, bytes(body));
    expectDomainTopics(request, to);
    return request.events.map(({ source }) => source);
  };
  const inEu = { ...minimal, source: 'eu' };

  test('the source is a topic, and stays as it was sent', () => {
    expect(decode(batchHeaders, [inEu, inEu])).toEqual(['eu', 'eu']);
    expect(decode(structuredHeaders, inEu)).toEqual(['eu']);
  });

  test.each<[string, readonly string[], unknown, string, string]>([
    ['one event', structuredHeaders, minimal, 'InvalidEvent', '/source'],
    ['an event of a batch', batchHeaders, [inEu, minimal], 'InvalidEvent', '/1/source'],
    ['a binary event', [...minimalHeaders, ...json], {}, 'InvalidEventHeader', 'header/ce-source'],
  ])('another source refuses %s', (_, headers, body, code, pointer) => {
    const error = refusalOf(() => decode(headers, body));
    expect([error.code, error.errors.map((each) => each.pointer)]).toEqual([code, [pointer]]);
    expect(error.message).toMatch(/source is "\/s"; it must be the name of a topic of the domain$/);
  });
});
