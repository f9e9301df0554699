/**
 * Events in a topic's own schema (Event Grid, "Map custom fields to Event Grid schema"). The publisher's object becomes
 * the data, byte for byte; the attributes are what the topic's mapping takes from it, or gives instead.
 */
import {
  type Event,
  type FramedAttribute,
  frameEvent,
  type InputSchemaMapping,
  limits,
} from '@gridpost/model';
import { type DomainEvent, sourceOf, type ToDomain, type ToTopic } from './addressing.js';
import { type AttributeRule, textProblem, timestamp } from './attributes.js';
import type { Slice } from './data.js';
import { type ElementReader, readSome } from './elements.js';
import * as json from './json.js';
import { type CompiledMapping, compileMapping, type MappedName, type SourceMember } from './mapping.js';
import { membersEnd } from './members.js';
import { expectEventBytes, Problems } from './refusal.js';
import { shownBytes, unescapeJson } from './text.js';

/** Type of the events whose topic maps nothing to `eventType`. Event Grid documents none; CloudEvents wants one. */
export const unmappedEventType = 'CustomEvent';

export interface CustomOptions {
  /** Milliseconds since the epoch: the time of the events whose topic maps nothing to `eventTime`. */
  readonly now: number;
  /** Makes the ids of the events whose topic maps nothing to `id`. They must be non-empty, and should be unique. */
  readonly newId: () => string;
}

/**
 * Decodes the body of a publish request to a topic of `CustomEventSchema`, whatever its content type: a JSON array of at
 * least one object. One invalid event refuses all. Throws `InvalidUtf8`, `InvalidJson`, `TooDeep`, `InvalidEvent`,
 * `TooManyEvents`, `TooLarge` or `ForeignTopic`.
 */
export function decodeCustom(
  body: Buffer,
  mapping: InputSchemaMapping | null | undefined,
  options: CustomOptions & ToTopic,
): Event[] {
  return readSome(body, new CustomReader(body, compileMapping(mapping), options)).map(({ event }) => event);
}

/** The same for a domain, where `ForeignTopic` cannot happen. */
export function decodeCustomDomain(
  body: Buffer,
  mapping: InputSchemaMapping | null | undefined,
  options: CustomOptions & ToDomain,
): DomainEvent[] {
  return readSome(body, new CustomReader(body, compileMapping(mapping), options));
}

/** Levels of nesting of the publisher's object; whatever the schema of a delivery, it stands inside another. */
const objectLevels = limits.jsonDepthMax - 1;
const letterN = 0x6e;
const minus = 0x2d;

class CustomReader implements ElementReader<DomainEvent> {
  readonly #bytes: Buffer;
  readonly #mapping: CompiledMapping;
  readonly #options: CustomOptions & (ToTopic | ToDomain);
  readonly #problems = new Problems('body');
  /** What the object being read has in each slot of the mapping. */
  readonly #found: (Slice | undefined)[];
  at = 0;

  constructor(bytes: Buffer, mapping: CompiledMapping, options: CustomOptions & (ToTopic | ToDomain)) {
    this.#bytes = bytes;
    this.#mapping = mapping;
    this.#options = options;
    this.#found = new Array<Slice | undefined>(mapping.slots);
  }

  read(index: number): DomainEvent {
    this.#problems.index = index;
    this.#found.fill(undefined);
    const start = this.at;
    this.at = this.#objectEnd(start, this.#mapping.members, objectLevels);
    expectEventBytes(this.at - start, index);
    const { now, newId } = this.#options;
    const attributes: FramedAttribute[] = [{ name: 'specversion', value: '1.0' }];
    const add = (name: string, value: string | undefined) => {
      if (value) attributes.push({ name, value });
    };
    add('id', this.#text('id', newId));
    add(
      'type',
      this.#text('eventType', () => unmappedEventType),
    );
    add('subject', this.#text('subject'));
    add(
      'time',
      this.#text('eventTime', () => new Date(now).toISOString(), timestamp),
    );
    add('dataversion', this.#text('dataVersion'));
    const { member } = this.#mapping.sources.topic;
    const topic = member ? this.#read('topic', member) : '';
    add('source', sourceOf(this.#options, topic, member?.path ?? ['topic'], this.#problems));
    this.#problems.throwIfAny();
    const body = this.#bytes.subarray(start, this.at);
    const event = frameEvent({
      form: 'binary',
      attributes,
      dataKind: 'json',
      dataAt: 0,
      dataLength: body.length,
      body,
    });
    return { event, topic: topic! };
  }

  /** Scans an object of at most `levels` levels, and looks into the members that the mapping leads to. */
  #objectEnd(at: number, members: ReadonlyMap<string, SourceMember>, levels: number): number {
    const bytes = this.#bytes;
    return membersEnd(bytes, at, (name, from) => {
      const member = members.get(name);
      // Too deep is said by the scan that does not look inside.
      const inside = member?.members.size && levels > 1 && json.byteAt(bytes, from) === json.openBrace;
      const to = inside
        ? this.#objectEnd(from, member.members, levels - 1)
        : json.valueEnd(bytes, from, levels - 1);
      if (member) this.#note(member, { from, to });
      return to;
    });
  }

  /** Elsewhere in the data names may repeat; here it would be open which one is meant. */
  #note({ path, slot }: SourceMember, slice: Slice): void {
    if (this.#found[slot]) this.#problems.add(path, `${path.join('.')} appears twice`);
    else this.#found[slot] = slice;
  }

  /** A field's text, which is never empty. Undefined where it has none, and where it is wrong, which is noted. */
  #text(name: MappedName, generate?: () => string, rule?: AttributeRule): string | undefined {
    const { member, defaultValue } = this.#mapping.sources[name];
    if (member === undefined) return defaultValue ?? generate?.();
    const text = this.#read(name, member, rule);
    if (text !== '') return text;
    if (defaultValue === undefined) {
      const { path } = member;
      this.#problems.add(
        path,
        `${path.join('.')} is missing; the topic maps it to ${name}, without a default`,
      );
    }
    return defaultValue;
  }

  /** The text of a source field, empty where there is nothing; undefined where it is wrong, which is noted. */
  #read(name: MappedName, { path, slot }: SourceMember, rule?: AttributeRule): string | undefined {
    const bytes = this.#bytes;
    const slice = this.#found[slot];
    if (slice === undefined) return '';
    const { from, to } = slice;
    const first = bytes[from]!;
    if (first === letterN) return '';
    let text: string;
    if (first === json.quote) text = unescapeJson(bytes.toString('utf8', from + 1, to - 1));
    else if (first === minus || (first >= 0x30 && first <= 0x39)) text = bytes.toString('latin1', from, to);
    else {
      const seen = shownBytes(bytes, from, to);
      this.#problems.add(
        path,
        `${path.join('.')} is ${seen}; the topic maps it to ${name}, so that it must be a string or a number`,
      );
      return undefined;
    }
    const problem = text === '' ? undefined : textProblem(text, rule);
    if (problem === undefined) return text;
    this.#problems.add(path, `${path.join('.')} is ${problem}`);
    return undefined;
  }
}
