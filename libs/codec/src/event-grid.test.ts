import { describe, expect, test } from '@jest/globals';
import { type Event, limits } from '@gridpost/model';
import { decodeEventGrid, decodeEventGridDomain } from './event-grid.js';
import { least, topic } from './testing/event-grid.js';
import { pointersOf, refusalOf } from './testing/refusal.js';

const decodeText = (text: string): Event[] => decodeEventGrid(Buffer.from(text), { topic });
const decode = (...events: unknown[]): Event[] => decodeText(JSON.stringify(events));
/** Decodes the least event with members added, replaced, or with undefined taken out. */
const decodeMembers = (members: object): Event => decode({ ...least, ...members })[0]!;
const attributesOf = (event: Event) =>
  Object.fromEntries(event.attributes().map(({ name, value }) => [name, value]));

const inside = {
  specversion: '1.0',
  id: '1',
  source: topic,
  type: 'order.created',
  subject: '/orders/7',
  time: '2024-05-01T12:00:00Z',
};

describe('an event in Event Grid’s schema', () => {
  test('becomes attributes and the bytes of its data', () => {
    const [event] = decodeText(`[{"eventType":"order.created","eventTime":"2024-05-01T12:00:00Z","id":"1",
      "topic":"","data": {"n":1.0, "n":1e400}  ,"dataVersion":"2.1","metadataVersion":"1","subject":"/orders/7"}]`);
    expect(attributesOf(event!)).toEqual({ ...inside, dataversion: '2.1' });
    expect(event!.data!.toString()).toBe('{"n":1.0, "n":1e400}');
    expect(event!.dataKind).toBe('json');
  });

  test.each([
    ['the least there is', {}, {}],
    ['its own topic', { topic }, {}],
    ['a null topic', { topic: null }, {}],
    ['an offset that is not zero', { eventTime: '2024-05-01T14:00:00.1234567+02:00' }, { time: true }],
    ['a null data version', { dataVersion: null }, {}],
    ['an empty data version', { dataVersion: '' }, {}],
    ['a null metadata version', { metadataVersion: null }, {}],
    ['members that Event Grid does not know', { EventType: 5, more: [{}], data_base64: 'no' }, {}],
    ['escapes and other scripts', { subject: '"é€😀\\' }, { subject: true }],
  ])('may have %s', (_name, members, differs) => {
    const expected = { ...inside };
    if ('time' in differs) expected.time = (members as { eventTime: string }).eventTime;
    if ('subject' in differs) expected.subject = (members as { subject: string }).subject;
    expect(attributesOf(decodeMembers(members))).toEqual(expected);
  });

  test.each([
    ['null', 'null'],
    ['a string', '"\\u0041"'],
    ['a number', '12345678901234567890.0'],
    ['an array', '[ 1 ,2]'],
    ['false', 'false'],
  ])('may have %s as its data', (_name, data) => {
    const [event] = decodeText(`[${JSON.stringify(least).slice(0, -1)},"data":${data}}]`);
    expect(event!.dataKind).toBe('json');
    expect(event!.data!.toString()).toBe(data);
  });

  test('may have no data', () => {
    expect(decodeMembers({}).dataKind).toBe('none');
  });

  test('keeps its place among others', () => {
    const events = decode(least, { ...least, id: '2', data: 2 }, { ...least, id: '3' });
    expect(events.map((event) => [event.id, event.data?.toString()])).toEqual([
      ['1', undefined],
      ['2', '2'],
      ['3', undefined],
    ]);
  });
});

describe('a refusal', () => {
  const string = 'it must be a string';
  const nonEmpty = 'it must be a non-empty string';
  const time = 'it must be a timestamp with an offset, such as 2018-04-05T17:31:00Z (RFC 3339)';
  const text = 'it must be free of control characters, unpaired surrogates and noncharacters';

  test.each([
    ['id', undefined, 'id is missing; every event must have it'],
    ['id', null, 'id is missing; every event must have it'],
    ['id', '', `id is ""; ${nonEmpty}`],
    ['id', 5, `id is 5; ${nonEmpty}`],
    ['id', 'a\u0000', `id is "a\\u0000"; ${text}`],
    ['subject', undefined, 'subject is missing; every event must have it'],
    ['subject', '', `subject is ""; ${nonEmpty}`],
    ['subject', {}, `subject is {}; ${nonEmpty}`],
    ['eventType', undefined, 'eventType is missing; every event must have it'],
    ['eventType', '', `eventType is ""; ${nonEmpty}`],
    ['eventType', true, `eventType is true; ${nonEmpty}`],
    ['eventTime', undefined, 'eventTime is missing; every event must have it'],
    ['eventTime', '', `eventTime is ""; ${time}`],
    ['eventTime', 1714564800, `eventTime is 1714564800; ${time}`],
    ['eventTime', '2024-05-01T12:00:00', `eventTime is "2024-05-01T12:00:00"; ${time}`],
    ['eventTime', '2024-05-01 12:00:00Z', `eventTime is "2024-05-01 12:00:00Z"; ${time}`],
    ['eventTime', '2023-02-29T12:00:00Z', `eventTime is "2023-02-29T12:00:00Z"; ${time}`],
    ['dataVersion', 1, `dataVersion is 1; ${string}`],
    ['dataVersion', '\ud800', `dataVersion is "\\ud800"; ${text}`],
    ['metadataVersion', '2', 'metadataVersion is "2"; it must be "1", or absent'],
    ['metadataVersion', '', 'metadataVersion is ""; it must be "1", or absent'],
    ['metadataVersion', 1, 'metadataVersion is 1; it must be "1", or absent'],
    ['topic', 5, `topic is 5; ${string}`],
  ])('of a %s that is %j', (name, value, message) => {
    const error = refusalOf(() => decode(least, { ...least, [name]: value }));
    expect(error).toMatchObject({ code: 'InvalidEvent', errors: [{ pointer: `/1/${name}`, message }] });
    expect(error.message).toBe(`event 1: ${message}`);
  });

  test('names everything that is wrong with the event', () => {
    expect(pointersOf(() => decode({ topic: 1, data: {}, metadataVersion: '2', eventTime: 'noon' }))).toEqual(
      [...['/0/id', '/0/eventType', '/0/subject', '/0/eventTime', '/0/metadataVersion', '/0/topic']],
    );
  });

  test.each(['id', 'data', 'topic', 'metadataVersion'])('of %s twice', (name) => {
    const members = `${JSON.stringify({ ...least, topic: '', data: {}, metadataVersion: '1' }).slice(0, -1)}`;
    const error = refusalOf(() =>
      decodeText(`[${members},"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}":"1"}]`),
    );
    expect(error.errors).toEqual([{ pointer: `/0/${name}`, message: `${name} appears twice` }]);
  });

  test.each(['/topics/others', '/Topics/orders', '/topics/orders/', 'orders'])(
    'of the foreign topic %s is one of authorization',
    (foreign) => {
      const error = refusalOf(() => decode(least, { ...least, topic: foreign }));
      expect(error.code).toBe('ForeignTopic');
      expect(error.status).toBe(401);
      expect(error.errors).toEqual([
        {
          pointer: '/1/topic',
          message: `topic is "${foreign}"; it must be absent, empty or "/topics/orders"`,
        },
      ]);
    },
  );

  test.each([
    ['an empty array', '[]', ''],
    ['a single event that is no array', JSON.stringify(least), ''],
    ['an array of no object', `[${JSON.stringify(least)},5]`, '/1'],
    ['an array in the array', `[[${JSON.stringify(least)}]]`, '/0'],
  ])('of %s', (_name, body, pointer) => {
    expect(pointersOf(() => decodeText(body))).toEqual([pointer]);
  });

  const valid = JSON.stringify(least);
  test.each([
    ...['', '[', '{', '[{]', '[{"id"}]', '[{"id":1,}]', '[{"id" 1}]', '[{id:1}]', '[,]', '[{"data":{]}]'],
    ...[`[${valid}`, `[${valid},]`, `[${valid}}`, `[${valid} ${valid}]`, `[${valid}]x`],
  ])('of text that is no JSON: %j', (text) => {
    expect(refusalOf(() => decodeText(text)).code).toBe('InvalidJson');
  });

  test('of text that is no UTF-8', () => {
    const body = Buffer.concat([Buffer.from('[{"id":"'), Buffer.from([0xff]), Buffer.from('"}]')]);
    expect(refusalOf(() => decodeEventGrid(body, { topic })).code).toBe('InvalidUtf8');
  });

  test('of nesting begins at the limit, the event’s own object included', () => {
    const nested = (levels: number) =>
      `[${JSON.stringify(least).slice(0, -1)},"data":${'['.repeat(levels)}${']'.repeat(levels)}}]`;
    expect(decodeText(nested(limits.jsonDepthMax - 1))).toHaveLength(1);
    expect(refusalOf(() => decodeText(nested(limits.jsonDepthMax))).code).toBe('TooDeep');
  });

  test('of size begins at the limit', () => {
    const sized = (bytes: number) => {
      const empty = JSON.stringify({ ...least, data: '' });
      return decodeText(`[ ${empty.slice(0, -2)}${'x'.repeat(bytes - empty.length)}"} ]`);
    };
    expect(sized(limits.eventBytesMax)).toHaveLength(1);
    const error = refusalOf(() => sized(limits.eventBytesMax + 1));
    expect(error).toMatchObject({ code: 'TooLarge', errors: [{ pointer: '/0' }] });
  });

  test('of the number of events begins at the limit', () => {
    const many = (count: number) => decode(...new Array<object>(count).fill(least));
    expect(many(limits.requestEventsMax)).toHaveLength(limits.requestEventsMax);
    expect(refusalOf(() => many(limits.requestEventsMax + 1)).code).toBe('TooManyEvents');
  });
});

describe('in a domain', () => {
  const topicOf = (name: string) => (name.includes('/') ? undefined : `/domains/shop/topics/${name}`);
  const decodeDomain = (...events: unknown[]) =>
    decodeEventGridDomain(Buffer.from(JSON.stringify(events)), { topicOf });

  test('each event goes to the topic it names', () => {
    const events = decodeDomain({ ...least, topic: 'foo' }, { ...least, id: '2', topic: 'bar' });
    expect(events.map(({ topic, event }) => [topic, event.id, event.source])).toEqual([
      ['foo', '1', '/domains/shop/topics/foo'],
      ['bar', '2', '/domains/shop/topics/bar'],
    ]);
  });

  test.each([
    [undefined, 'topic is missing; in a domain it names the topic that the event is for'],
    ['', 'topic is missing; in a domain it names the topic that the event is for'],
    [null, 'topic is missing; in a domain it names the topic that the event is for'],
    ['a/b', 'topic is "a/b"; it must be the name of a topic of the domain'],
    [7, 'topic is 7; it must be a string'],
  ])('an event of the topic %j is refused', (name, message) => {
    const error = refusalOf(() => decodeDomain({ ...least, topic: 'foo' }, { ...least, topic: name }));
    expect(error).toMatchObject({ code: 'InvalidEvent', errors: [{ pointer: '/1/topic', message }] });
  });
});
