/**
 * Holds request bodies to the schemas in `schemas/`, and says what is wrong in words: the place, what was seen there,
 * what was expected. Rules that a schema cannot say, such as "in the future", stand with the resource they are about.
 */
import { type FieldError, GridpostError, isObject, pointerTo } from '@gridpost/model';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { readSchema } from './schemas.js';

/** Wrong places reported at once; more would not help anybody. */
const errorsMax = 10;
const shownMax = 64;
/** Members whose values are not repeated in answers: URLs of webhooks often hold a secret, and so do their headers; keys are one. */
const unshown =
  /\/endpointUrl$|\/(deliveryAttributeMappings\/\d+\/properties\/value|destination\/properties\/key|secret)$|\/(signing|credentials)\b/;

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, verbose: true });
ajvFormats.default(ajv, ['date-time']);

/**
 * Returns a check of bodies against a schema file, or a part of it (`topic.json#/$defs/TopicProperties`). The check
 * throws `InvalidResource` with every wrong place, at most ten, or gives the body back as a `T`.
 */
export function schemaCheck<T>(reference: string): (body: unknown) => T {
  load(reference.split('#')[0]!);
  const validate = ajv.getSchema(reference) as ValidateFunction<T>;
  return (body) => {
    if (validate(body)) return body;
    throw invalidResource(distinct(validate.errors ?? []).map(fieldError));
  };
}

const loaded = new Set<string>();

/** A file, and those it refers to. */
function load(file: string): void {
  if (loaded.has(file)) return;
  loaded.add(file);
  const schema = readSchema(file);
  ajv.addSchema(schema);
  for (const [, other] of JSON.stringify(schema).matchAll(/"\$ref":"([\w-]+\.json)#/g)) load(other!);
}

/** As it is written: every member may be left out, or null, as Azure exports it. */
export type Optional<T> = { readonly [K in keyof T]?: T[K] | null };

/**
 * Returns a check of bodies that are a resource, whose `properties` may also be written in its place. It gives the whole
 * resource, and the pointer to where its properties stand in the body. Throws as `schemaCheck` does.
 */
export function resourceCheck<T extends { readonly properties: object }>(
  file: string,
  properties: string,
): (body: unknown) => { readonly written: T | Pick<T, 'properties'>; readonly at: string } {
  const checkWhole = schemaCheck<T>(file);
  const checkProperties = schemaCheck<T['properties']>(`${file}#/$defs/${properties}`);
  return (body = {}) =>
    isObject(body) && Object.hasOwn(body, 'properties')
      ? { written: checkWhole(body), at: '/properties' }
      : { written: { properties: checkProperties(body) }, at: '' };
}

/** The refusal of a resource for these reasons. */
export function invalidResource(errors: readonly FieldError[]): GridpostError {
  const [first, ...others] = errors;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  const at = first!.pointer === '' ? 'the body' : first!.pointer;
  return new GridpostError('InvalidResource', `${at}: ${first!.message}${more}`, {
    errors: errors.slice(0, errorsMax),
  });
}

/** A few words about a value from outside: cut, and on one line. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > shownMax ? `${text.slice(0, shownMax)}… (${text.length - 2} characters)` : text;
}

/** One error per place: where the type is wrong, what else is wrong with the value follows from it. */
function distinct(errors: readonly ErrorObject[]): ErrorObject[] {
  const places = new Map<string, ErrorObject>();
  for (const error of errors) {
    const place = pointerOf(error);
    if (!places.has(place) || error.keyword === 'type') places.set(place, error);
  }
  return [...places.values()];
}

function pointerOf({ keyword, instancePath, params }: ErrorObject): string {
  if (keyword === 'additionalProperties') return pointerTo(instancePath, params.additionalProperty as string);
  if (keyword === 'required') return pointerTo(instancePath, params.missingProperty as string);
  return instancePath;
}

function fieldError(error: ErrorObject): FieldError {
  const pointer = pointerOf(error);
  if (error.keyword === 'required') return { pointer, message: 'is missing' };
  if (error.keyword === 'additionalProperties') {
    const known = Object.keys((error.parentSchema as { properties: object }).properties);
    return { pointer, message: `is not a property Gridpost knows here; it knows ${known.join(', ')}` };
  }
  const seen = unshown.test(pointer) ? `${String(error.data).length} characters` : shown(error.data);
  return { pointer, message: `saw ${seen}, expected ${expectation(error)}` };
}

function expectation({ keyword, params, schema, parentSchema, message }: ErrorObject): string {
  const { minimum, maximum } = (parentSchema ?? {}) as { minimum?: number; maximum?: number };
  switch (keyword) {
    case 'type':
      return [schema as string | string[]].flat().map(article).join(' or ');
    case 'enum':
      return (schema as unknown[]).map(shown).join(' or ');
    case 'const':
      return shown(schema);
    case 'minimum':
    case 'maximum':
      return minimum !== undefined && maximum !== undefined
        ? `a number from ${minimum} to ${maximum}`
        : `${message}`;
    case 'minLength':
      return `at least ${params.limit} character`;
    case 'maxLength':
      return `at most ${params.limit} characters`;
    case 'minItems':
      return `at least ${params.limit} item`;
    case 'minProperties':
      return `at least ${params.limit} member`;
    case 'maxProperties':
      return `at most ${params.limit} member`;
    case 'maxItems':
      return `at most ${params.limit} items`;
    case 'format':
      return 'an ISO 8601 instant with its offset, such as 2030-01-31T12:00:00Z';
    default:
      return message ?? keyword;
  }
}

function article(type: string): string {
  if (type === 'null') return type;
  return /^[aio]/.test(type) ? `an ${type}` : `a ${type}`;
}
