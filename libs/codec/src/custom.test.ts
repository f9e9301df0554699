import { describe, expect, test } from '@jest/globals';
import { type Event, type InputSchemaMapping, limits } from '@gridpost/model';
import { decodeCustom, decodeCustomDomain } from './custom.js';
import { pointersOf, refusalOf } from './testing/refusal.js';

const topic = '/topics/orders';
const now = Date.parse('2024-05-01T12:00:00.500Z');

type Properties = InputSchemaMapping['properties'];
const mappingOf = (properties: Properties): InputSchemaMapping => ({
  inputSchemaMappingType: 'Json',
  properties,
});

function setup(properties: Properties | undefined) {
  let ids = 0;
  const options = { now, newId: () => `new-${++ids}`, topic };
  const mapping = properties && mappingOf(properties);
  const decodeText = (text: string): Event[] => decodeCustom(Buffer.from(text), mapping, options);
  const decode = (...objects: unknown[]): Event[] => decodeText(JSON.stringify(objects));
  return { decode, decodeText };
}

const attributesOf = (event: Event | undefined) =>
  Object.fromEntries(event!.attributes().map(({ name, value }) => [name, value]));

/** Every field mapped, at some depth. */
const full: Properties = {
  id: { sourceField: 'meta.ids.order' },
  eventTime: { sourceField: 'meta.at' },
  eventType: { sourceField: 'kind', defaultValue: 'order.any' },
  subject: { sourceField: 'meta.ids.customer', defaultValue: 'nobody' },
  dataVersion: { sourceField: 'v', defaultValue: '1.0' },
};
const object = {
  kind: 'order.created',
  v: '2',
  meta: { at: '2024-05-01T14:00:00+02:00', ids: { order: 'o-1', customer: 'c-7' } },
  lines: [{ kind: 'no', sku: 'x' }],
};

describe('an object of a topic’s own schema', () => {
  test('becomes the data, byte for byte', () => {
    const text = '{ "a" : 1.0,"a":1e400, "kind":"k"\n}';
    const [first, second] = setup({ eventType: { sourceField: 'kind' } }).decodeText(`[ ${text} ,${text}]`);
    expect(first!.data!.toString()).toBe(text);
    expect(second!.data!.toString()).toBe(text);
    expect(first!.dataKind).toBe('json');
  });

  test('without a mapping is given what an event must have', () => {
    const events = setup(undefined).decode(object, {});
    expect(events.map(attributesOf)).toEqual([
      {
        specversion: '1.0',
        id: 'new-1',
        source: topic,
        type: 'CustomEvent',
        time: '2024-05-01T12:00:00.500Z',
      },
      {
        specversion: '1.0',
        id: 'new-2',
        source: topic,
        type: 'CustomEvent',
        time: '2024-05-01T12:00:00.500Z',
      },
    ]);
  });

  test('has its attributes where the mapping says', () => {
    expect(attributesOf(setup(full).decode(object)[0])).toEqual({
      specversion: '1.0',
      id: 'o-1',
      source: topic,
      type: 'order.created',
      subject: 'c-7',
      time: '2024-05-01T14:00:00+02:00',
      dataversion: '2',
    });
  });

  test('has the defaults where it has nothing: absent, null or empty', () => {
    const meta = { at: '2024-05-01T12:00:00Z', ids: { order: '1', customer: null } };
    expect(attributesOf(setup(full).decode({ meta, v: '' })[0])).toMatchObject({
      type: 'order.any',
      subject: 'nobody',
      dataversion: '1.0',
    });
  });

  test('has the defaults of fields that are not taken from it', () => {
    // As in Event Grid's own example: the type is mapped, the other two are constant.
    const { decode } = setup({
      eventType: { sourceField: 'myEventTypeField' },
      subject: { defaultValue: 'DefaultSubject' },
      dataVersion: { sourceField: null, defaultValue: '1.0' },
      id: null,
      eventTime: { sourceField: null },
    });
    const [event] = decode({ myEventTypeField: 'Created', resource: 'Users/example/Messages/1000' });
    expect(attributesOf(event)).toEqual({
      specversion: '1.0',
      id: 'new-1',
      source: topic,
      type: 'Created',
      subject: 'DefaultSubject',
      time: '2024-05-01T12:00:00.500Z',
      dataversion: '1.0',
    });
  });

  test.each([
    [7, '7'],
    [-0.5, '-0.5'],
    ['7', '7'],
  ])('may have the number or string %j as a field', (value, text) => {
    expect(setup({ id: { sourceField: 'n' } }).decode({ n: value })[0]!.id).toBe(text);
  });

  test('has numbers as it spells them', () => {
    const [event] = setup({ dataVersion: { sourceField: 'n' } }).decodeText('[{"n":1.10}]');
    expect(event!.attribute('dataversion')).toBe('1.10');
  });

  test('may have one member for several fields', () => {
    const { decode } = setup({ id: { sourceField: 'a.b' }, subject: { sourceField: 'a.b' } });
    expect(attributesOf(decode({ a: { b: 'x' } })[0])).toMatchObject({ id: 'x', subject: 'x' });
  });

  test('may have names that objects inherit', () => {
    const { decodeText } = setup({ id: { sourceField: '__proto__.constructor' } });
    expect(decodeText('[{"__proto__":{"constructor":"x"}}]')[0]!.id).toBe('x');
    expect(pointersOf(() => decodeText('[{}]'))).toEqual(['/0/__proto__/constructor']);
  });

  test('may repeat names that are not mapped', () => {
    const { decodeText } = setup({ id: { sourceField: 'a.b' } });
    expect(decodeText('[{"x":1,"x":2,"b":1,"a":{"b":"1","c":1,"c":2}}]')).toHaveLength(1);
  });
});

describe('a refusal', () => {
  const only = (name: keyof Properties) => setup({ [name]: { sourceField: 'a.b' } });
  const time = 'it must be a timestamp with an offset, such as 2018-04-05T17:31:00Z (RFC 3339)';

  test.each([
    ['id', {}],
    ['id', { a: 'x' }],
    ['id', { a: [{ b: 1 }] }],
    ['id', { a: {} }],
    ['id', { a: { b: null } }],
    ['id', { a: { b: '' } }],
    ['id', { 'a.b': 'x' }],
    ['id', { A: { B: 'x' } }],
    ['eventTime', { a: {} }],
    ['eventType', { a: {} }],
    ['subject', { a: {} }],
    ['dataVersion', { a: {} }],
  ] as const)('of %s that is mapped and not in %j', (name, given) => {
    const message = `a.b is missing; the topic maps it to ${name}, without a default`;
    const error = refusalOf(() => only(name).decode({ a: { b: '2024-05-01T12:00:00Z' } }, given));
    expect(error).toMatchObject({ code: 'InvalidEvent', errors: [{ pointer: '/1/a/b', message }] });
    expect(error.message).toBe(`event 1: ${message}`);
  });

  test.each([
    ['id', true, 'true; the topic maps it to id, so that it must be a string or a number'],
    ['id', [1], '[1]; the topic maps it to id, so that it must be a string or a number'],
    ['subject', {}, '{}; the topic maps it to subject, so that it must be a string or a number'],
    ['topic', false, 'false; the topic maps it to topic, so that it must be a string or a number'],
    ['eventTime', 'noon', `"noon"; ${time}`],
    ['eventTime', '2024-05-01T12:00:00', `"2024-05-01T12:00:00"; ${time}`],
    ['eventTime', 1714564800, `"1714564800"; ${time}`],
    [
      'eventType',
      'a\n',
      '"a\\u000a"; it must be free of control characters, unpaired surrogates and noncharacters',
    ],
  ] as const)('of %s that is %j', (name, value, seen) => {
    const error = refusalOf(() => only(name).decode({ a: { b: value } }));
    expect(error.errors).toEqual([{ pointer: '/0/a/b', message: `a.b is ${seen}` }]);
  });

  test('names every field that is wrong', () => {
    const pointers = pointersOf(() => setup(full).decode({ kind: {}, meta: { at: 'noon' } }));
    expect(pointers).toEqual(['/0/meta/ids/order', '/0/kind', '/0/meta/at']);
  });

  test('escapes the names in its pointer', () => {
    const { decode } = setup({ id: { sourceField: 'a/b.c~d' } });
    expect(pointersOf(() => decode({}))).toEqual(['/0/a~1b/c~0d']);
  });

  test.each([
    ['the field', '{"a":{"b":"1","b":"1"}}', '/0/a/b'],
    ['a member that leads to it', '{"a":{"b":"1"},"a":{}}', '/0/a'],
    ['an escaped name', '{"a":{"b":"1","\\u0062":"1"}}', '/0/a/b'],
  ])('of %s twice', (_name, text, pointer) => {
    expect(pointersOf(() => only('id').decodeText(`[${text}]`))).toEqual([pointer]);
  });

  test('of a foreign topic is one of authorization', () => {
    const { decode } = only('topic');
    for (const own of [{}, { a: { b: null } }, { a: { b: '' } }, { a: { b: topic } }]) {
      expect(decode(own)[0]!.source).toBe(topic);
    }
    const error = refusalOf(() => decode({ a: { b: '/topics/others' } }));
    expect(error).toMatchObject({ code: 'ForeignTopic', status: 401, errors: [{ pointer: '/0/a/b' }] });
  });

  test.each([
    ['an empty array', '[]', ''],
    ['a single object that is no array', '{"a":1}', ''],
    ['data that is no object', '[{},"x"]', '/1'],
  ])('of %s', (_name, body, pointer) => {
    expect(pointersOf(() => setup(undefined).decodeText(body))).toEqual([pointer]);
  });

  test.each([undefined, full])('of text that is no JSON, with the mapping %j', (properties) => {
    for (const text of [
      '',
      '[{',
      '[{"kind":}]',
      '[{"meta":{"ids":{"order":"1"}]',
      '[{"meta":{"at" 1}}]',
      '[{,}]',
    ]) {
      expect(refusalOf(() => setup(properties).decodeText(text)).code).toBe('InvalidJson');
    }
  });

  test('of text that is no UTF-8', () => {
    const body = Buffer.from('[{"a":"\xff"}]', 'latin1');
    expect(refusalOf(() => decodeCustom(body, null, { topic, now, newId: String })).code).toBe('InvalidUtf8');
  });

  test.each([
    ['on the way to what is mapped', 'x.x.y'],
    ['beside it', 'y'],
    ['on a way that leads further', `${'x.'.repeat(limits.jsonDepthMax)}y`],
  ])('of nesting %s begins where a delivery could not carry it', (_name, sourceField) => {
    const { decodeText } = setup({ subject: { sourceField, defaultValue: 's' } });
    // The object is one of the levels, and the event that it is delivered in another.
    const nested = (levels: number) => `[${'{"x":'.repeat(levels)}"v"${'}'.repeat(levels)}]`;
    expect(decodeText(nested(limits.jsonDepthMax - 1))[0]!.subject).toBe('s');
    expect(refusalOf(() => decodeText(nested(limits.jsonDepthMax))).code).toBe('TooDeep');
  });

  test('of size begins at the limit', () => {
    const sized = (bytes: number) => setup(undefined).decodeText(`[{"a":"${'x'.repeat(bytes - 8)}"} ]`);
    expect(sized(limits.eventBytesMax)).toHaveLength(1);
    expect(refusalOf(() => sized(limits.eventBytesMax + 1)).code).toBe('TooLarge');
  });

  test('of the number of events begins at the limit', () => {
    const many = (count: number) => setup(undefined).decode(...new Array<object>(count).fill({}));
    expect(many(limits.requestEventsMax)).toHaveLength(limits.requestEventsMax);
    expect(refusalOf(() => many(limits.requestEventsMax + 1)).code).toBe('TooManyEvents');
  });
});

describe('in a domain', () => {
  const topicOf = (name: string) => (name === 'none' ? undefined : `/domains/shop/topics/${name}`);
  const decodeDomain = (properties: Properties, ...objects: unknown[]) =>
    decodeCustomDomain(Buffer.from(JSON.stringify(objects)), mappingOf(properties), {
      now,
      newId: () => 'new',
      topicOf,
    });
  const tenant = { topic: { sourceField: 'meta.tenant' } };

  test('each object goes to the topic that the mapping finds in it', () => {
    const events = decodeDomain(tenant, { meta: { tenant: 'foo' } }, { meta: { tenant: 5 } });
    expect(events.map(({ topic, event }) => [topic, event.source])).toEqual([
      ['foo', '/domains/shop/topics/foo'],
      ['5', '/domains/shop/topics/5'],
    ]);
  });

  test.each([
    [{}, 'meta.tenant is missing; in a domain it names the topic that the event is for'],
    [{ meta: { tenant: 'none' } }, 'meta.tenant is "none"; it must be the name of a topic of the domain'],
    [
      { meta: { tenant: {} } },
      'meta.tenant is {}; the topic maps it to topic, so that it must be a string or a number',
    ],
  ])('%j is refused', (given, message) => {
    const error = refusalOf(() => decodeDomain(tenant, given));
    expect(error).toMatchObject({ code: 'InvalidEvent', errors: [{ pointer: '/0/meta/tenant', message }] });
  });

  test('whose mapping leaves out the topic, nothing can be addressed', () => {
    expect(pointersOf(() => decodeDomain({}, { topic: 'foo' }))).toEqual(['/0/topic']);
  });
});
