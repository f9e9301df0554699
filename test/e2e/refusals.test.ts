/**
 * What a publisher must not send, over real HTTP: each refusal with its status and its word, and nothing of it stored.
 * The requests that no HTTP client would make go over a bare socket.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Api, eventOf, mediaTypes, publishPath } from '../support/api.js';
import { type Answer, call, exchange } from '../support/http.js';
import { startServer } from '../support/server.js';
import { type Sink, startSink } from '../support/sink.js';
import { temporaryDirectory } from '../support/teardown.js';

const topic = 'orders';
const adminKey = 'an-admin-key-of-some-length';

let api: Api;
let sink: Sink;
let published = 0;

beforeAll(async () => {
  const server = await startServer({
    GRIDPOST_STORE: `lmdb:${temporaryDirectory()}`,
    GRIDPOST_ADMIN_KEY: adminKey,
    GRIDPOST_EGRESS_ALLOW: '127.0.0.0/8',
  });
  api = new Api(server.url, adminKey);
  sink = await startSink();
  await api.putTopic(topic);
  await api.putSubscription(topic, 'all', { url: sink.url('/all') });
});

/** Publishes a good event and waits for it: with one partition, whatever was stored before it is under way by then. */
async function arrivedSoFar(): Promise<unknown[]> {
  const id = `marker-${++published}`;
  await api.accept(topic, eventOf({ id }));
  await sink.received(({ event }) => event.attributes.id === id);
  return sink.receipts
    .map(({ event }) => event.attributes.id)
    .filter((seen) => !String(seen).startsWith('marker-'));
}

/** With these headers and the admin key, and no content type of its own. */
function post(headers: Readonly<Record<string, string>>, body: string | Buffer): Promise<Answer> {
  return call(api.url + publishPath(topic), {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, ...headers },
    body,
  });
}

const good = JSON.stringify(eventOf({ id: 'bad' }));
const structured = { 'content-type': mediaTypes.structured };
const batch = { 'content-type': mediaTypes.batch };
const binary = { 'ce-specversion': '1.0', 'ce-id': 'bad', 'ce-source': '/b', 'ce-type': 't' };
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const withData = (data: string): string => good.replace(/}$/, `,"data":${data}}`);

interface Case {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  readonly status: number;
  readonly code: string;
}

const cases: Case[] = [
  { name: 'malformed JSON', headers: structured, body: `${good}}`, status: 400, code: 'InputJsonInvalid' },
  {
    name: 'a cut-off body',
    headers: structured,
    body: good.slice(0, -1),
    status: 400,
    code: 'InputJsonInvalid',
  },
  { name: 'an empty body', headers: structured, body: '', status: 400, code: 'InputJsonInvalid' },
  {
    name: 'invalid UTF-8 in data',
    headers: structured,
    body: Buffer.concat([
      Buffer.from(withData('"').slice(0, -1)),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}'),
    ]),
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'an overlong encoding',
    headers: structured,
    body: Buffer.concat([
      Buffer.from(withData('"').slice(0, -1)),
      Buffer.from([0xc0, 0xaf]),
      Buffer.from('"}'),
    ]),
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'an attribute given twice',
    headers: structured,
    body: good.replace('"id":', '"id":"other","id":'),
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'no id',
    headers: structured,
    body: good.replace('"id"', '"it"'),
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'an empty source',
    headers: structured,
    body: good.replace('"/test"', '""'),
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'another specversion',
    headers: structured,
    body: good.replace('"1.0"', '"0.3"'),
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'an array as one event',
    headers: structured,
    body: `[${good}]`,
    status: 400,
    code: 'InputJsonInvalid',
  },
  { name: 'one event as a batch', headers: batch, body: good, status: 400, code: 'InputJsonInvalid' },
  {
    name: 'a batch with one bad event at its end',
    headers: batch,
    body: `[${good},${good},{"id":"bad"}]`,
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'data and data_base64 together',
    headers: structured,
    body: withData('1,"data_base64":"AA=="'),
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'depth 65',
    headers: structured,
    body: withData(nested(65)),
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'depth 400,000',
    headers: structured,
    body: withData(nested(400_000)),
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'an event over 1 MiB',
    headers: structured,
    body: withData(`"${'x'.repeat(1_048_576)}"`),
    status: 413,
    code: 'PayloadTooLarge',
  },
  {
    name: 'a request over 1.5 MiB',
    headers: batch,
    body: `[${Array.from({ length: 20 }, () => withData(`"${'x'.repeat(90_000)}"`)).join()}]`,
    status: 413,
    code: 'PayloadTooLarge',
  },
  {
    name: '5,001 events',
    headers: batch,
    body: `[${Array.from({ length: 5_001 }, () => good).join()}]`,
    status: 400,
    code: 'InputJsonInvalid',
  },
  {
    name: 'a content type of something else',
    headers: { 'content-type': 'text/plain' },
    body: good,
    status: 415,
    code: 'InvalidContentType',
  },
  { name: 'no content type', headers: {}, body: good, status: 415, code: 'InvalidContentType' },
  {
    name: 'a charset that is not UTF-8',
    headers: { 'content-type': `${mediaTypes.structured}; charset=utf-16` },
    body: good,
    status: 415,
    code: 'InvalidContentType',
  },
  {
    name: 'a compressed body',
    headers: { ...structured, 'content-encoding': 'gzip' },
    body: good,
    status: 415,
    code: 'InvalidContentType',
  },
  {
    name: 'a binary event without ce-id',
    headers: {
      'ce-specversion': '1.0',
      'ce-source': '/b',
      'ce-type': 't',
      'content-type': 'application/json',
    },
    body: '1',
    status: 400,
    code: 'InvalidCloudEventHeader',
  },
  {
    name: 'a binary event with malformed percent-encoding',
    headers: { ...binary, 'ce-subject': '%C3%28', 'content-type': 'application/json' },
    body: '1',
    status: 400,
    code: 'InvalidCloudEventHeader',
  },
  {
    name: 'a binary event that says JSON and is not',
    headers: { ...binary, 'content-type': 'application/json' },
    body: '{',
    status: 400,
    code: 'InputJsonInvalid',
  },
];

describe('a publish request is refused', () => {
  test.each(cases)('for $name: $status', async ({ headers, body, status, code }) => {
    const answer = await post(headers, body);
    expect([answer.status, answer.body.toString()]).toEqual([status, expect.stringContaining(code)]);
    expect(answer.json()).toMatchObject({ error: { code: expect.any(String), message: expect.any(String) } });
  });

  test('for a topic that does not exist: 404', async () => {
    const answer = await api.publish('nowhere', good);
    expect(answer.status).toBe(404);
    expect(answer.body.toString()).toContain('ResourceNotFound');
  });

  test.each([
    ['no credential', {}],
    ['a wrong bearer', { authorization: `Bearer ${adminKey}x` }],
    ['a wrong topic key', { 'aeg-sas-key': 'AAAA' }],
    ['another scheme', { authorization: 'Basic YTpi' }],
  ])('for %s: 401', async (_, headers) => {
    const answer = await call(api.url + publishPath(topic), {
      method: 'POST',
      headers: { ...structured, ...headers } as Record<string, string>,
      body: good,
    });
    expect([answer.status, answer.body.toString()]).toEqual([401, expect.stringContaining('Unauthorized')]);
  });

  test.each(['GET', 'PUT', 'DELETE', 'PATCH'])('for the method %s: 405, naming POST', async (method) => {
    const answer = await api.send(
      method,
      publishPath(topic),
      method === 'GET' ? undefined : good,
      structured,
    );
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toContain('POST');
  });

  test.each([
    ['a ce- header given twice', 'ce-id: bad\r\nce-id: other\r\n'],
    ['a ce- header given twice in another case', 'ce-id: bad\r\nCE-Id: other\r\n'],
    ['a ce- header of bytes that are not ASCII', 'ce-id: b\xe9d\r\n'],
  ])('for %s: 400', async (_, headers) => {
    const answer = await exchange(
      api.url,
      `POST ${publishPath(topic)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${adminKey}\r\n` +
        `ce-specversion: 1.0\r\nce-source: /b\r\nce-type: t\r\n${headers}` +
        'Content-Type: application/json\r\nContent-Length: 1\r\n\r\n1',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });

  test.each([
    ['two lengths', 'Content-Length: 1\r\nContent-Length: 2\r\n\r\n12'],
    ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a folded header', 'X-A: 1\r\n b\r\nContent-Length: 1\r\n\r\n1'],
  ])('for %s, as HTTP itself has it: 400 and the end of the connection', async (_, rest) => {
    const answer = await exchange(
      api.url,
      `POST ${publishPath(topic)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminKey}\r\n${rest}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('before its body is read, where its length says enough: 413', async () => {
    const answer = await exchange(
      api.url,
      `POST ${publishPath(topic)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminKey}\r\n` +
        `Content-Type: ${mediaTypes.structured}\r\nContent-Length: 100000000\r\n\r\n{`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('and nothing of all that was stored', async () => {
    for (const { headers, body } of cases) await post(headers, body);
    expect(await arrivedSoFar()).toEqual([]);
  });
});

test('what is just within the limits is accepted', async () => {
  const { length } = good;
  const largest = withData(`"${'x'.repeat(1_048_576 - length - ',"data":""'.length)}"`).replace(
    '"bad"',
    '"big"',
  );
  expect(Buffer.byteLength(largest)).toBe(1_048_576);
  expect((await api.publish(topic, largest)).status).toBe(200);
  expect((await api.publish(topic, withData(nested(63)).replace('"bad"', '"deep"'))).status).toBe(200);
  expect((await api.publishBatch(topic, '[]')).status).toBe(200);
  for (const id of ['big', 'deep']) await sink.received(({ event }) => event.attributes.id === id);
  expect((await arrivedSoFar()).sort()).toEqual(['big', 'deep']);
});

test('the server answers well after everything it refused', async () => {
  expect((await api.send('GET', '/livez')).status).toBe(200);
  expect((await api.send('GET', '/readyz')).status).toBe(200);
});
