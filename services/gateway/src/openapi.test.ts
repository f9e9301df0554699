import { expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { attemptOutcomes, deadLetterReasons, durabilityClasses } from '@gridpost/model';
import { openApiDocument } from './openapi.js';
import { customTopic, eventDomain, namespaceTopic, publishForms } from './publish-target.js';
import { pullRoutes } from './pull/pull-target.js';
import { gatewayRoutes } from './routes.js';
import { type JsonObject, readSchema } from './schemas.js';
import { eventOf, serve } from './testing/serve.js';

// biome-ignore lint/suspicious/noExplicitAny: the test walks a document of every shape
type Any = any;

const routes = [
  ...gatewayRoutes({ store: { info: { partitions: 1 } } } as never, {} as never),
  ...pullRoutes,
];
const document = openApiDocument('1.2.3', routes) as Any;
const verbs = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'];

/** A check against any schema of the document. */
const ajv = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true, allErrors: true });
ajvFormats.default(ajv, ['date-time', 'uuid']);
ajv.addVocabulary(['openapi', 'info', 'servers', 'security', 'tags', 'paths', 'components']);
ajv.addSchema({ $id: 'openapi', ...document });

function faults(schema: object, value: unknown): unknown {
  const local = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/'));
  const validate = ajv.compile(local);
  return validate(value) ? [] : validate.errors;
}

function* operations(): Generator<[string, string, Any]> {
  for (const [path, item] of Object.entries<Any>(document.paths)) {
    for (const verb of verbs) if (item[verb]) yield [verb.toUpperCase(), path, item[verb]];
  }
}

const resolved = (value: Any): Any =>
  value.$ref === undefined
    ? value
    : (value.$ref as string)
        .slice(2)
        .split('/')
        .reduce((at: Any, name) => at[name], document);

test('the document has every route, and every route is served', () => {
  const described = [...operations()].map(([method, path]) => `${method} ${path}`);
  const served = routes.map(({ method, path }) => `${method} ${path}`);
  const published = publishForms.flatMap(({ route, allow }) => allow.map((method) => `${method} ${route}`));
  expect(described.sort()).toEqual([...served, ...published].sort());
});

test('each operation says what its caller needs', () => {
  const needs: Any = Object.fromEntries(
    [...operations()].map(([method, path, { security = document.security }]) => [
      `${method} ${path}`,
      security.map((each: Any) => Object.entries(each).map(([scheme, needed]) => `${scheme} ${needed}`)[0]),
    ]),
  );
  const path = '/topics/{topic}/eventsubscriptions/{name}';
  expect(needs['GET /livez']).toEqual([]);
  expect(needs[`GET ${path}`]).toEqual(['managementKey reader', 'issuerToken reader', undefined]);
  expect(needs[`POST ${path}:revalidate`]).toEqual([
    'managementKey operator',
    'issuerToken operator',
    undefined,
  ]);
  expect(needs[`GET ${path}/keys`]).toEqual(['managementKey admin', 'issuerToken admin', undefined]);
  expect(needs[`POST ${path}:receive`]).toContain('subscriptionKey ');
  expect(needs['POST /topics/{topic}:publish']).toContain('topicKey ');
  const schemes = Object.keys(document.components.securitySchemes);
  for (const each of Object.values<Any>(needs).flat())
    if (each !== undefined) expect(schemes).toContain(each.split(' ')[0]);
});

test('operations have distinct ids, declared tags, and declare the parameters of their path', () => {
  const ids = [...operations()].map(([, , { operationId }]) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const tags = document.tags.map(({ name }: { name: string }) => name);
  for (const [, path, operation] of operations()) {
    for (const tag of operation.tags) expect(tags).toContain(tag);
    const declared = [...(document.paths[path].parameters ?? []), ...(operation.parameters ?? [])]
      .map(resolved)
      .filter((parameter) => parameter.in === 'path')
      .map(({ name }) => name);
    expect(declared).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
  }
});

test('every reference leads somewhere', () => {
  const walk = (value: Any): void => {
    if (typeof value !== 'object' || value === null) return;
    if (typeof value.$ref === 'string') {
      expect(value.$ref).toMatch(/^#\//);
      expect([value.$ref, typeof resolved(value)]).toEqual([value.$ref, 'object']);
    }
    for (const member of Object.values(value)) walk(member);
  };
  walk(document);
});

test('every example is valid', () => {
  let examples = 0;
  const check = (schema: object, example: unknown): void => {
    examples++;
    expect([example, faults(schema, example)]).toEqual([example, []]);
  };
  for (const [, , { requestBody, responses }] of operations()) {
    for (const part of [requestBody ?? {}, ...Object.values<Any>(responses)].map(resolved)) {
      for (const { schema, example } of Object.values<Any>(part.content ?? {})) {
        if (example !== undefined) check(schema, example);
      }
    }
  }
  for (const { schema, example } of Object.values<Any>(document.components.parameters)) {
    if (example !== undefined) check(schema, example);
  }
  for (const [name, schema] of Object.entries<Any>(document.components.schemas)) {
    for (const example of schema.examples ?? []) check({ $ref: `#/components/schemas/${name}` }, example);
  }
  expect(examples).toBeGreaterThan(30);
});

test('every request schema has an example that is valid', () => {
  const files = [
    ...['topic.json', 'domain.json', 'eventsubscription.json', 'regenerate-key.json', 'redrive.json'],
    ...['purge.json', 'replay.json'],
    ...['filters-test.json', 'lock-tokens.json', 'deployment.json', 'management-key.json'],
    'rotate-secret.json',
  ];
  const ajvOfFiles = new Ajv2020({ strict: true, allowUnionTypes: true, validateFormats: false });
  for (const file of files) ajvOfFiles.addSchema(readSchema(file));
  for (const file of files) {
    const schema = readSchema(file) as JsonObject & { examples: unknown[] };
    const validate = ajvOfFiles.getSchema(file)!;
    expect(schema.examples.length).toBeGreaterThan(0);
    for (const example of schema.examples) expect([validate(example), validate.errors]).toEqual([true, null]);
  }
});

test('closed sets are the same as in the model', () => {
  const { DeadLetter, Health, RecordedOutcome } = document.components.schemas;
  expect(DeadLetter.properties.lastOutcome.properties.outcome.enum).toEqual([...attemptOutcomes]);
  expect(RecordedOutcome.enum.slice(0, -3)).toEqual([...attemptOutcomes]);
  expect(DeadLetter.properties.deadLetterReason.enum).toEqual([...deadLetterReasons]);
  expect(Health.properties.store.properties.durability.enum).toEqual([...durabilityClasses]);
});

test('the document is served whole, with the version that serves it', async () => {
  const { admin } = await serve();
  const { status, json } = await admin('GET', '/openapi.json');
  expect([status, json.info.version]).toEqual([200, '1.2.3']);
  expect(json).toEqual(document);
});

test('what is answered is what the document says', async () => {
  const { admin, publish } = await serve();
  const hook = {
    destination: {
      endpointType: 'WebHook',
      properties: {
        endpointUrl: 'https://example.com/?x',
        validation: 'none',
        credentials: { type: 'bearer', token: 'hidden' },
        maxEventsPerBatch: 10,
        preferredBatchSizeInKilobytes: 64,
        deliveryAttributeMappings: [
          { name: 'x-key', type: 'Static', properties: { value: 'hidden', isSecret: true } },
          { name: 'x-order', type: 'Dynamic', properties: { sourceField: 'data.order' } },
        ],
      },
    },
  };
  const subscription = '/topics/orders/eventsubscriptions/billing';
  const queue = '/topics/orders/eventsubscriptions/waiting';
  const calls: [string, string, unknown?][] = [
    ['PUT', '/topics/orders'],
    ['PUT', '/topics/orders', { eventRetentionInDays: 1 }],
    ['PUT', '/topics/orders', { location: 'westeurope', tags: { team: 'billing' }, properties: {} }],
    ['PUT', '/topics/orders', { wrong: 1 }],
    ['PUT', '/topics/other'],
    ['GET', '/topics?$top=1'],
    ['GET', '/topics/orders'],
    ['GET', '/topics/nowhere'],
    ['GET', '/topics/orders/keys'],
    ['POST', '/topics/orders:regenerateKey', { keyName: 'key1' }],
    ['PUT', subscription, { properties: { ...hook, expirationTimeUtc: '2099-01-01T00:00:00Z' } }],
    ['PUT', subscription, hook],
    [
      'PUT',
      subscription,
      {
        ...hook,
        deadLetterDestination: {
          endpointType: 'WebHook',
          properties: { endpointUrl: 'https://example.com/?x' },
        },
      },
    ],
    ['PUT', subscription, { ...hook, signing: { scheme: 'v1' } }],
    ['POST', `${subscription}:rotateSecret`, {}],
    ['PUT', subscription, { ...hook, signing: { scheme: 'v1a' } }],
    ['POST', `${subscription}:rotateSecret`, { overlapInSeconds: 60 }],
    ['GET', subscription],
    ['GET', '/topics/orders/eventsubscriptions'],
    ['POST', `${subscription}:getFullUrl`],
    ['POST', `${subscription}:getDeliveryAttributes`],
    ['PUT', queue, { deliveryConfiguration: { deliveryMode: 'Queue' } }],
    ['GET', queue],
    ['POST', `${queue}:acknowledge`, { lockTokens: ['x'] }],
    ['POST', `${queue}:receive?maxEvents=0`],
    ['DELETE', queue],
    ['GET', `${subscription}/deadletters`],
    ['GET', `${subscription}/deadletters?format=eventgrid`],
    ['GET', `${subscription}/deadletters?format=azure`],
    ['GET', `${subscription}/deadletters/nothing`],
    ['POST', `${subscription}/deadletters:redrive`, {}],
    ['POST', `${subscription}/deadletters:redrive`, { ids: [] }],
    ['POST', `${subscription}/deadletters:purge`, { reason: 'Rejected' }],
    ['POST', `${subscription}/deadletters/nothing:resend`],
    ['POST', `${subscription}:replay`, { from: '2020-01-01T00:00:00Z', dryRun: true }],
    ['POST', `${subscription}:replay`, { from: '2020-01-01T00:00:00Z' }],
    ['GET', '/jobs'],
    ['GET', '/jobs/nothing'],
    ['POST', '/jobs/nothing:cancel'],
    ['GET', `${subscription}/deliveries`],
    ['GET', `${subscription}/deliveries?state=Gone`],
    ['GET', '/topics/orders/events/nothing'],
    ['GET', '/topics/nowhere/events/nothing'],
    ['GET', '/topics/orders/events/nothing?explain=maybe'],
    ['PUT', '/domains/shop', { autoDeleteTopicWithLastSubscription: false }],
    ['PUT', '/domains/shop', { location: 'westeurope', tags: { team: 'billing' }, properties: {} }],
    ['GET', '/domains'],
    ['GET', '/domains/shop'],
    ['GET', '/domains/shop/keys'],
    ['GET', '/domains/shop/events/nothing'],
    ['POST', '/domains/shop:regenerateKey', { keyName: 'key2' }],
    ['PUT', '/domains/shop/eventsubscriptions/billing', hook],
    ['PUT', '/domains/shop/topics/north/eventsubscriptions/billing', hook],
    ['GET', '/domains/shop/topics/north/eventsubscriptions'],
    ['PUT', '/domains/shop/topics/south'],
    ['PUT', '/domains/shop/topics/south'],
    ['GET', '/domains/shop/topics'],
    ['GET', '/domains/shop/topics/south'],
    ['DELETE', '/domains/shop/topics/south'],
    ['GET', '/domains/shop/topics/south'],
    ['DELETE', '/domains/shop'],
    ['GET', `${subscription}/keys`],
    ['GET', '/topics/orders/eventsubscriptions/waiting/keys'],
    ['POST', '/topics/orders/eventsubscriptions/waiting:regenerateKey', { keyName: 'key1' }],
    ['PUT', '/keys/dashboard', { role: 'reader' }],
    ['PUT', '/keys/dashboard', { properties: { role: 'reader', expirationTimeUtc: '2099-01-01T00:00:00Z' } }],
    ['GET', '/keys'],
    ['GET', '/keys/dashboard'],
    ['GET', '/keys/nothing'],
    ['POST', '/keys/dashboard:regenerateKey', { keyName: 'key2' }],
    ['DELETE', '/keys/dashboard'],
    ['GET', '/audit'],
    ['GET', '/audit?maxpagesize=1'],
    ['GET', '/audit?maxpagesize=0'],
    ['GET', '/livez'],
    ['GET', '/readyz?verbose'],
    ['DELETE', subscription],
    ['DELETE', '/topics/orders'],
  ];
  const template = (path: string): string =>
    path
      .replace(/\?.*/, '')
      .replace(/^\/topics\/[a-z]+/, '/topics/{topic}')
      .replace('/domains/shop', '/domains/{domain}')
      .replace(/\/topics\/(north|south)/, '/topics/{domainTopic}')
      .replace(/\/(billing|waiting|dashboard)/, '/{name}')
      .replace('/keys/nothing', '/keys/{name}')
      .replace('/nothing', '/{id}');
  const check = (method: string, path: string, answer: Awaited<ReturnType<typeof admin>>): void => {
    const described = resolved(
      document.paths[path][method.toLowerCase()].responses[String(answer.status)] ?? {},
    );
    expect([method, path, answer.status, described.description]).toEqual([
      method,
      path,
      answer.status,
      expect.any(String),
    ]);
    if (!described.content) {
      expect(answer.text).toBe('');
      return;
    }
    const type = answer.headers['content-type']!.split(';')[0]!;
    expect(Object.keys(described.content)).toContain(type);
    expect([path, faults(described.content[type].schema, answer.json)]).toEqual([path, []]);
  };
  for (const [method, path, body] of calls) check(method, template(path), await admin(method, path, body));
  await admin('PUT', '/topics/orders');
  check('POST', namespaceTopic.route, await publish('orders', eventOf()));
  check('POST', namespaceTopic.route, await publish('orders', {}));
  check('POST', namespaceTopic.route, await publish('nowhere', eventOf()));
  await admin('PUT', '/domains/shop');
  for (const [form, path, body] of [
    [customTopic, '/topics/orders/api/events', eventOf()],
    [customTopic, '/topics/orders/api/events', []],
    [customTopic, '/topics/nowhere/api/events', []],
    [eventDomain, '/domains/shop/api/events', eventOf({ source: 'north' })],
    [eventDomain, '/domains/shop/api/events', eventOf()],
  ] as const) {
    check('POST', form.route, await admin('POST', path, body));
    check('OPTIONS', form.route, await admin('OPTIONS', path));
  }
});
