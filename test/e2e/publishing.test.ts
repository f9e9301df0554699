/**
 * Event Grid's own client against a whole server: what it publishes in Event Grid's schema, to a topic and to a domain,
 * is delivered; and a publisher whose token is of the configured OIDC issuer needs no key.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid';
import { expect, test } from '@jest/globals';
import { Api, eventOf, expectStatus, subscriptionBody } from '../support/api.js';
import { startServer } from '../support/server.js';
import { startSink } from '../support/sink.js';
import { atEnd, temporaryDirectory } from '../support/teardown.js';

const adminKey = 'an-admin-key-of-some-length';
const insecure = { allowInsecureConnection: true };
const gridEvent = (id: string, topic?: string) => ({
  ...{ id, subject: '/orders/1', eventType: 'order.created', dataVersion: '1', data: { n: 1 } },
  ...(topic === undefined ? {} : { topic }),
});

async function serve(settings: Record<string, string> = {}) {
  const server = await startServer({
    GRIDPOST_STORE: `lmdb:${temporaryDirectory()}`,
    GRIDPOST_ADMIN_KEY: adminKey,
    GRIDPOST_EGRESS_ALLOW: '127.0.0.0/8',
    ...settings,
  });
  const api = new Api(server.url, adminKey);
  const sink = await startSink();
  const clientFor = async (path: string) => {
    const { key1 } = (await api.send('GET', `${path}/keys`)).json() as { key1: string };
    const { properties } = (await api.send('GET', path)).json() as { properties: { endpoint: string } };
    return new EventGridPublisherClient(
      properties.endpoint,
      'EventGrid',
      new AzureKeyCredential(key1),
      insecure,
    );
  };
  const subscribe = async (path: string, name: string) =>
    expectStatus(
      await api.send(
        'PUT',
        `${path}/eventsubscriptions/${name}`,
        subscriptionBody({ url: sink.url(`/${name}`) }),
      ),
      201,
    );
  return { server, api, sink, clientFor, subscribe };
}

test('what Event Grid’s client sends to a topic arrives', async () => {
  const { api, sink, clientFor, subscribe } = await serve();
  await api.putTopic('orders', { inputSchema: 'EventGridSchema' });
  await subscribe('/topics/orders', 'all');
  await (await clientFor('/topics/orders')).send([gridEvent('1')]);
  const [receipt] = await sink.received('/all');
  expect(receipt!.event.attributes).toMatchObject({
    ...{ id: '1', source: '/topics/orders', type: 'order.created', subject: '/orders/1' },
  });
  expect(receipt!.event.data!.toString()).toBe('{"n":1}');
});

test('what it sends to a domain arrives where the topic that it names is subscribed to', async () => {
  const { api, sink, clientFor, subscribe } = await serve();
  const properties = { inputSchema: 'EventGridSchema' };
  expectStatus(await api.send('PUT', '/domains/shop', { properties }), 201);
  await subscribe('/domains/shop', 'everything');
  await subscribe('/domains/shop/topics/north', 'northern');
  await (await clientFor('/domains/shop')).send([gridEvent('1', 'north'), gridEvent('2', 'south')]);
  const everything = await sink.received('/everything', 2);
  const [northern] = await sink.received('/northern');
  expect(everything.map(({ event }) => event.attributes.source).sort()).toEqual([
    '/domains/shop/topics/north',
    '/domains/shop/topics/south',
  ]);
  expect(northern!.event.attributes.id).toBe('1');
  expect(sink.on('/northern')).toHaveLength(1);
});

test('a token of the configured issuer publishes, and does not manage', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = createServer((req, res) => {
    const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: '1', alg: 'ES256' }];
    const found = { issuer: url, jwks_uri: `${url}/keys` };
    res.end(JSON.stringify(req.url === '/keys' ? { keys } : found));
  });
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    issuer.close();
    issuer.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  const { api, server } = await serve({ GRIDPOST_OIDC_ISSUER: url, GRIDPOST_OIDC_AUDIENCE: 'gridpost' });
  await api.putTopic('orders');

  const tokenFor = (aud: string): string => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const exp = Math.floor(Date.now() / 1_000) + 600;
    const signed = `${part({ alg: 'ES256', kid: '1' })}.${part({ iss: url, aud, exp })}`;
    const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  };
  const right = new Api(server.url, tokenFor('gridpost'));
  expect((await right.publish('orders', eventOf())).status).toBe(200);
  expect((await right.send('GET', '/topics')).status).toBe(403);
  expect((await new Api(server.url, tokenFor('other')).publish('orders', eventOf())).status).toBe(401);
});
