/**
 * The OpenAPI document, as one document that needs no other. In `schemas/` it refers to the schemas of request bodies,
 * which stand beside it because requests are validated with them.
 */
import { type Json, type JsonObject, readSchema } from './schemas.js';

/** `schemas/openapi.json` with each component that refers to a file replaced by that file's contents. */
export function openApiDocument(version: string): JsonObject {
  const document = readSchema('openapi.json');
  const components = document.components as JsonObject;
  const schemas = Object.entries(components.schemas as JsonObject).map(([name, schema]) => {
    const reference = (schema as { $ref?: string }).$ref;
    if (reference === undefined || reference.startsWith('#')) return [name, schema];
    const { $schema: _, $id: __, ...contents } = readSchema(reference);
    return [name, rebased(contents, `#/components/schemas/${name}`)];
  });
  return {
    ...document,
    info: { ...(document.info as JsonObject), version },
    components: { ...components, schemas: Object.fromEntries(schemas) as JsonObject },
  };
}

/** References within the file become references into the component it now is. */
function rebased(value: Json, root: string): Json {
  if (Array.isArray(value)) return value.map((item) => rebased(item, root));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      name === '$ref' ? root + (member as string).slice(1) : rebased(member, root),
    ]),
  );
}
