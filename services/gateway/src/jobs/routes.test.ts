import { expect, test } from '@jest/globals';
import { type Job, jobPath } from '@gridpost/model';
import { list, setup } from '../testing/dead-letter-bench.js';

test('jobs are listed, the newest first, page by page', async () => {
  const { admin, clock } = await setup();
  expect((await admin('GET', '/jobs')).text).toBe('{"value":[]}');
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) {
    ids.unshift((await admin('POST', `${list}:redrive`)).json.id);
    await clock.advance(1_000);
  }
  const seen: string[][] = [];
  let next: string | undefined = '/jobs?maxpagesize=2';
  while (next !== undefined) {
    const { json } = await admin('GET', next);
    seen.push(json.value.map(({ id }: { id: string }) => id));
    next = json.nextLink?.replace(/^http:\/\/[^/]+/, '');
  }
  expect(seen).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
});

test('a running job tells how fast it is and when it may end', async () => {
  const { admin, clock, store } = await setup();
  const { id } = (await admin('POST', `${list}:redrive`)).json;
  const { value } = (await store.resources.get(jobPath(id)))!;
  const now = clock.now();
  const running: Partial<Job> = {
    status: 'running',
    total: { count: 1_000, exact: false },
    progress: { done: 190, failed: 10, partition: 0, after: '7' },
    waitingFor: 'the store is full',
    claim: { worker: 'w', until: now + 1_000 },
    startedAt: now,
    updatedAt: now + 4_000,
  };
  await store.resources.put(jobPath(id), { ...(value as Job), ...running });
  const { json } = await admin('GET', `/jobs/${id}`);
  expect(json).toMatchObject({
    ...{ status: 'running', total: { count: 1_000, exact: false }, done: 190, failed: 10, rate: 50 },
    waitingFor: 'the store is full',
    startedAt: '2026-01-31T12:00:00.000Z',
    estimatedEndAt: '2026-01-31T12:00:20.000Z',
  });
  expect(Object.keys(json)).not.toContain('claim');
  expect(Object.keys(json)).not.toContain('progress');
});

test('a cancelled job stays as it is, with what it has done', async () => {
  const { admin, clock } = await setup();
  const { id } = (await admin('POST', `${list}:redrive`)).json;
  await clock.advance(5_000);
  const { status, json } = await admin('POST', `/jobs/${id}:cancel`);
  expect([status, json]).toEqual([
    200,
    expect.objectContaining({ id, status: 'cancelled', endedAt: '2026-01-31T12:00:05.000Z' }),
  ]);
  await clock.advance(5_000);
  expect((await admin('POST', `/jobs/${id}:cancel`)).json).toEqual(json);
});

test.each(['nothing', '00mf4k2x1-8c1d0e2f', '..%2Ftopics%2Forders'])('there is no job %s', async (id) => {
  const { admin } = await setup();
  for (const [method, path] of [
    ['GET', `/jobs/${id}`],
    ['POST', `/jobs/${id}:cancel`],
  ] as const) {
    const { status, json } = await admin(method, path);
    expect([status, json.code]).toEqual([404, 'JobNotFound']);
  }
});
