import { describe, expect, test } from '@jest/globals';
import { decodeRequest } from './decode.js';
import {
  batchHeaders,
  decodeMembers,
  decodeText,
  minimal,
  pointersOf,
  refusalOf,
} from './testing/refusal.js';

describe('a refusal', () => {
  test('names everything that is wrong with the event, and no more than ten things', () => {
    const wrong = {
      id: 5,
      source: 'a b',
      time: 'noon',
      specversion: '2',
      MyExt: 1,
      data_base64: 1,
      ratio: 0.5,
    };
    expect(pointersOf(() => decodeMembers(wrong)).sort()).toEqual(
      ['/MyExt', '/data_base64', '/id', '/ratio', '/source', '/specversion', '/time'].sort(),
    );
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`Wrong${i}`, i]));
    expect(pointersOf(() => decodeMembers(many))).toHaveLength(10);
  });

  test('says what was seen and what is expected', () => {
    const error = refusalOf(() => decodeMembers({ source: 'a b', time: 'noon' }));
    expect(error.message).toBe(
      'the event: source is "a b"; it must be a non-empty URI-reference (RFC 3986), percent-encoded (and 1 more)',
    );
    expect(error.status).toBe(400);
    expect(error.errors[1]).toEqual({
      pointer: '/time',
      message:
        'time is "noon"; it must be a timestamp with an offset, such as 2018-04-05T17:31:00Z (RFC 3339)',
    });
  });

  test('shows values cut and printable', () => {
    const value = `\u001b[31m\u202e${'é'.repeat(1000)}`;
    const { message } = refusalOf(() => decodeMembers({ type: value })).errors[0]!;
    expect(message).toContain(`type is "\\u001b[31m\\u202e${'é'.repeat(58)}…";`);
    expect(message.length).toBeLessThan(250);
    const [huge] = refusalOf(() => decodeMembers({ id: { a: 'x'.repeat(100_000) } })).errors;
    expect(huge!.message.length).toBeLessThan(200);
  });

  test('of a batch points at the event, and refuses all of it', () => {
    const batch = [minimal, minimal, { ...minimal, source: 'a b', id: '' }, 5];
    const error = refusalOf(() => decodeRequest(batchHeaders, Buffer.from(JSON.stringify(batch))));
    expect(error.errors.map(({ pointer }) => pointer)).toEqual(['/2/id', '/2/source']);
    expect(error.message).toMatch(/^event 2: id is ""/);
  });

  test.each([
    ['[5]', '/0'],
    ['[null]', '/0'],
    ['[[]]', '/0'],
    [`[${JSON.stringify(minimal)}, "x"]`, '/1'],
    ['{}', ''],
    ['"x"', ''],
  ])('of a batch that is %s', (body, pointer) => {
    expect(pointersOf(() => decodeRequest(batchHeaders, Buffer.from(body)))).toEqual([pointer]);
  });

  test.each(['5', 'null', '"x"', '[]', ' true '])('of a single event that is %s', (body) => {
    expect(pointersOf(() => decodeText(body))).toEqual(['']);
  });

  test.each([
    '',
    '{',
    '[',
    '{"id"',
    '{"id":',
    '{"id":"1"',
    '{"id":"1",',
    '{"id":"1",}',
    `${JSON.stringify(minimal)}x`,
    '{"id":1 "a"}',
    '{id:1}',
    '{"id":"\u0001"}',
    '{"id":"\\x"}',
    '{"a":{]}',
    '{"data_base64":"}',
    '5x',
    '{"id" 1}',
    '{1:2}',
    `${JSON.stringify(minimal)},`,
  ])('of text that is no JSON: %j', (text) => {
    expect(refusalOf(() => decodeText(text)).code).toBe('InvalidJson');
  });

  test.each([
    '',
    '[',
    '[,]',
    `[${JSON.stringify(minimal)}`,
    `[${JSON.stringify(minimal)},]`,
    `[${JSON.stringify(minimal)}}`,
    `[${JSON.stringify(minimal)}]]`,
    '[]x',
    '{]',
  ])('of a batch that is no JSON: %j', (text) => {
    expect(refusalOf(() => decodeRequest(batchHeaders, Buffer.from(text))).code).toBe('InvalidJson');
  });
});
