import { describe, expect, test } from '@jest/globals';
import { call } from './http.js';
import { startSink } from './sink.js';

const event = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1e400}}';
const headers = { 'content-type': 'application/cloudevents+json', 'webhook-id': 'msg_1' };

async function setup() {
  const sink = await startSink();
  const post = (path: string, timeoutMs = 60_000) =>
    call(sink.url(path), { method: 'POST', headers, body: event, timeoutMs });
  return { sink, post };
}

test('records what it received before it answers, and tells repetitions', async () => {
  const { sink, post } = await setup();
  let receiptsAtAnswer = 0;
  sink.reply(() => {
    receiptsAtAnswer = sink.receipts.length;
    return { status: 204 };
  });
  expect((await post('/a')).status).toBe(204);
  expect(receiptsAtAnswer).toBe(1);
  await post('/b?x=1');
  expect(sink.receipts.map(({ path, repetition }) => [path, repetition])).toEqual([
    ['/a', 0],
    ['/b?x=1', 1],
  ]);
  expect(sink.on('/a')[0]!.body.toString()).toBe(event);
  expect(sink.on('/a')[0]!.event.data!.toString()).toBe('{"a":1e400}');
});

test('answers with status, headers and body, late if it is told to', async () => {
  const { sink, post } = await setup();
  sink.reply(({ path }) =>
    path === '/late'
      ? { status: 200, afterMs: 50 }
      : { status: 503, headers: { 'retry-after': '7' }, body: 'full' },
  );
  const began = performance.now();
  expect((await post('/late')).status).toBe(200);
  expect(performance.now() - began).toBeGreaterThan(45);
  const busy = await post('/');
  expect([busy.status, busy.headers['retry-after'], busy.body.toString()]).toEqual([503, '7', 'full']);
});

test('answers one path as it is told for that, and all others as ever', async () => {
  const { sink, post } = await setup();
  sink.replyAt('/a', { status: 503 });
  sink.reply({ status: 204 });
  expect([(await post('/a')).status, (await post('/b')).status]).toEqual([503, 204]);
  sink.replyAt('/a', { status: 200 });
  expect((await post('/a')).status).toBe(200);
  expect(sink.receipts).toHaveLength(3);
});

test('is silent', async () => {
  const { sink, post } = await setup();
  sink.reply('silence');
  await expect(post('/', 1_000)).rejects.toThrow('no answer in time');
});

test('resets, having received', async () => {
  const { sink, post } = await setup();
  sink.reply('reset');
  await expect(post('/')).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(sink.receipts).toHaveLength(1);
});

describe('receipts can be awaited', () => {
  test('also those that came before', async () => {
    const { sink, post } = await setup();
    const coming = sink.received('/a', 2);
    await post('/a');
    await post('/b');
    await post('/a');
    expect(await coming).toHaveLength(2);
    expect(await sink.received(({ path }) => path === '/b')).toHaveLength(1);
  });

  test('and are missed in time', async () => {
    const { sink, post } = await setup();
    await post('/a');
    await expect(sink.received('/a', 2, 20)).rejects.toThrow('1 of 2 receipts within 20 ms');
  });
});

test('closes with requests unanswered', async () => {
  const { sink, post } = await setup();
  sink.reply('silence');
  const pending = post('/a').catch((error: Error) => error);
  await sink.received('/a');
  await sink.close();
  expect(await pending).toMatchObject({ message: 'socket hang up' });
});
