import { expect, test } from '@jest/globals';
import { limits } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { adminKey, serve } from './testing/serve.js';

const json = 'application/json';
const path = '/topics/orders';
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

test.each([
  ['application/json; charset=utf-8', 201],
  ['Application/JSON;charset="UTF-8"', 201],
  ['application/json ; odata.metadata=minimal', 201],
  ['application/json; charset=utf-16', 415],
  ['application/json; charset=utf-7', 415],
  ['application/json; charset=iso-8859-1', 415],
  ['application/json; charset', 415],
  ['application/jsonp', 415],
  ['application/merge-patch+json', 415],
  ['text/json', 415],
  ['text/plain', 415],
  ['', 415],
])('content type %j is answered %i', async (type, status) => {
  const { admin } = await serve();
  const answer = await admin('PUT', path, '{}', { 'content-type': type });
  expect(answer.status).toBe(status);
  if (status === 415) expect(answer.json.code).toBe('UnsupportedContentType');
});

test('a body without a content type is refused, no body needs none', async () => {
  const { admin } = await serve();
  expect((await admin('PUT', path, '{}')).status).toBe(415);
  expect((await admin('PUT', path)).status).toBe(201);
  expect((await admin('PUT', path, '', { 'content-type': json })).status).toBe(200);
});

test.each<[string, string | Buffer, Record<string, string>, number, string]>([
  ['broken JSON', '{"properties":', {}, 400, 'InvalidJson'],
  ['white space', '  ', {}, 400, 'InvalidJson'],
  ['two values', '{}{}', {}, 400, 'InvalidJson'],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, 400, 'InvalidUtf8'],
  ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), {}, 400, 'InvalidUtf8'],
  ['65 levels', nested(65), {}, 400, 'TooDeep'],
  ['100,000 levels', '['.repeat(100_000), {}, 400, 'TooDeep'],
  ['64 levels, which are no topic', nested(64), {}, 400, 'InvalidResource'],
  ['brackets in a string', `"\\"${'['.repeat(100)}"`, {}, 400, 'InvalidResource'],
  ['a compressed body', '{}', { 'content-encoding': 'gzip' }, 415, 'UnsupportedContentType'],
  ['one byte over the limit', ' '.repeat(limits.managementBodyBytesMax + 1), {}, 413, 'TooLarge'],
])('%s is refused', async (_, body, headers, status, code) => {
  // A client that is still sending has a second for it, which does not pass.
  const { admin } = await serve({ clock: new FakeClock() });
  const answer = await admin('PUT', path, body, { 'content-type': json, ...headers });
  expect([answer.status, answer.json.code]).toEqual([status, code]);
});

test('a body of exactly the limit is taken', async () => {
  const { admin } = await serve();
  const body = '{}'.padEnd(limits.managementBodyBytesMax);
  expect((await admin('PUT', path, body, { 'content-type': json })).status).toBe(201);
});

const head = (lines: readonly string[]): string =>
  [
    `PUT ${path} HTTP/1.1`,
    'Host: gridpost',
    `Authorization: Bearer ${adminKey}`,
    `Content-Type: ${json}`,
    ...lines,
  ].join('\r\n');

test('a body without end is refused as soon as it is too large, and cut off', async () => {
  const { connect } = await serve({ clock: new FakeClock() });
  const { socket, closed } = connect();
  socket.write(`${head(['Transfer-Encoding: chunked'])}\r\n\r\n`);
  const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
  const pour = (): void => {
    while (socket.writable) if (!socket.write(chunk)) break;
  };
  socket.on('drain', pour);
  pour();
  expect(await closed).toMatch(/^HTTP\/1\.1 413 [\s\S]*"code":"TooLarge"/);
});

test('a client that waits for 100 Continue is asked for the body only if there is a use for it', async () => {
  const { connect } = await serve();
  const welcome = connect();
  welcome.socket.write(`${head(['Content-Length: 2', 'Expect: 100-continue'])}\r\n\r\n`);
  await welcome.until('HTTP/1.1 100 Continue\r\n\r\n');
  welcome.socket.write('{}');
  await welcome.until('HTTP/1.1 201 Created');
  const length = `Content-Length: ${limits.managementBodyBytesMax + 1}`;
  const refused = connect();
  refused.socket.write(`${head([length, 'Expect: 100-continue'])}\r\n\r\n`);
  expect(await refused.closed).toMatch(/^HTTP\/1\.1 413 /);
});

test('a body that is announced and does not come is none', async () => {
  const { connect } = await serve();
  const { socket, until } = connect();
  socket.write(`${head(['Transfer-Encoding: chunked'])}\r\n\r\n0\r\n\r\n`);
  await until('HTTP/1.1 201 Created');
});

test('nothing comes of a request that is cut off', async () => {
  const { connect, admin } = await serve();
  const { socket, closed } = connect();
  await new Promise((resolve) => socket.write(`${head(['Content-Length: 3'])}\r\n\r\n{}`, resolve));
  socket.destroy();
  await closed;
  expect((await admin('GET', path)).status).toBe(404);
});
