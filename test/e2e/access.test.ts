/** Keys, and the record of what was done with them, on every topology: each gateway knows what was decided at another. */
import { expect, test } from '@jest/globals';
import { Api, expectStatus, subscriptionPath } from '../support/api.js';
import { type Deployment, describeStores } from '../support/deployment.js';
import type { Answer } from '../support/http.js';
import { until } from '../support/waiting.js';

const adminKey = 'the-admin-key-of-this-test';
/** Logs of no more than warnings: audit lines come all the same. */
const settings = { GRIDPOST_ADMIN_KEY: adminKey, GRIDPOST_LOG_LEVEL: 'warn' };
/**
 * Within two seconds every gateway refuses what was taken back, since it looks every second (docs/security.md). What a busy
 * machine adds is the look's and the request's own time.
 */
const refusedMs = 2_000 + 8_000;

interface Keys {
  readonly key1: string;
  readonly key2: string;
}

/** The first gateway, and the last, which is the same where there is one. */
function gatewaysOf({ gateways }: Deployment): { here: Api; there: Api; bearing: (key: string) => Api } {
  const { url } = gateways.at(-1)!;
  return {
    here: new Api(gateways[0]!.url, adminKey),
    there: new Api(url, adminKey),
    bearing: (key) => new Api(url, key),
  };
}

/** Resolves when the call is refused with this status; fails if one that was made later than it may be was not. */
async function refused(status: number, ask: () => Promise<Answer>): Promise<void> {
  const since = performance.now();
  await until(`${status}`, async () => {
    const asked = performance.now() - since;
    const answer = await ask();
    if (answer.status === status) return true;
    expect(asked).toBeLessThan(refusedMs);
    return false;
  });
}

describeStores('access', (topology) => {
  test('a key is good at every gateway at once, and what was taken from it is refused by all in time', async () => {
    const deployment = await topology.start(undefined, settings);
    const { here, bearing } = gatewaysOf(deployment);
    const made = await here.send('PUT', '/keys/deployer', { role: 'admin' });
    expectStatus(made, 201);
    const { key1, key2 } = made.json<{ keys: Keys }>().keys;
    const [first, second] = [bearing(key1), bearing(key2)];
    expectStatus(await first.send('PUT', '/topics/orders'), 201);
    expectStatus(await second.send('GET', '/topics/orders'), 200);

    const renewed = await here.send('POST', '/keys/deployer:regenerateKey', { keyName: 'key1' });
    const renewedKey = renewed.json<{ keys: Partial<Keys> }>().keys;
    expect(Object.keys(renewedKey)).toEqual(['key1']);
    expectStatus(await bearing(renewedKey.key1!).send('GET', '/topics/orders'), 200);
    await refused(401, () => first.send('GET', '/topics/orders'));
    expectStatus(await second.send('PUT', '/topics/orders'), 200);

    expectStatus(await here.send('PUT', '/keys/deployer', { role: 'reader' }), 200);
    await refused(403, () => second.send('PUT', '/topics/orders'));
    expectStatus(await second.send('GET', '/topics/orders'), 200);

    expectStatus(await here.send('DELETE', '/keys/deployer'), 204);
    await refused(401, () => second.send('GET', '/topics/orders'));
    await deployment.stop();
  });

  test('a subscription’s key receives at every gateway at once, until it is replaced', async () => {
    const deployment = await topology.start(undefined, settings);
    const { here, there } = gatewaysOf(deployment);
    await here.putTopic('orders');
    const path = subscriptionPath('orders', 'queue');
    const queue = { properties: { deliveryConfiguration: { deliveryMode: 'Queue' } } };
    expectStatus(await here.send('PUT', path, queue), 201);
    const { key1, key2 } = (await here.send('GET', `${path}/keys`)).json<Keys>();
    const anonymous = new Api(there.url);
    const acknowledge = (key: string): Promise<Answer> =>
      anonymous.send('POST', `${path}:acknowledge`, { lockTokens: ['x'] }, { 'aeg-sas-key': key });
    for (const key of [key1, key2]) expectStatus(await acknowledge(key), 200);
    const after = await here.send('POST', `${path}:regenerateKey`, { keyName: 'key1' });
    expect(after.json<Keys>().key2).toBe(key2);
    expectStatus(await acknowledge(after.json<Keys>().key1), 200);
    await refused(401, () => acknowledge(key1));
    // Writing the subscription again gives nobody's key back.
    expectStatus(await here.send('PUT', path, queue), 200);
    await refused(401, () => acknowledge(key1));
    expectStatus(await acknowledge(key2), 200);
    await deployment.stop();
  });

  test('the audit log has the calls of all gateways, also after a restart, and no secret', async () => {
    const before = await topology.start(undefined, settings);
    const { here, there, bearing } = gatewaysOf(before);
    const { keys } = (await here.send('PUT', '/keys/deployer', { role: 'admin' })).json<{ keys: Keys }>();
    const deployer = bearing(keys.key1);
    expectStatus(await deployer.send('PUT', '/topics/orders'), 201);
    expectStatus(await new Api(there.url).send('DELETE', '/topics/orders'), 401);
    expectStatus(await bearing(`${keys.key2}x`).send('GET', '/keys'), 401);
    expectStatus(await deployer.send('DELETE', '/topics/orders'), 204);
    for (const { code } of await before.stopServers()) expect(code).toBe(0);
    const lines = before.gateways.flatMap(({ log }) => log.filter((line) => line.includes('"audit":true')));
    expect(lines).toHaveLength(5);

    const after = await topology.start(before.ground, settings);
    const answer = await gatewaysOf(after).there.send('GET', '/audit');
    const records = answer.json<{ value: Record<string, { kind: string; name?: string }>[] }>().value;
    const calls = records.map(({ caller, method, path, status }) =>
      [caller!.kind, caller!.name ?? '', method, path, status].join(' '),
    );
    // Each gateway writes in its own time, and so do changes and refusals: their order is that of no clock.
    expect(calls.toSorted()).toEqual([
      'adminKey  PUT /keys/deployer 201',
      'key deployer DELETE /topics/orders 204',
      'key deployer PUT /topics/orders 201',
      'none  DELETE /topics/orders 401',
      'unknown  GET /keys 401',
    ]);
    const some = await gatewaysOf(after).here.send('GET', '/audit?outcome=refused&resource=/topics/');
    expect(some.json()).toMatchObject({ value: [{ method: 'DELETE', path: '/topics/orders', status: 401 }] });
    const said = [answer.body.toString(), ...before.servers.flatMap(({ log }) => log)].join('\n');
    for (const secret of [adminKey, keys.key1, keys.key2]) expect(said).not.toContain(secret);
    await after.stop();
  });
});
