/** Where whole servers let endpoints be: closed, opened by settings, open on loopback, and behind a proxy. */
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Api, eventOf, expectStatus, subscriptionBody, subscriptionPath } from '../support/api.js';
import { type Deployment, describeStores, embedded } from '../support/deployment.js';
import type { Answer } from '../support/http.js';
import { startSink } from '../support/sink.js';
import { atEnd } from '../support/teardown.js';

const adminKey = 'an-admin-key-of-some-length';
const closed = { GRIDPOST_ADMIN_KEY: adminKey };
const topic = 'guarded';

const apiOf = ({ gateways }: Deployment, which = 0): Api => new Api(gateways[which]!.url, adminKey);

const put = (api: Api, url: string, properties: Record<string, unknown> = {}): Promise<Answer> =>
  api.send(
    'PUT',
    subscriptionPath(topic, 'hook'),
    subscriptionBody({ url, properties: { retryPolicy: { delaysInSeconds: [1] }, ...properties } }),
  );

interface Refusal {
  readonly code: string;
  readonly errors: readonly { readonly pointer: string; readonly message: string }[];
}

const message = 'names an address that this deployment does not connect to (GRIDPOST_EGRESS_ALLOW)';
const at = (pointer: string): object => ({ code: 'InvalidResource', errors: [{ pointer, message }] });

describeStores('an endpoint at a private address', (topology) => {
  describe('where nothing is allowed', () => {
    let deployment: Deployment;
    beforeAll(async () => {
      deployment = await topology.start(undefined, closed);
      await apiOf(deployment).putTopic(topic);
    });
    afterAll(() => deployment.stop());

    test('is refused when it is written, in the same words whatever it is, and nothing is stored', async () => {
      const api = apiOf(deployment, deployment.gateways.length - 1);
      for (const host of [
        ...[
          '127.0.0.1',
          '10.0.0.1',
          '192.168.1.1',
          '169.254.169.254',
          '0.0.0.0',
          '100.64.0.1',
          '168.63.129.16',
        ],
        ...[
          '[::1]',
          '[::ffff:127.0.0.1]',
          '[fd00:ec2::254]',
          '[fe80::1]',
          '[64:ff9b::7f00:1]',
          '[2002:7f00:1::]',
        ],
        ...[
          '127.1',
          '2130706433',
          '0x7f.1',
          '0177.0.0.1',
          '127.0.0.1.',
          '①②⑦.0.0.1',
          'localhost',
          'LOCALHOST',
        ],
      ]) {
        const answer = await put(api, `http://${host}:1/hook?code=hidden`);
        expect([host, answer.status]).toEqual([host, 400]);
        expect(answer.json<Refusal>()).toMatchObject(at('/properties/destination/properties/endpointUrl'));
        expect(answer.body.toString()).not.toContain('hidden');
      }
      const answer = await put(api, 'http://hook.invalid/', {
        deadLetterDestination: { endpointType: 'WebHook', properties: { endpointUrl: 'http://10.0.0.1/' } },
      });
      expect(answer.json<Refusal>()).toMatchObject(
        at('/properties/deadLetterDestination/properties/endpointUrl'),
      );
      expectStatus(await api.send('GET', subscriptionPath(topic, 'hook')), 404);
    });

    test('is taken if it is a name that does not resolve', async () => {
      expectStatus(await put(apiOf(deployment), 'http://hook.invalid/'), 201);
    });
  });

  test('that was allowed gets nothing while it is not, and its backlog when it is again', async () => {
    const sink = await startSink();
    const allowing = { ...closed, GRIDPOST_EGRESS_ALLOW: '127.0.0.0/8' };
    const first = await topology.start(undefined, allowing);
    await apiOf(first).putTopic(topic);
    expectStatus(await put(apiOf(first), sink.url('/hook')), 201);
    await apiOf(first).accept(topic, eventOf({ id: 'first' }));
    await sink.received(({ event }) => event.attributes.id === 'first');
    await first.stopServers();

    const second = await topology.start(first.ground, closed);
    await apiOf(second).accept(topic, eventOf({ id: 'second' }));
    await second.counted('gridpost_delivery_attempts_total', 1, { outcome: 'blocked' });
    expectStatus(await put(apiOf(second), sink.url('/hook')), 400);
    await second.stopServers();
    expect(sink.on('/hook').filter(({ method }) => method === 'POST')).toHaveLength(1);

    const third = await topology.start(first.ground, allowing);
    await sink.received(({ event }) => event.attributes.id === 'second');
    await third.stop();
  }, 180_000);
});

describe('what is allowed', () => {
  test('by its name is connected to, whatever the address', async () => {
    const sink = await startSink();
    const deployment = await embedded.start(undefined, {
      ...closed,
      GRIDPOST_EGRESS_ALLOW_HOSTS: 'localhost',
    });
    const api = apiOf(deployment);
    await api.putTopic(topic);
    expectStatus(await put(api, `http://localhost:${sink.port}/hook`), 201);
    expectStatus(await put(api, sink.url('/hook')), 400);
    await api.accept(topic, eventOf({ id: 'named' }));
    await sink.received(({ event }) => event.attributes.id === 'named');
    await deployment.stop();
  });

  test('on loopback without an admin key is loopback, and no more', async () => {
    const deployment = await embedded.start();
    const api = new Api(deployment.gateways[0]!.url);
    await api.putTopic(topic);
    for (const host of ['10.0.0.1', '169.254.169.254', '0.0.0.0', '[fd00::1]'])
      expectStatus(await put(api, `http://${host}/`), 400);
    for (const host of ['127.0.0.1', '[::1]', 'localhost', '2130706433'])
      expectStatus(await put(api, `http://${host}:9/`), 200, 201);
    await deployment.stop();
  });
});

test('behind a proxy names are its business, and everything goes through it', async () => {
  const sink = await startSink();
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const proxy = createServer();
  proxy.on('connect', ({ url, headers }, socket: Socket) => {
    asked.push(`${url} ${headers['proxy-authorization']}`);
    const onward = connect(sink.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) sockets.add(end.on('error', () => undefined));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
  const { port } = proxy.address() as AddressInfo;
  const deployment = await embedded.start(undefined, {
    ...closed,
    GRIDPOST_EGRESS_PROXY: `http://us:er@127.0.0.1:${port}`,
  });
  const api = apiOf(deployment);
  await api.putTopic(topic);
  expectStatus(await put(api, 'http://10.0.0.1/'), 400);
  expectStatus(await put(api, 'http://localhost/'), 400);
  expectStatus(await put(api, 'http://hook.internal/hook'), 201);
  await api.accept(topic, eventOf({ id: 'proxied' }));
  const [receipt] = await sink.received(({ event }) => event.attributes.id === 'proxied');
  expect(receipt!.headers.host).toBe('hook.internal');
  expect(receipt!.headers).not.toHaveProperty('proxy-authorization');
  expect(new Set(asked)).toEqual(new Set([`hook.internal:80 Basic ${btoa('us:er')}`]));
  expect(deployment.servers[0]!.log.join()).not.toContain('us:er');
  await deployment.stop();
});
