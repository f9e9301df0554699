/**
 * Events in Event Grid's own schema (Event Grid, "Event Grid event schema"). Inside they are CloudEvents in binary form:
 * the members are attributes, `topic` is `source`, `dataVersion` the extension `dataversion`, and the body is the bytes
 * of `data`.
 */
import { type Event, type FramedAttribute, frameEvent, limits } from '@gridpost/model';
import { type DomainEvent, sourceOf, type ToDomain, type ToTopic } from './addressing.js';
import { type AttributeRule, nonEmpty, textProblem, timestamp } from './attributes.js';
import type { Slice } from './data.js';
import { type ElementReader, readSome } from './elements.js';
import * as json from './json.js';
import { membersEnd } from './members.js';
import { expectEventBytes, Problems } from './refusal.js';
import { shownBytes, unescapeJson } from './text.js';

/**
 * Decodes the body of a publish request to a topic of Event Grid's schema, whatever its content type: a JSON array of at
 * least one event. One invalid event refuses all. Throws `InvalidUtf8`, `InvalidJson`, `TooDeep`, `InvalidEvent`,
 * `TooManyEvents`, `TooLarge` or `ForeignTopic`.
 */
export function decodeEventGrid(body: Buffer, to: ToTopic): Event[] {
  return readSome(body, new EventGridReader(body, to)).map(({ event }) => event);
}

/** The same for a domain, where `ForeignTopic` cannot happen. */
export function decodeEventGridDomain(body: Buffer, to: ToDomain): DomainEvent[] {
  return readSome(body, new EventGridReader(body, to));
}

interface Field {
  readonly name: string;
  readonly required?: boolean;
  readonly rule?: AttributeRule;
  /** The attribute that its text becomes, unless it is empty. */
  readonly attribute?: string;
}

const fields: readonly Field[] = [
  { name: 'id', required: true, rule: nonEmpty, attribute: 'id' },
  { name: 'eventType', required: true, rule: nonEmpty, attribute: 'type' },
  { name: 'subject', required: true, rule: nonEmpty, attribute: 'subject' },
  { name: 'eventTime', required: true, rule: timestamp, attribute: 'time' },
  { name: 'dataVersion', attribute: 'dataversion' },
  {
    name: 'metadataVersion',
    rule: {
      expected: '"1", or absent',
      accepts: (bytes, from, to) => to - from === 1 && bytes[from] === 0x31,
    },
  },
];
const topicField: Field = { name: 'topic' };
const known = new Set(['data', 'topic', ...fields.map(({ name }) => name)]);

/** Levels of nesting left for a member's value, the event's own object being the first. */
const valueLevels = limits.jsonDepthMax - 1;
const letterN = 0x6e;

class EventGridReader implements ElementReader<DomainEvent> {
  readonly #bytes: Buffer;
  readonly #to: ToTopic | ToDomain;
  readonly #problems = new Problems('body');
  /** The values of the known members of the event being read. */
  readonly #found = new Map<string, Slice>();
  at = 0;

  constructor(bytes: Buffer, to: ToTopic | ToDomain) {
    this.#bytes = bytes;
    this.#to = to;
  }

  read(index: number): DomainEvent {
    this.#problems.index = index;
    this.#found.clear();
    const start = this.at;
    this.at = membersEnd(this.#bytes, start, this.#member);
    expectEventBytes(this.at - start, index);
    const attributes: FramedAttribute[] = [{ name: 'specversion', value: '1.0' }];
    for (const field of fields) {
      const value = this.#text(field);
      if (field.attribute !== undefined && value) attributes.push({ name: field.attribute, value });
    }
    const topic = this.#text(topicField);
    attributes.push({ name: 'source', value: sourceOf(this.#to, topic, [topicField.name], this.#problems) });
    this.#problems.throwIfAny();
    const data = this.#found.get('data');
    const body = this.#bytes.subarray(data?.from ?? 0, data?.to ?? 0);
    const dataKind = data ? 'json' : 'none';
    const event = frameEvent({
      form: 'binary',
      attributes,
      dataKind,
      dataAt: 0,
      dataLength: body.length,
      body,
    });
    return { event, topic: topic! };
  }

  readonly #member = (name: string, from: number): number => {
    const to = json.valueEnd(this.#bytes, from, valueLevels);
    if (!known.has(name)) return to;
    if (this.#found.has(name)) this.#problems.add(name, `${name} appears twice`);
    else this.#found.set(name, { from, to });
    return to;
  };

  /** The text of a field, empty where there is none; undefined where it is wrong, which is noted. Null means absent. */
  #text({ name, required, rule }: Field): string | undefined {
    const bytes = this.#bytes;
    const slice = this.#found.get(name);
    if (slice === undefined || bytes[slice.from] === letterN) {
      if (required) this.#problems.add(name, `${name} is missing; every event must have it`);
      return '';
    }
    const { from, to } = slice;
    if (bytes[from] !== json.quote) {
      const expected = rule?.expected ?? 'a string';
      this.#problems.add(name, `${name} is ${shownBytes(bytes, from, to)}; it must be ${expected}`);
      return undefined;
    }
    const text = unescapeJson(bytes.toString('utf8', from + 1, to - 1));
    const problem = textProblem(text, rule);
    if (problem === undefined) return text;
    this.#problems.add(name, `${name} is ${problem}`);
    return undefined;
  }
}
