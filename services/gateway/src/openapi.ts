/**
 * The OpenAPI document, as one document that needs no other. In `schemas/` it refers to the schemas of request bodies,
 * which stand beside it because requests are validated with them.
 */
import type { Need } from './caller.js';
import { type DescribedRoute, scopePaths } from './route.js';
import { type Json, type JsonObject, readSchema } from './schemas.js';

/**
 * `schemas/openapi.json` with each component that refers to a file replaced by that file's contents, and with what the
 * operations of these routes need of their callers.
 */
export function openApiDocument(version: string, routes: readonly DescribedRoute[]): JsonObject {
  const document = readSchema('openapi.json');
  const components = document.components as JsonObject;
  const places = new Map<string, string>();
  for (const [name, schema] of Object.entries(components.schemas as JsonObject)) {
    const file = (schema as { $ref?: string }).$ref;
    if (file !== undefined && !file.startsWith('#')) places.set(file, `#/components/schemas/${name}`);
  }
  const schemas = Object.entries(components.schemas as JsonObject).map(([name, schema]) => {
    const reference = (schema as { $ref?: string }).$ref;
    if (reference === undefined || reference.startsWith('#')) return [name, schema];
    const { $schema: _, $id: __, ...contents } = readSchema(reference);
    return [name, rebased(contents, reference, places)];
  });
  return {
    ...document,
    paths: secured(inEveryScope(document.paths as JsonObject), routes),
    info: { ...(document.info as JsonObject), version },
    components: { ...components, schemas: Object.fromEntries(schemas) as JsonObject },
  };
}

/** The security requirements of an operation. The lists name the least role, as OpenAPI 3.1 has them (§4.8.30). */
function securityFor(need: Need): JsonObject[] {
  if (need === 'anyone') return [];
  if (need === 'consumer')
    return [
      { subscriptionKey: [] },
      { sharedAccessKey: [] },
      { managementKey: ['admin'] },
      { issuerToken: ['consumer'] },
      {},
    ];
  return [{ managementKey: [need] }, { issuerToken: [need] }, {}];
}

/** Each operation of a route says what it needs, and that it may be refused for want of it. */
function secured(paths: JsonObject, routes: readonly DescribedRoute[]): JsonObject {
  const needs = new Map(routes.map(({ method, path, role }) => [`${method.toLowerCase()} ${path}`, role]));
  return mapped(paths, (item, path) =>
    mapped(item as JsonObject, (member, verb) => {
      const need = needs.get(`${verb} ${path}`);
      if (need === undefined) return member;
      const operation = member as JsonObject;
      const responses = operation.responses as JsonObject;
      const refused = need === 'anyone' ? {} : { '403': responses['401']! };
      return { ...operation, security: securityFor(need), responses: { ...responses, ...refused } };
    }),
  );
}

function mapped(object: JsonObject, change: (member: Json, name: string) => Json): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, member]) => [name, change(member, name)]));
}

const [topicPath, domainPath, domainTopicPath] = scopePaths;
const domain = { $ref: '#/components/parameters/Domain' };
const domainTopic = { $ref: '#/components/parameters/DomainTopic' };
const below = `${topicPath}/eventsubscriptions`;

/** Subscriptions are described on topics, and are the same on domains and on their topics. */
function inEveryScope(paths: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(paths).flatMap(([path, item]) => {
      if (!path.startsWith(below)) return [[path, item]];
      const rest = path.slice(topicPath.length);
      return [
        [path, item],
        [domainPath + rest, elsewhere(item as JsonObject, [domain], 'OnDomain')],
        [domainTopicPath + rest, elsewhere(item as JsonObject, [domain, domainTopic], 'OnDomainTopic')],
      ];
    }),
  );
}

function elsewhere(item: JsonObject, scope: JsonObject[], suffix: string): JsonObject {
  return Object.fromEntries(
    Object.entries(item).map(([name, member]) => {
      if (name === 'parameters') return [name, [...scope, ...(member as Json[]).slice(1)]];
      const operation = member as JsonObject;
      return [name, { ...operation, operationId: `${operation.operationId as string}${suffix}` }];
    }),
  );
}

/** References within a file, and into others, become references into the components that they are now. */
function rebased(value: Json, own: string, places: ReadonlyMap<string, string>): Json {
  if (Array.isArray(value)) return value.map((item) => rebased(item, own, places));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      name === '$ref' ? moved(member as string, own, places) : rebased(member, own, places),
    ]),
  );
}

function moved(reference: string, own: string, places: ReadonlyMap<string, string>): string {
  const [file, fragment] = reference.split('#') as [string, string];
  return places.get(file === '' ? own : file)! + fragment;
}
