/** The audit log: what is in it, in what order, for how long, and what never is. */
import { expect, test } from '@jest/globals';
import { GridpostError } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { MemoryStore } from '@gridpost/store';
import { startIssuer } from '../testing/issuer.js';
import { adminKey, type Answer, serve, type Served } from '../testing/serve.js';
import { signatureOf } from '../testing/signature.js';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const settings = { reads: false, recordsMax: 10, days: 1 };

// biome-ignore lint/suspicious/noExplicitAny: records are looked into as answers are
type Records = any[];

/** Resolves when all that was written so far stands in the store. */
const stored = ({ store, lines }: Served): Promise<void> =>
  expected(async () => {
    const all = await Promise.all(
      ['audit-changes', 'audit-others'].map((name) => store.journals.newestRecords(name, undefined, 1_000)),
    );
    return all.flat().length >= lines.filter((line) => line.includes('"audit":true')).length;
  });

async function expected(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

async function auditOf(served: Served, query = ''): Promise<Records> {
  await stored(served);
  return (await served.admin('GET', `/audit${query}`)).json.value;
}

/** Caller, method, path and status, the newest first. */
const callsIn = async (served: Served): Promise<string[]> => calls(await auditOf(served));

function calls(records: Records): string[] {
  return records.map(
    ({ caller: { kind, name, role }, method, path, status }) =>
      `${[kind, name, role].filter((part) => part !== undefined).join(' ')}: ${method} ${path} ${status}`,
  );
}

test('a record says who did what to what from where, and what came of it', async () => {
  const served = await serve();
  const { admin } = served;
  const before = Date.now();
  const answer = await admin('PUT', '/topics/orders?x=1', {}, { 'x-forwarded-for': '203.0.113.7' });
  const [record] = await auditOf(served);
  expect(record).toEqual({
    at: expect.any(String),
    requestId: answer.headers['x-ms-request-id'],
    caller: { kind: 'adminKey', role: 'admin' },
    address: '127.0.0.1',
    forwardedFor: '203.0.113.7',
    method: 'PUT',
    path: '/topics/orders',
    resource: '/topics/orders',
    status: 201,
    etag: answer.headers.etag,
  });
  expect(Date.parse(record.at)).toBeGreaterThanOrEqual(before);
  const [line] = served.lines.map((each) => JSON.parse(each));
  expect(line).toEqual({
    level: 'info',
    message: 'management call',
    component: 'audit',
    audit: true,
    ...record,
    route: '/topics/{topic}',
    elapsedMs: expect.any(Number),
  });
});

test('every kind of caller is named, refused ones as far as they are known', async () => {
  const issuer = await startIssuer();
  const names = { reader: 'r', operator: 'o', admin: 'a', consumer: 'c' };
  const served = await serve({
    oidc: { issuer: issuer.url, audience: 'gridpost', roles: { claim: 'roles', names } },
  });
  const { admin, call } = served;
  await admin('PUT', '/topics/orders');
  await admin('PUT', '/topics/orders/eventsubscriptions/queue', {
    deliveryConfiguration: { deliveryMode: 'Queue' },
  });
  const ofTopic = (await admin('GET', '/topics/orders/keys')).json.key1;
  const ofSubscription = (await admin('GET', '/topics/orders/eventsubscriptions/queue/keys')).json.key1;
  const { key1 } = (await admin('PUT', '/keys/dashboard', { role: 'reader' })).json.keys;
  const { sign } = await issuer.makeKey('ES256');
  const claims = { iss: issuer.url, aud: 'gridpost', exp: Math.floor(Date.now() / 1_000) + 60, sub: 'mary' };
  const statuses = [];
  for (const headers of [
    {},
    bearer(`${adminKey}x`),
    bearer(key1),
    bearer(await sign(claims)),
    bearer(await sign({ ...claims, roles: ['a'] })),
    { 'aeg-sas-key': ofTopic },
    { 'aeg-sas-key': ofSubscription },
  ])
    statuses.push((await call('DELETE', '/topics/orders', { headers })).status);
  expect(statuses).toEqual([401, 401, 403, 403, 204, 401, 401]);
  // Changes and refusals of one millisecond stand in either order.
  const recorded = (await callsIn(served)).filter((each) => each.includes('DELETE'));
  const deleted = 'token mary admin: DELETE /topics/orders 204';
  expect(recorded).toContain(deleted);
  expect(recorded.filter((each) => each !== deleted)).toEqual([
    'unknown: DELETE /topics/orders 401',
    'unknown: DELETE /topics/orders 401',
    'token mary: DELETE /topics/orders 403',
    'key dashboard reader: DELETE /topics/orders 403',
    'unknown: DELETE /topics/orders 401',
    'none: DELETE /topics/orders 401',
  ]);
  await admin('PUT', '/topics/orders');
  const again = (await admin('GET', '/topics/orders/keys')).json.key1;
  await call('DELETE', '/topics/orders', { headers: { 'aeg-sas-key': again } });
  expect((await callsIn(served)).find((each) => each.includes('DELETE'))).toBe(
    'topicKey topics/orders: DELETE /topics/orders 403',
  );
});

test('what changes something or shows a secret is in it, and what is refused; reads only if they are wanted', async () => {
  const clock = new FakeClock();
  const make = async (served: Served): Promise<void> => {
    const { admin, call } = served;
    for (const each of [
      () => admin('PUT', '/topics/orders'),
      () => admin('GET', '/topics/orders'),
      () => admin('GET', '/topics/orders/keys'),
      () => admin('PUT', '/topics/orders', { properties: { unheard: 'of' } }),
      () => admin('DELETE', '/topics/nowhere'),
      () => admin('GET', '/nowhere'),
      () => call('GET', '/nowhere'),
      () => call('GET', '/livez'),
      () => call('POST', '/topics/orders/eventsubscriptions/none:receive'),
      () => call('POST', '/topics/orders:publish', { body: '{}' }),
    ]) {
      await each();
      await stored(served);
      // What is of one millisecond has no order.
      await clock.advance(1);
    }
  };
  const always = [
    'none: GET /nowhere 401',
    'adminKey admin: DELETE /topics/nowhere 204',
    'adminKey admin: PUT /topics/orders 400',
    'adminKey admin: GET /topics/orders/keys 200',
    'adminKey admin: PUT /topics/orders 201',
  ];
  const without = await serve({ clock });
  await make(without);
  expect(await callsIn(without)).toEqual(always);
  expect(await callsIn(without)).toEqual(always);
  const withReads = await serve({ clock, audit: { ...settings, reads: true } });
  await make(withReads);
  expect(await callsIn(withReads)).toEqual([
    always[0],
    'adminKey admin: GET /nowhere 404',
    ...always.slice(1, 4),
    'adminKey admin: GET /topics/orders 200',
    always[4],
  ]);
  expect((await callsIn(withReads))[0]).toBe('adminKey admin: GET /audit 200');
});

test('Azure’s paths are recorded as they are, with Gridpost’s own of the resource', async () => {
  const served = await serve();
  const group = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/any/providers';
  const path = `${group}/Microsoft.EventGrid/topics/orders`;
  await served.admin('PUT', path, { location: 'here' });
  expect(await auditOf(served)).toMatchObject([{ path, resource: '/topics/orders', status: 201 }]);
});

test('pages lead through changes, refusals and reads in their order', async () => {
  const clock = new FakeClock();
  const served = await serve({ clock, audit: { ...settings, recordsMax: 100, reads: true } });
  const paths: string[] = [];
  for (let index = 0; index < 12; index++) {
    const path = `/topics/topic-${index}`;
    if (index % 3 === 0) await served.call('GET', path);
    else await served.admin(index % 3 === 1 ? 'PUT' : 'GET', path);
    await stored(served);
    await clock.advance(1);
    paths.unshift(path);
  }
  for (const max of [1, 4, 5, 12, 100]) {
    const seen: string[] = [];
    let next = `/audit?maxpagesize=${max}`;
    while (next) {
      const { json } = await served.admin('GET', next);
      expect(json.value.length).toBeLessThanOrEqual(max);
      seen.push(...json.value.map(({ path }: { path: string }) => path));
      next = json.nextLink && new URL(json.nextLink).pathname + new URL(json.nextLink).search;
      await stored(served);
    }
    expect(seen.filter((path) => path !== '/audit')).toEqual(paths);
  }
});

test('records are asked for by time, caller, method, resource and outcome, over all pages', async () => {
  const clock = new FakeClock(Date.parse('2026-01-31T12:00:00Z'));
  const served = await serve({ clock, audit: { ...settings, recordsMax: 100, reads: true } });
  const { admin, call } = served;
  const { key1 } = (await admin('PUT', '/keys/deployer', { role: 'operator' })).json.keys;
  const asDeployer = { headers: bearer(key1) };
  for (const each of [
    () => admin('PUT', '/topics/orders'),
    () => admin('PUT', '/topics/orders-eu'),
    () => admin('PUT', '/topics/orders', { properties: { unheard: 'of' } }),
    () => call('GET', '/topics/orders', asDeployer),
    () => call('DELETE', '/topics/orders', asDeployer),
    () => call('DELETE', '/topics/orders'),
  ]) {
    await stored(served);
    await clock.advance(1_000);
    await each();
  }
  const paths = async (query: string, size = 100): Promise<string[]> => {
    const seen: string[] = [];
    let next = `/audit?maxpagesize=${size}&${query}`;
    while (next) {
      await stored(served);
      const { status, json } = await admin('GET', next);
      expect(status).toBe(200);
      expect(json.value.length).toBeLessThanOrEqual(size);
      seen.push(...calls(json.value));
      next = json.nextLink?.replace(/^http:\/\/[^/]+/, '');
    }
    return seen.filter((each) => !each.includes('/audit'));
  };
  const all = [
    'none: DELETE /topics/orders 401',
    'key deployer operator: DELETE /topics/orders 403',
    'key deployer operator: GET /topics/orders 200',
    'adminKey admin: PUT /topics/orders 400',
    'adminKey admin: PUT /topics/orders-eu 201',
    'adminKey admin: PUT /topics/orders 201',
    'adminKey admin: PUT /keys/deployer 201',
  ];
  const only = (...indexes: number[]): (string | undefined)[] => indexes.map((index) => all[index]);
  for (const size of [1, 2, 100]) {
    expect(await paths('', size)).toEqual(all);
    expect(await paths('from=2026-01-31T12:00:02Z&to=2026-01-31T12:00:05Z', size)).toEqual(only(2, 3, 4));
    expect(await paths('caller=deployer', size)).toEqual(only(1, 2));
    expect(await paths('callerKind=none', size)).toEqual(only(0));
    expect(await paths('method=DELETE', size)).toEqual(only(0, 1));
    expect(await paths('resource=/topics/orders', size)).toEqual(only(0, 1, 2, 3, 4, 5));
    expect(await paths('resource=%2Ftopics%2Forders-', size)).toEqual(only(4));
    expect(await paths('outcome=refused', size)).toEqual(only(0, 1));
    expect(await paths('outcome=failed', size)).toEqual(only(3));
    expect(await paths('outcome=succeeded&method=PUT&callerKind=adminKey', size)).toEqual(only(4, 5, 6));
    expect(await paths('caller=deployer&outcome=failed', size)).toEqual([]);
    expect(await paths('outcome=unknown', size)).toEqual([]);
  }
});

test.each([
  ['from=yesterday', 'from'],
  ['to=2026-01-31', 'to'],
  ['from=2026-01-31T12:00:00Z&to=2026-01-31T12:00:00Z', 'to'],
  ['caller=', 'caller'],
  [`caller=${'x'.repeat(257)}`, 'caller'],
  ['caller=a&caller=b', 'caller'],
  ['callerKind=Key', 'callerKind'],
  ['method=get', 'method'],
  ['resource=', 'resource'],
  [`resource=/${'x'.repeat(256)}`, 'resource'],
  ['outcome=200', 'outcome'],
])('a filter that is none is refused: %s', async (query, name) => {
  const { admin } = await serve();
  const { status, json } = await admin('GET', `/audit?${query}`);
  expect([status, json.code, json.errors[0].pointer]).toEqual([400, 'InvalidParameter', `query/${name}`]);
});

test('the longest caller and resource are just allowed', async () => {
  const { admin } = await serve();
  const query = `caller=${'x'.repeat(256)}&resource=/${'x'.repeat(255)}`;
  expect((await admin('GET', `/audit?${query}`)).json).toEqual({ value: [] });
});

test('one page looks through so many records and no more, and may be empty', async () => {
  const served = await serve({ audit: { ...settings, recordsMax: 20_000 } });
  const record = JSON.stringify({ at: new Date().toISOString(), caller: { kind: 'none' }, method: 'PUT' });
  const bounds = { recordsMax: 20_000, olderThanMs: 86_400_000 };
  const { journals } = served.store;
  await journals.appendRecords('audit-others', [record.replace('PUT', 'POST')], bounds);
  for (let count = 0; count < 10_000; count += 1_000)
    await journals.appendRecords('audit-others', Array(1_000).fill(record), bounds);
  const first = (await served.admin('GET', '/audit?method=POST')).json;
  expect(first).toEqual({ value: [], nextLink: expect.any(String) });
  let page = first;
  while (page.value.length === 0) {
    // A slow machine may need more pages, which end by time, too.
    const { pathname, search } = new URL(page.nextLink);
    page = (await served.admin('GET', pathname + search)).json;
  }
  expect(page).toEqual({ value: [expect.objectContaining({ method: 'POST' })] });
});

test('the oldest go when there are too many, and nobody’s refusals push out a change', async () => {
  const served = await serve({ audit: { ...settings, recordsMax: 3 } });
  await served.admin('PUT', '/topics/orders');
  for (let index = 0; index < 20; index++) await served.call('GET', `/topics/guess-${index}`);
  const newest = () => served.store.journals.newestRecords('audit-others', undefined, 1);
  await expected(async () => (await newest())[0]?.text.includes('guess-19') ?? false);
  expect(calls((await served.admin('GET', '/audit')).json.value)).toEqual([
    'none: GET /topics/guess-19 401',
    'none: GET /topics/guess-18 401',
    'none: GET /topics/guess-17 401',
    'adminKey admin: PUT /topics/orders 201',
  ]);
});

test('what is too old is not shown', async () => {
  const clock = new FakeClock();
  const served = await serve({ clock, audit: settings });
  await served.admin('PUT', '/topics/orders');
  await stored(served);
  await clock.advance(86_399_999);
  expect(await auditOf(served)).toHaveLength(1);
  await clock.advance(1);
  expect(await auditOf(served)).toHaveLength(0);
});

test('it is there after a restart, and a drain leaves nothing behind', async () => {
  const store = new MemoryStore();
  const { close } = store;
  store.close = async () => undefined;
  const first = await serve({ store });
  await first.admin('PUT', '/topics/orders');
  await first.gateway.drain();
  const second = await serve({ store });
  expect(await callsIn(second)).toEqual(['adminKey admin: PUT /topics/orders 201']);
  store.close = close;
});

test('records wait for a store that is away', async () => {
  const clock = new FakeClock();
  const served = await serve({ clock });
  const { appendRecords } = served.store.journals;
  let tries = 0;
  served.store.journals.appendRecords = () => {
    tries++;
    return Promise.reject(new GridpostError('StoreUnavailable', 'away'));
  };
  await served.admin('PUT', '/topics/orders');
  await served.admin('PUT', '/topics/others');
  await expected(async () => tries === 1);
  expect((await served.admin('GET', '/audit')).json.value).toEqual([]);
  served.store.journals.appendRecords = appendRecords;
  await clock.advance(1_000);
  expect(await callsIn(served)).toEqual([
    'adminKey admin: PUT /topics/others 201',
    'adminKey admin: PUT /topics/orders 201',
  ]);
  expect(await served.metrics.render()).not.toMatch(/^gridpost_audit_records_lost_total [1-9]/m);
});

test('a change that comes while refusals are being written is written after them', async () => {
  const served = await serve();
  const { journals } = served.store;
  const { appendRecords } = journals;
  const writing = new Promise<() => void>((resolve) => {
    journals.appendRecords = async (journal, ...rest) => {
      if (journal === 'audit-others') await new Promise<void>((go) => resolve(go));
      return appendRecords.call(journals, journal, ...rest);
    };
  });
  await served.call('GET', '/topics/orders');
  const go = await writing;
  await served.admin('PUT', '/topics/orders');
  go();
  expect((await callsIn(served)).toSorted()).toEqual([
    'adminKey admin: PUT /topics/orders 201',
    'none: GET /topics/orders 401',
  ]);
});

test('what the store has not taken at the end is counted', async () => {
  const served = await serve();
  served.store.journals.appendRecords = () => Promise.reject(new GridpostError('StoreUnavailable', 'away'));
  await served.admin('PUT', '/topics/orders');
  await served.call('GET', '/topics/orders');
  await served.gateway.drain();
  expect(await served.metrics.render()).toMatch(/^gridpost_audit_records_lost_total 2$/m);
  expect(served.lines.filter((line) => line.includes('"audit":true'))).toHaveLength(2);
});

test('a client that leaves before its answer is recorded, without a status', async () => {
  const served = await serve();
  const { put } = served.store.resources;
  const reached = new Promise<() => void>((resolve) => {
    served.store.resources.put = async (...args) => {
      await new Promise<void>((go) => resolve(go));
      return put.apply(served.store.resources, args);
    };
  });
  const { socket, closed } = served.connect();
  socket.write(
    `PUT /topics/orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${adminKey}\r\ncontent-length: 0\r\n\r\n`,
  );
  const go = await reached;
  socket.destroy();
  await closed;
  await expected(async () => served.lines.some((line) => line.includes('"audit":true')));
  go();
  const [record] = await auditOf(served);
  expect(record).toMatchObject({ method: 'PUT', path: '/topics/orders', caller: { kind: 'adminKey' } });
  expect('status' in record).toBe(false);
});

test('refusals are counted', async () => {
  const { call, admin, metrics } = await serve();
  const { key1 } = (await admin('PUT', '/keys/dashboard', { role: 'reader' })).json.keys;
  await call('GET', '/topics');
  await call('GET', '/topics');
  await call('PUT', '/topics/orders', { headers: bearer(key1) });
  const text = await metrics.render();
  expect(text).toContain('gridpost_management_refusals_total{code="Unauthorized"} 2');
  expect(text).toContain('gridpost_management_refusals_total{code="Forbidden"} 1');
});

test('no secret is in it, in the store, in a line or in the answer of another call', async () => {
  const issuer = await startIssuer();
  const served = await serve({ oidc: { issuer: issuer.url, audience: 'gridpost' } });
  const { admin, call, store, lines } = served;
  await admin('PUT', '/topics/orders');
  const hook = {
    destination: {
      endpointType: 'WebHook',
      properties: { endpointUrl: 'https://example.com/?code=hidden-code', validation: 'none' },
    },
  };
  await admin('PUT', '/topics/orders/eventsubscriptions/billing', hook);
  await admin('PUT', '/topics/orders/eventsubscriptions/queue', {
    deliveryConfiguration: { deliveryMode: 'Queue' },
  });
  const queue = '/topics/orders/eventsubscriptions/queue';
  const secrets = [adminKey, 'hidden-code'];
  const shown = async (answer: Promise<Answer>): Promise<void> => {
    const { keys, key1, key2 } = (await answer).json;
    for (const key of [key1, key2, keys?.key1, keys?.key2]) if (key) secrets.push(key);
  };
  await shown(admin('GET', '/topics/orders/keys'));
  await shown(admin('POST', '/topics/orders:regenerateKey', { keyName: 'key1' }));
  await shown(admin('GET', `${queue}/keys`));
  await shown(admin('POST', `${queue}:regenerateKey`, { keyName: 'key2' }));
  await shown(admin('PUT', '/keys/deployer', { role: 'admin' }));
  await shown(admin('POST', '/keys/deployer:regenerateKey', { keyName: 'key2' }));
  expect(secrets).toHaveLength(13);
  await admin('POST', '/topics/orders/eventsubscriptions/billing:getFullUrl');
  const { sign } = await issuer.makeKey('ES256');
  const token = await sign({ iss: issuer.url, aud: 'gridpost', exp: Math.floor(Date.now() / 1_000) + 60 });
  const signature = signatureOf(secrets[2]!, 'http://gridpost/topics/orders/api/events');
  secrets.push(token.split('.')[1]!, token.split('.')[2]!, signature.split('&s=')[1]!);
  const answers = [];
  for (const secret of [...secrets, token, signature]) {
    for (const headers of [
      bearer(secret),
      { 'aeg-sas-key': secret },
      { 'aeg-sas-token': secret },
      { authorization: `Basic ${secret}` },
    ])
      answers.push(await call('PUT', `/keys/a?aeg-sas-key=${encodeURIComponent(secret)}`, { headers }));
  }
  for (const path of ['/keys', '/keys/deployer', '/topics/orders', queue, '/metrics'])
    answers.push(await admin('GET', path));
  await admin('PUT', '/keys/deployer', { role: 'operator' });
  await stored(served);
  const said = [
    ...lines,
    ...answers.map(({ text, headers }) => text + JSON.stringify(headers)),
    JSON.stringify(await store.journals.newestRecords('audit-changes', undefined, 1_000)),
    JSON.stringify(await store.journals.newestRecords('audit-others', undefined, 1_000)),
    (await admin('GET', '/audit?maxpagesize=1000')).text,
    JSON.stringify((await store.resources.list('keys/', undefined, 10)).map(({ value }) => value)),
  ].join('\n');
  for (const secret of secrets) expect(said).not.toContain(secret);
  expect(said).toContain('deployer');
});
