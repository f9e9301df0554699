/**
 * Reads events in the JSON format from a body (CloudEvents JSON format §2, §3): one pass finds the members, checks
 * each attribute where it stands, and frames the object's own bytes. What makes one event or several of a body is
 * `structured.ts`'s business, the data's meaning `data.ts`'s. It is one long file because the pass keeps its position
 * and its findings in one object.
 */
import { type Event, type FramedAttribute, frameEvent, limits } from '@gridpost/model';
import {
  type AttributeName,
  base64Name,
  beginNames,
  contentTypeName,
  dataName,
  findName,
  hashStep,
  isTolerated,
  nameOf,
  nameRule,
  requiredBits,
  requiredNames,
} from './attributes.js';
import { type DataMembers, dataKindOf } from './data.js';
import * as json from './json.js';
import { type MediaType, mediaTypeAt } from './media-type.js';
import { expectEventBytes, Problems, refuseEvent } from './refusal.js';
import type { RequestRules } from './rules.js';
import { isAttributeText, shown, shownBytes, textRule, unescapeJson } from './text.js';

/** 1 for what stands for itself in a JSON string and in an attribute: printable ASCII. The rest is looked at closely. */
const plain = new Uint8Array(256).fill(1, 0x20, 0x7f);
plain[0x22] = 0;
plain[0x5c] = 0;

const letterF = 0x66;
const letterN = 0x6e;
const letterT = 0x74;

/** Levels of nesting left for a member's value, the event's own object being the first. */
const valueLevels = limits.jsonDepthMax - 1;

export class EventReader {
  readonly #bytes: Buffer;
  readonly #rules: RequestRules;
  readonly #problems = new Problems('body');
  /** Offset of the next byte: `read` begins there, and leaves it behind the event. */
  at: number;
  #start = 0;
  #attributes: FramedAttribute[] = [];
  readonly #names: AttributeName[] = [];
  /** The `required` bits of the attributes found. */
  #present = 0;
  #mediaType: MediaType | undefined;
  readonly #members: DataMembers = { data: { from: 0, to: 0 }, base64: { from: 0, to: 0 } };

  constructor(bytes: Buffer, at: number, rules: RequestRules) {
    this.#bytes = bytes;
    this.#rules = rules;
    this.at = at;
  }

  /**
   * Reads the event whose object begins at `at`; `index` is its place in a batch. The body must be UTF-8. Throws
   * `InvalidJson`, `TooDeep`, `TooLarge` or `InvalidEvent`, after which the reader is of no more use.
   */
  read(index?: number): Event {
    this.#begin(index);
    this.#object();
    const bytes = this.#bytes;
    const start = this.#start;
    const length = this.at - start;
    expectEventBytes(length, index);
    if ((this.#present & requiredBits) !== requiredBits) this.#reportMissing();
    const dataKind = dataKindOf(bytes, this.#members, this.#mediaType, this.#problems);
    this.#problems.throwIfAny();
    // Of base64, the data is what stands between the quotes.
    const inset = dataKind === 'base64' ? 1 : 0;
    const data = dataKind === 'base64' ? this.#members.base64 : this.#members.data;
    return frameEvent({
      form: 'structured',
      attributes: this.#attributes,
      dataKind,
      dataAt: data.from + inset - start,
      dataLength: data.to - data.from - 2 * inset,
      body: length === bytes.length ? bytes : bytes.subarray(start, this.at),
    });
  }

  #begin(index: number | undefined): void {
    beginNames();
    this.#problems.index = index;
    this.#start = this.at;
    this.#attributes = [];
    this.#names.length = 0;
    this.#present = 0;
    this.#mediaType = undefined;
    this.#members.data.from = 0;
    this.#members.base64.from = 0;
  }

  #object(): void {
    const bytes = this.#bytes;
    this.at = json.skipSpace(bytes, this.at + 1);
    if (json.byteAt(bytes, this.at) === json.closeBrace) {
      this.at++;
      return;
    }
    for (;;) {
      this.#member();
      this.at = json.skipSpace(bytes, this.at);
      const next = json.byteAt(bytes, this.at);
      if (next !== json.comma) {
        if (next !== json.closeBrace) throw json.syntaxError(bytes, this.at, "',' or '}'");
        this.at++;
        return;
      }
      this.at = json.skipSpace(bytes, this.at + 1);
    }
  }

  #member(): void {
    const bytes = this.#bytes;
    const nameAt = this.at;
    const name = this.#name();
    this.at = json.colonEnd(bytes, this.at);
    const from = this.at;
    if (name === undefined) {
      this.at = json.valueEnd(bytes, from, valueLevels);
      this.#reportName(nameAt);
      return;
    }
    this.#note(name);
    if (name === dataName || name === base64Name) {
      this.at = json.valueEnd(bytes, from, valueLevels);
      const slice = name === dataName ? this.#members.data : this.#members.base64;
      slice.from = from;
      slice.to = this.at;
    } else if (json.byteAt(bytes, from) === json.quote) this.#text(name, from + 1);
    else {
      this.at = json.valueEnd(bytes, from, valueLevels);
      this.#scalar(name, from, this.at);
    }
  }

  /** Scans a member's name; undefined if it may not be one. */
  #name(): AttributeName | undefined {
    const bytes = this.#bytes;
    if (json.byteAt(bytes, this.at) !== json.quote) {
      throw json.syntaxError(bytes, this.at, 'a member name in double quotes');
    }
    const from = this.at + 1;
    let hash = 0;
    let to = from;
    for (; to < bytes.length && plain[bytes[to]!] === 1; to++) hash = hashStep(hash, bytes[to]!);
    if (json.byteAt(bytes, to) === json.quote) {
      this.at = to + 1;
      return findName(bytes, from, to, hash);
    }
    this.at = json.stringEnd(bytes, from - 1);
    return nameOf(unescapeJson(bytes.toString('utf8', from, this.at - 1)));
  }

  /** Refuses a name that was there before. The number of names is bounded, and so is the time to compare them. */
  #note(name: AttributeName): void {
    if (this.#names.includes(name)) this.#problems.add(name.text, `${name.text} appears twice`);
    else if (this.#names.push(name) > limits.attributesMax) {
      const attributes = this.#names.filter((other) => other !== dataName && other !== base64Name);
      if (attributes.length <= limits.attributesMax) return;
      throw refuseEvent(
        'InvalidEvent',
        this.#problems.index,
        `it has more than ${limits.attributesMax} attributes, those that are null included`,
      );
    }
  }

  /** An attribute whose value is a string; `from` is behind its opening quote. */
  #text(name: AttributeName, from: number): void {
    const bytes = this.#bytes;
    this.#present |= name.required;
    let to = from;
    while (to < bytes.length && plain[bytes[to]!] === 1) to++;
    if (json.byteAt(bytes, to) === json.quote) {
      this.at = to + 1;
      this.#check(name, bytes, from, to);
      // Any string will do as the value, since it stands in the body; decoding each would be half the work.
      this.#attributes.push({ name: name.text, value: '', at: from - this.#start, length: to - from });
      return;
    }
    this.at = json.stringEnd(bytes, from - 1);
    to = this.at - 1;
    const raw = bytes.toString('utf8', from, to);
    const value = unescapeJson(raw);
    if (!isAttributeText(value)) {
      this.#problems.add(name.text, `${name.text} is ${shown(value)}; it must be ${textRule}`);
    } else if (value === raw) {
      this.#check(name, bytes, from, to);
      this.#attributes.push({ name: name.text, value, at: from - this.#start, length: to - from });
    } else {
      const utf8 = Buffer.from(value);
      this.#check(name, utf8, 0, utf8.length);
      this.#attributes.push({ name: name.text, value });
    }
  }

  #check(name: AttributeName, utf8: Buffer, from: number, to: number): void {
    if (name === contentTypeName) this.#mediaType = mediaTypeAt(utf8, from, to);
    if (name.rule === undefined || name.rule.accepts(utf8, from, to)) return;
    if (isTolerated(name, this.#rules, utf8, from, to)) return;
    const seen = shown(utf8.toString('utf8', from, to));
    this.#problems.add(name.text, `${name.text} is ${seen}; it must be ${name.rule.expected}`);
  }

  /** An attribute whose value is no string: null means that it is absent (JSON format §2.2). */
  #scalar(name: AttributeName, from: number, to: number): void {
    const bytes = this.#bytes;
    const first = bytes[from]!;
    if (first === letterN) return;
    this.#present |= name.required;
    if (name.rule === undefined) {
      if (first === letterT || first === letterF) {
        this.#attributes.push({ name: name.text, value: first === letterT });
        return;
      }
      if (isInteger(bytes, from, to)) {
        this.#attributes.push({ name: name.text, value: 0, at: from - this.#start, length: to - from });
        return;
      }
    }
    const expected = name.rule?.expected ?? 'a string, a boolean or an integer of 32 bits';
    this.#problems.add(name.text, `${name.text} is ${shownBytes(bytes, from, to)}; it must be ${expected}`);
  }

  #reportMissing(): void {
    for (const { text, required } of requiredNames) {
      if ((this.#present & required) === 0) {
        this.#problems.add(text, `${text} is missing; every event must have it`);
      }
    }
  }

  #reportName(nameAt: number): void {
    const raw = this.#bytes.toString('utf8', nameAt + 1, json.stringEnd(this.#bytes, nameAt) - 1);
    const name = unescapeJson(raw);
    this.#problems.add(name, `${shown(name)} is no attribute name; names must be ${nameRule}`);
  }
}

/** An integer of CloudEvents: no fraction, no exponent, signed 32 bits (§"Type System"). */
function isInteger(bytes: Buffer, from: number, to: number): boolean {
  if (to - from > 11) return false;
  const text = bytes.toString('latin1', from, to);
  const value = Number(text);
  return /^-?\d+$/.test(text) && value >= -2147483648 && value <= 2147483647;
}
