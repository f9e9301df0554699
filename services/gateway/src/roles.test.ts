/**
 * Every route of the tables × every kind of credential. What each route needs, and what it answers to those whom it lets in, stands
 * here a second time, in words of its own: a route without a row fails, and so does a row without a route.
 */
import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { armRoutes } from './arm/routes.js';
import { publishForms } from './publish-target.js';
import { pullRoutes } from './pull/pull-target.js';
import { gatewayRoutes } from './routes.js';
import { startIssuer } from './testing/issuer.js';
import { adminKey, eventOf, serve, type Served } from './testing/serve.js';
import { signatureOf } from './testing/signature.js';

type Need = 'anyone' | 'publish' | 'receive' | 'read' | 'mend' | 'configure';
/** What it needs, what it answers to who has that, and what is sent. */
type Row = readonly [need: Need, status: number, body?: unknown];

const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/?code=hidden', validation: 'none' },
  },
};
const queue = { deliveryConfiguration: { deliveryMode: 'Queue' } };
const key2 = { keyName: 'key2' };
const locks = { lockTokens: ['x'] };

const ofSubscriptions: Readonly<Record<string, Row>> = {
  'GET {s}/eventsubscriptions': ['read', 200],
  'GET {s}/eventsubscriptions/{name}': ['read', 200],
  'PUT {s}/eventsubscriptions/{name}': ['configure', 200, hook],
  'DELETE {s}/eventsubscriptions/{name}': ['configure', 204],
  'POST {s}/eventsubscriptions/{name}:getFullUrl': ['configure', 200],
  'POST {s}/eventsubscriptions/{name}:getDeliveryAttributes': ['configure', 200],
  'GET {s}/eventsubscriptions/{name}/keys': ['configure', 200],
  'POST {s}/eventsubscriptions/{name}:regenerateKey': ['configure', 200, key2],
  'POST {s}/eventsubscriptions/{name}:revalidate': ['mend', 202],
  'POST {s}/eventsubscriptions/{name}:pause': ['mend', 200],
  'POST {s}/eventsubscriptions/{name}:resume': ['mend', 200],
  'POST {s}/eventsubscriptions/{name}:reset': ['mend', 200],
  'POST {s}/eventsubscriptions/{name}:rotateSecret': ['configure', 409],
  'POST {s}/eventsubscriptions/{name}:explain': ['read', 200, { event: eventOf() }],
  'GET {s}/eventsubscriptions/{name}/deliveries': ['read', 200],
  'GET {s}/eventsubscriptions/{name}/deadletters': ['read', 200],
  'GET {s}/eventsubscriptions/{name}/deadletters/{id}': ['read', 404],
  'POST {s}/eventsubscriptions/{name}/deadletters:redrive': ['mend', 202, {}],
  'POST {s}/eventsubscriptions/{name}/deadletters:purge': ['configure', 202, {}],
  'POST {s}/eventsubscriptions/{name}/deadletters/{id}:resend': ['mend', 404],
  'POST {s}/eventsubscriptions/{name}:replay': ['mend', 400, {}],
  'POST {s}/eventsubscriptions/{name}:receive': ['receive', 400],
  'POST {s}/eventsubscriptions/{name}:acknowledge': ['receive', 200, locks],
  'POST {s}/eventsubscriptions/{name}:release': ['receive', 200, locks],
  'POST {s}/eventsubscriptions/{name}:reject': ['receive', 200, locks],
  'POST {s}/eventsubscriptions/{name}:renewLock': ['receive', 200, locks],
};
const azure = '/subscriptions/{subscription}/resourceGroups/{resourceGroup}/providers';
const ofAzure: Readonly<Record<string, Row>> = Object.fromEntries(
  ['/eventSubscriptions', '/providers/Microsoft.EventGrid/eventSubscriptions'].flatMap((all) => [
    [`GET {a}${all}`, ['read', 200]],
    [`GET {a}${all}/{name}`, ['read', 200]],
    [`PUT {a}${all}/{name}`, ['configure', 200, { properties: hook }]],
    [`PATCH {a}${all}/{name}`, ['configure', 200, { labels: [] }]],
    [`DELETE {a}${all}/{name}`, ['configure', 200]],
    [`POST {a}${all}/{name}/getFullUrl`, ['configure', 200]],
    [`POST {a}${all}/{name}/getDeliveryAttributes`, ['configure', 200]],
  ]),
);
const scopes = ['/topics/{topic}', '/domains/{domain}', '/domains/{domain}/topics/{domainTopic}'];

const rows = new Map<string, Row>([
  ...scopes.flatMap((scope) => [
    ...Object.entries(ofSubscriptions).map(([key, row]): [string, Row] => [key.replace('{s}', scope), row]),
    ...Object.entries(ofAzure).map(([key, row]): [string, Row] => [
      key.replace('{a}', `${azure}/Microsoft.EventGrid${scope}`),
      row,
    ]),
  ]),
  ...['/topics/{topic}', '/domains/{domain}'].flatMap((one): [string, Row][] => {
    const all = one.slice(0, one.lastIndexOf('/'));
    const inAzure = `${azure}/Microsoft.EventGrid${one}`;
    return [
      [`GET ${all}`, ['read', 200]],
      [`GET ${one}`, ['read', 200]],
      [`PUT ${one}`, ['configure', 200, {}]],
      [`DELETE ${one}`, ['configure', 204]],
      [`GET ${one}/events/{id}`, ['read', 200]],
      [`GET ${one}/keys`, ['configure', 200]],
      [`POST ${one}:regenerateKey`, ['configure', 200, key2]],
      [`GET ${azure}/Microsoft.EventGrid${all}`, ['read', 200]],
      [`GET /subscriptions/{subscription}/providers/Microsoft.EventGrid${all}`, ['read', 200]],
      [`GET ${inAzure}`, ['read', 200]],
      [
        `PUT ${inAzure}`,
        ['configure', 200, { location: 'here', properties: { inputSchema: 'CloudEventSchemaV1_0' } }],
      ],
      [`PATCH ${inAzure}`, ['configure', 200, { tags: { a: 'b' } }]],
      [`DELETE ${inAzure}`, ['configure', 200]],
      [`POST ${inAzure}/listKeys`, ['configure', 200]],
      [`POST ${inAzure}/regenerateKey`, ['configure', 200, key2]],
    ];
  }),
  ...['', `${azure}/Microsoft.EventGrid`].flatMap((at): [string, Row][] => [
    [`GET ${at}/domains/{domain}/topics`, ['read', 200]],
    [`GET ${at}/domains/{domain}/topics/{domainTopic}`, ['read', 200]],
    [`PUT ${at}/domains/{domain}/topics/{domainTopic}`, ['configure', 200]],
    [`DELETE ${at}/domains/{domain}/topics/{domainTopic}`, ['configure', at === '' ? 204 : 200]],
  ]),
  [
    `PUT ${azure}/Microsoft.Resources/deployments/{deployment}`,
    ['configure', 200, { properties: { template: { resources: [] } } }],
  ],
  ['GET /keys', ['configure', 200]],
  ['GET /keys/{name}', ['configure', 200]],
  ['PUT /keys/{name}', ['configure', 200, { role: 'reader' }]],
  ['DELETE /keys/{name}', ['configure', 204]],
  ['POST /keys/{name}:regenerateKey', ['configure', 200, key2]],
  ['GET /jobs', ['read', 200]],
  ['GET /jobs/{id}', ['read', 404]],
  ['POST /jobs/{id}:cancel', ['mend', 404]],
  ['POST /filters:test', ['read', 200, { event: eventOf() }]],
  ['GET /audit', ['configure', 200]],
  ['GET /openapi.json', ['read', 200]],
  ['GET /metrics', ['anyone', 200]],
  ['GET /livez', ['anyone', 200]],
  ['GET /readyz', ['anyone', 200]],
  ['GET /healthz', ['anyone', 200]],
  ['GET /eventgrid/validate', ['anyone', 404]],
  ['POST /eventgrid/validate', ['anyone', 404]],
  ['POST /topics/{topic}:publish', ['publish', 200, eventOf({ source: 'north' })]],
  ['POST /topics/{topic}/api/events', ['publish', 200, eventOf({ source: 'north' })]],
  ['OPTIONS /topics/{topic}/api/events', ['publish', 200]],
  ['POST /domains/{domain}/api/events', ['publish', 200, eventOf({ source: 'north' })]],
  ['OPTIONS /domains/{domain}/api/events', ['publish', 200]],
]);

const context = { store: { info: { partitions: 1 } } } as never;
const served = [
  ...[...gatewayRoutes(context, {} as never), ...armRoutes(context)].map(
    ({ method, path }) => `${method} ${path}`,
  ),
  ...pullRoutes.map(({ method, path }) => `${method} ${path}`),
  ...publishForms.flatMap(({ route, allow }) => allow.map((method) => `${method} ${route}`)),
];

test('every route has a row, and every row a route', () => {
  expect([...rows.keys()].sort()).toEqual([...new Set(served)].sort());
});

/** The path as it is asked for. Consumers and their keys are of a subscription that is received from. */
function pathOf(template: string): string {
  const queued = /:(receive|acknowledge|release|reject|renewLock|regenerateKey)$|\{name\}\/keys$/.test(
    template,
  );
  const name = template.startsWith('/keys') ? 'spare' : queued ? 'queue' : 'billing';
  return template
    .replace('{topic}', 'orders')
    .replace('{domain}', 'shop')
    .replace('{domainTopic}', 'north')
    .replace('{name}', name)
    .replace('{id}', 'MC4xLjA')
    .replace('{subscription}', '00000000-0000-0000-0000-000000000000')
    .replace('{resourceGroup}', 'any')
    .replace('{deployment}', 'all');
}

/** Whose keys the path is about: of `/topics/orders`, `/domains/shop`, or its topic. */
const scopeIn = (path: string): string | undefined =>
  /\/domains\/shop\/topics\/north|\/domains\/shop|\/topics\/orders/.exec(path)?.[0];
const holderIn = (path: string): string | undefined => scopeIn(path)?.replace('/topics/north', '');

interface Setup extends Served {
  /** By role, and by what became of them. */
  readonly named: Readonly<Record<string, string>>;
  readonly tokens: Readonly<Record<string, string>>;
  /** An access key of a topic, a domain or a subscription. */
  keyOf(path: string): Promise<string>;
  /** Makes what is missing of the resources that the paths name. Their keys are no longer what they were. */
  restore(): Promise<void>;
}

async function setup(): Promise<Setup> {
  const issuer = await startIssuer();
  const names = { reader: 'r', operator: 'o', admin: 'a', consumer: 'c' };
  const served = await serve({
    oidc: { issuer: issuer.url, audience: 'gridpost', roles: { claim: '/realm/roles', names } },
  });
  const { admin } = served;
  const put = async (path: string, body?: object): Promise<void> => {
    const { status, text } = await admin('PUT', path, body);
    if (status > 201) throw new Error(text);
  };
  const known = new Map<string, string>();
  const restore = async (): Promise<void> => {
    known.clear();
    await put('/topics/orders');
    await put('/topics/others');
    await put('/domains/shop', { autoDeleteTopicWithLastSubscription: false });
    await put('/domains/shop/topics/north');
    for (const scope of ['/topics/orders', '/topics/others', '/domains/shop', '/domains/shop/topics/north']) {
      await put(`${scope}/eventsubscriptions/billing`, hook);
      await put(`${scope}/eventsubscriptions/queue`, queue);
    }
    await put('/keys/spare', { role: 'reader' });
  };
  await restore();

  const named: Record<string, string> = {};
  for (const role of ['reader', 'operator', 'admin'])
    named[role] = (await admin('PUT', `/keys/the-${role}`, { role })).json.keys.key2;
  named.deleted = (await admin('PUT', '/keys/gone', { role: 'admin' })).json.keys.key1;
  await admin('DELETE', '/keys/gone');
  named.regenerated = (await admin('PUT', '/keys/renewed', { role: 'admin' })).json.keys.key1;
  await admin('POST', '/keys/renewed:regenerateKey', { keyName: 'key1' });

  const { publicJwk, sign } = await issuer.makeKey('RS256');
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  const claims = { iss: issuer.url, aud: 'gridpost', exp, sub: 'somebody' };
  const withRoles = (...roles: string[]) => ({ ...claims, realm: { roles } });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const admins = part(withRoles('a'));
  const confused = `${part({ alg: 'HS256', kid: publicJwk.kid })}.${admins}`;
  const tokens = {
    plain: await sign(claims),
    foreign: await sign(withRoles('admin', 'gridpost-admin', 'x')),
    reader: await sign(withRoles('r')),
    operator: await sign(withRoles('r', 'o')),
    admin: await sign(withRoles('a', 'r')),
    consumer: await sign(withRoles('c')),
    expired: await sign({ ...withRoles('a'), exp: exp - 7_200 }),
    audience: await sign({ ...withRoles('a'), aud: 'other' }),
    none: `${part({ alg: 'none' })}.${admins}.`,
    confused: `${confused}.${createHmac('sha256', publicJwk.n!).update(confused).digest('base64url')}`,
  };
  return {
    ...served,
    ...{ named, tokens, restore },
    async keyOf(path) {
      const key = known.get(path) ?? (await admin('GET', `${path}/keys`)).json.key2;
      known.set(path, key);
      return key;
    },
  };
}

type Headers = Record<string, string>;
const bearer = (token: string | undefined): Headers => ({ authorization: `Bearer ${token}` });
const cut = (secret: string): string => secret.slice(0, -1);
/** With another last character, still of base64url. */
const bent = (secret: string): string => cut(secret) + (secret.endsWith('A') ? 'E' : 'A');
const all: Need[] = ['publish', 'receive', 'read', 'mend', 'configure'];

interface Kind {
  readonly headers: (setup: Setup, path: string) => Headers | Promise<Headers>;
  readonly may: readonly Need[];
  /** The answer to what it may not: 401 for a credential that is good for nothing here. */
  readonly otherwise: 401 | 403 | ((path: string) => 401 | 403);
}

/** Of what holds the keys of what the path names, or of the topic elsewhere. */
const own = async ({ keyOf }: Setup, path: string): Promise<string> =>
  keyOf(holderIn(path) ?? '/topics/orders');
const ownQueue = async ({ keyOf }: Setup, path: string): Promise<string> =>
  keyOf(`${scopeIn(path) ?? '/topics/orders'}/eventsubscriptions/queue`);
const whereKnown = (path: string): 401 | 403 => (holderIn(path) === undefined ? 401 : 403);

const kinds: Readonly<Record<string, Kind>> = {
  nobody: { headers: () => ({}), may: [], otherwise: 401 },
  'a wrong bearer': { headers: () => bearer(`${adminKey}x`), may: [], otherwise: 401 },
  'another scheme': { headers: () => ({ authorization: 'Basic YTpi' }), may: [], otherwise: 401 },
  'the admin key': { headers: () => bearer(adminKey), may: all, otherwise: 401 },
  'the admin key as an access key': { headers: () => ({ 'aeg-sas-key': adminKey }), may: [], otherwise: 401 },
  'a reader': { headers: ({ named }) => bearer(named.reader), may: ['read'], otherwise: 403 },
  'an operator': { headers: ({ named }) => bearer(named.operator), may: ['read', 'mend'], otherwise: 403 },
  'an admin': { headers: ({ named }) => bearer(named.admin), may: all, otherwise: 401 },
  'an admin as an access key': {
    headers: ({ named }) => ({ 'aeg-sas-key': named.admin! }),
    may: [],
    otherwise: 401,
  },
  'a key that was deleted': { headers: ({ named }) => bearer(named.deleted), may: [], otherwise: 401 },
  'a secret that was replaced': {
    headers: ({ named }) => bearer(named.regenerated),
    may: [],
    otherwise: 401,
  },
  'an admin, cut': { headers: ({ named }) => bearer(cut(named.admin!)), may: [], otherwise: 401 },
  'an admin, longer': { headers: ({ named }) => bearer(`${named.admin}A`), may: [], otherwise: 401 },
  'an admin, changed': { headers: ({ named }) => bearer(bent(named.admin!)), may: [], otherwise: 401 },
  "a reader's secret under an admin's name": {
    headers: ({ named }) => bearer(named.reader!.replace('the-reader', 'the-admin')),
    may: [],
    otherwise: 401,
  },
  "the topic's key": {
    headers: async (s, path) => ({ 'aeg-sas-key': await own(s, path) }),
    may: ['publish'],
    otherwise: whereKnown,
  },
  "another topic's key": {
    headers: async ({ keyOf }) => ({ 'aeg-sas-key': await keyOf('/topics/others') }),
    may: [],
    otherwise: 401,
  },
  "the topic's key as a bearer": {
    headers: async (s, path) => bearer(await own(s, path)),
    may: [],
    otherwise: 401,
  },
  'a signature': {
    async headers(s, path) {
      const resource = `http://127.0.0.1:${s.port}${holderIn(path) ?? '/topics/orders'}/api/events`;
      return { 'aeg-sas-token': signatureOf(await own(s, path), resource) };
    },
    may: ['publish'],
    otherwise: whereKnown,
  },
  "the subscription's key": {
    headers: async (s, path) => ({ 'aeg-sas-key': await ownQueue(s, path) }),
    may: ['receive'],
    otherwise: 403,
  },
  "the subscription's key in Authorization": {
    headers: async (s, path) => ({ authorization: `SharedAccessKey ${await ownQueue(s, path)}` }),
    may: ['receive'],
    otherwise: 403,
  },
  "another subscription's key": {
    headers: async ({ keyOf }) => ({
      'aeg-sas-key': await keyOf('/topics/others/eventsubscriptions/queue'),
    }),
    may: [],
    otherwise: 403,
  },
  "the subscription's key, changed": {
    headers: async (s, path) => ({ 'aeg-sas-key': bent(await ownQueue(s, path)) }),
    may: [],
    otherwise: 401,
  },
  'a token': { headers: ({ tokens }) => bearer(tokens.plain), may: ['publish'], otherwise: 403 },
  'a token with roles of others': {
    headers: ({ tokens }) => bearer(tokens.foreign),
    may: ['publish'],
    otherwise: 403,
  },
  'a token of a reader': {
    headers: ({ tokens }) => bearer(tokens.reader),
    may: ['publish', 'read'],
    otherwise: 403,
  },
  'a token of an operator': {
    headers: ({ tokens }) => bearer(tokens.operator),
    may: ['publish', 'read', 'mend'],
    otherwise: 403,
  },
  'a token of an admin': { headers: ({ tokens }) => bearer(tokens.admin), may: all, otherwise: 403 },
  'a token of a consumer': {
    headers: ({ tokens }) => bearer(tokens.consumer),
    may: ['publish', 'receive'],
    otherwise: 403,
  },
  'a token that has expired': { headers: ({ tokens }) => bearer(tokens.expired), may: [], otherwise: 401 },
  'a token for others': { headers: ({ tokens }) => bearer(tokens.audience), may: [], otherwise: 401 },
  'a token without a signature': { headers: ({ tokens }) => bearer(tokens.none), may: [], otherwise: 401 },
  'a token signed with the public key': {
    headers: ({ tokens }) => bearer(tokens.confused),
    may: [],
    otherwise: 401,
  },
};

describe.each(Object.entries(kinds))('with %s', (_, { headers, may, otherwise }) => {
  test('every route answers what it should', async () => {
    const all = await setup();
    const lets = ([need]: Row): boolean => need === 'anyone' || may.includes(need);
    const ask = async (route: string, [need, , body]: Row) => {
      const [method, template] = route.split(' ') as [string, string];
      const path = pathOf(template);
      const answer = await all.call(method, path + (path.endsWith(':receive') ? '?maxEvents=0' : ''), {
        body: need === 'publish' && body ? JSON.stringify(body) : body,
        headers: {
          ...(need === 'publish' ? { 'content-type': 'application/cloudevents+json' } : {}),
          ...(await headers(all, path)),
        },
      });
      return { method, path, answer };
    };
    const refused = [...rows].filter(([, row]) => !lets(row));
    await Promise.all(
      refused.map(async ([route, row]) => {
        const { path, answer } = await ask(route, row);
        const expected = typeof otherwise === 'number' ? otherwise : otherwise(path);
        expect([route, answer.status]).toEqual([route, expected]);
        const { code } = answer.json.error ?? answer.json;
        expect([route, code]).toEqual([route, expected === 401 ? 'Unauthorized' : 'Forbidden']);
        expect('www-authenticate' in answer.headers).toBe(expected === 401);
      }),
    );
    for (const [route, row] of rows) {
      if (!lets(row)) continue;
      const { method, answer } = await ask(route, row);
      expect([route, answer.status]).toEqual([route, row[1]]);
      if (method === 'DELETE') await all.restore();
    }
  });
});
