/**
 * An event as Gridpost keeps it: attributes apart from data, and the publisher's bytes as they came.
 *
 * An event is one Buffer, its *frame*: a small table of attributes, then the *body*, which is what the publisher sent.
 * In structured form the body is the event's JSON object, byte for byte; in binary form it is the data. Attribute
 * values point into the body where they stand there verbatim, and into a spill area where they do not (escaped
 * strings, headers). Nothing is decoded until somebody asks, because most events are delivered from the same bytes.
 *
 * Layout, little-endian:
 *
 *     0  u8   version (1)           8  u32  data end (offset in the frame)
 *     1  u8   form                 12  u32  body start
 *     2  u8   data kind            16  attribute table, spill area, body
 *     3  u8   attribute count
 *     4  u32  data start
 *
 *     an attribute:  u8 name code (0: u8 length and the name follow), u8 type, u32 value start, u32 value length
 *
 * Version 2 is a *directed* event (`directed.ts`): the same, and behind the body its direction as JSON and the length of
 * that as u32.
 *
 * Decoding bytes from outside is the codec's business; this file trusts what `frameEvent` wrote.
 */

import type { Direction } from './place.js';

/** `structured`: the body is a whole JSON event. `binary`: the body is the data alone. */
export type EventForm = 'structured' | 'binary';

/**
 * What the data bytes are. `json`: one JSON value. `base64`: base64 text, the content of a `data_base64` member as it
 * stands between its quotes, JSON escapes included.
 * `bytes`: anything, described by `datacontenttype`. `none`: the event has no data.
 */
export type DataKind = 'none' | 'json' | 'base64' | 'bytes';

/** CloudEvents §"Type System": in JSON, integers and booleans keep their types; everything else is a string. */
export type AttributeValue = string | number | boolean;

/** Where an attribute's value stands: a slice of the body, or a value to be written beside it. */
export interface FramedAttribute {
  readonly name: string;
  /** With `at`, only its type is looked at: the text is read from the body, and need not be decoded for this. */
  readonly value: AttributeValue;
  /** Offset and length in the body, if the value's UTF-8 text stands there verbatim (also for integers). */
  readonly at?: number;
  readonly length?: number;
}

export interface FrameParts {
  readonly form: EventForm;
  readonly attributes: readonly FramedAttribute[];
  readonly dataKind: DataKind;
  /** Offset of the data in the body; ignored when the kind is `none`. */
  readonly dataAt: number;
  readonly dataLength: number;
  readonly body: Buffer;
}

const frameVersion = 1;
/** Of a frame that ends with a direction. */
export const directedVersion = 2;
const headerBytes = 16;
const forms: readonly EventForm[] = ['structured', 'binary'];
const dataKinds: readonly DataKind[] = ['none', 'json', 'base64', 'bytes'];
/** Position in this list plus one is the name's code; the list may grow at its end, never change. */
const knownNames = [
  'specversion',
  'id',
  'source',
  'type',
  'subject',
  'time',
  'datacontenttype',
  'dataschema',
  'partitionkey',
  'traceparent',
] as const;
const codeOf = new Map<string, number>(knownNames.map((name, index) => [name, index + 1]));
const idCode = 2;
const sourceCode = 3;
const typeCode = 4;
const subjectCode = 5;

const stringType = 0;
const integerType = 1;
const trueType = 2;
const falseType = 3;

/** The name codes of the frame being written, so that each name is looked up once. */
const codes = new Uint8Array(256);

/** Writes a frame. Attribute names must be valid and distinct, and the slices must lie in the body: not checked here. */
export function frameEvent(parts: FrameParts): Event {
  const { attributes, body } = parts;
  let tableBytes = 0;
  let spillBytes = 0;
  for (let i = 0; i < attributes.length; i++) {
    const { name, value, at } = attributes[i]!;
    const code = codeOf.get(name) ?? 0;
    codes[i] = code;
    tableBytes += code === 0 ? 11 + name.length : 10;
    if (at === undefined && typeof value !== 'boolean') spillBytes += Buffer.byteLength(String(value));
  }
  const spillStart = headerBytes + tableBytes;
  const bodyStart = spillStart + spillBytes;
  const frame = Buffer.allocUnsafe(bodyStart + body.length);
  frame[0] = frameVersion;
  frame[1] = forms.indexOf(parts.form);
  frame[2] = dataKinds.indexOf(parts.dataKind);
  frame[3] = attributes.length;
  const dataStart = parts.dataKind === 'none' ? bodyStart : bodyStart + parts.dataAt;
  writeUint32(frame, 4, dataStart);
  writeUint32(frame, 8, parts.dataKind === 'none' ? dataStart : dataStart + parts.dataLength);
  writeUint32(frame, 12, bodyStart);
  let cursor = headerBytes;
  let spillCursor = spillStart;
  for (let i = 0; i < attributes.length; i++) {
    const { name, value, at, length } = attributes[i]!;
    const code = codes[i]!;
    frame[cursor++] = code;
    if (code === 0) {
      frame[cursor++] = name.length;
      for (let letter = 0; letter < name.length; letter++) frame[cursor++] = name.charCodeAt(letter);
    }
    let start = bodyStart;
    let bytes = 0;
    if (at !== undefined) {
      start = bodyStart + at;
      bytes = length!;
    } else if (typeof value !== 'boolean') {
      start = spillCursor;
      bytes = frame.write(String(value), spillCursor);
      spillCursor += bytes;
    }
    frame[cursor] =
      typeof value === 'string'
        ? stringType
        : typeof value === 'number'
          ? integerType
          : value
            ? trueType
            : falseType;
    writeUint32(frame, cursor + 1, start);
    writeUint32(frame, cursor + 5, bytes);
    cursor += 9;
  }
  frame.set(body, bodyStart);
  return new Event(frame);
}

/** `writeUInt32LE` without its argument checks, which cost more than the rest of writing a table. */
function writeUint32(frame: Buffer, at: number, value: number): void {
  frame[at] = value;
  frame[at + 1] = value >>> 8;
  frame[at + 2] = value >>> 16;
  frame[at + 3] = value >>> 24;
}

/** Names are ASCII. */
function isNameAt(frame: Buffer, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if (frame[at + i] !== name.charCodeAt(i)) return false;
  return true;
}

/** What `toString('utf8')` comes to after checks of its arguments that cost as much as the rest of reading a short text. */
interface Sliceable extends Buffer {
  utf8Slice(start: number, end: number): string;
}

/** A view of a frame. Immutable; decodes on demand; cheap to create. The frame must not be written to. */
export class Event {
  readonly frame: Buffer;
  #type: string | undefined;
  #subject: string | undefined | null = null;
  #data: { value: unknown } | undefined;
  #direction: Direction | undefined;

  constructor(frame: Buffer) {
    this.frame = frame;
  }

  get form(): EventForm {
    return forms[this.frame[1]!]!;
  }

  get dataKind(): DataKind {
    return dataKinds[this.frame[2]!]!;
  }

  get id(): string {
    return this.#known(idCode) as string;
  }

  get source(): string {
    return this.#known(sourceCode) as string;
  }

  /**
   * Copies the id's text, in UTF-8, to `at` in `target` without decoding it. Returns its length in bytes; a text of more
   * than `bytesMax` is not copied.
   */
  copyId(target: Buffer, at: number, bytesMax: number): number {
    const { frame } = this;
    const cursor = this.#find(idCode);
    const start = frame.readUInt32LE(cursor + 1);
    const bytes = frame.readUInt32LE(cursor + 5);
    if (bytes <= bytesMax) for (let i = 0; i < bytes; i++) target[at + i] = frame[start + i]!;
    return bytes;
  }

  /** Whether both have the same source. Nothing is decoded. */
  hasSourceOf(other: Event): boolean {
    const mine = this.frame;
    const theirs = other.frame;
    const cursor = this.#find(sourceCode);
    const otherCursor = other.#find(sourceCode);
    const bytes = mine.readUInt32LE(cursor + 5);
    if (bytes !== theirs.readUInt32LE(otherCursor + 5)) return false;
    const start = mine.readUInt32LE(cursor + 1);
    const otherStart = theirs.readUInt32LE(otherCursor + 1);
    for (let i = 0; i < bytes; i++) if (mine[start + i] !== theirs[otherStart + i]) return false;
    return true;
  }

  get type(): string {
    this.#type ??= this.#known(typeCode) as string;
    return this.#type;
  }

  get subject(): string | undefined {
    if (this.#subject === null) this.#subject = this.#known(subjectCode) as string | undefined;
    return this.#subject;
  }

  /** Looks up one context attribute, extensions included, by its exact (lower-case) name. */
  attribute(name: string): AttributeValue | undefined {
    const code = codeOf.get(name);
    if (code !== undefined) return this.#known(code);
    const { frame } = this;
    let cursor = headerBytes;
    for (let left = frame[3]!; left > 0; left--) {
      if (frame[cursor++] === 0) {
        const length = frame[cursor++]!;
        if (length === name.length && isNameAt(frame, cursor, name)) {
          return this.#value(cursor + length);
        }
        cursor += length;
      }
      cursor += 9;
    }
    return undefined;
  }

  /** All context attributes in the order they were sent. */
  attributes(): { name: string; value: AttributeValue }[] {
    const { frame } = this;
    const attributes: { name: string; value: AttributeValue }[] = [];
    let cursor = headerBytes;
    for (let left = frame[3]!; left > 0; left--) {
      const code = frame[cursor++]!;
      let name: string;
      if (code === 0) {
        const length = frame[cursor++]!;
        name = frame.toString('latin1', cursor, cursor + length);
        cursor += length;
      } else name = knownNames[code - 1]!;
      attributes.push({ name, value: this.#value(cursor) });
      cursor += 9;
    }
    return attributes;
  }

  /** What the publisher sent: the whole JSON object in structured form, the data in binary form. Not a copy. */
  get body(): Buffer {
    return this.frame.subarray(this.frame.readUInt32LE(12), this.#bodyEnd);
  }

  /** Who alone it is for, and why, where it was appended for one subscription. */
  get direction(): Direction | undefined {
    const { frame } = this;
    if (frame[0] !== directedVersion) return undefined;
    this.#direction ??= JSON.parse(frame.toString('utf8', this.#bodyEnd, frame.length - 4)) as Direction;
    return this.#direction;
  }

  /** The data's bytes: JSON text for `json`, decoded for `base64`, as sent for `bytes`. Undefined without data. */
  get data(): Buffer | undefined {
    if (this.dataKind === 'none') return undefined;
    const slice = this.frame.subarray(this.frame.readUInt32LE(4), this.frame.readUInt32LE(8));
    if (this.dataKind !== 'base64') return slice;
    const text = slice.toString('latin1');
    return Buffer.from(text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text, 'base64');
  }

  /** The data parsed as JSON, at most once per view; undefined where it is not JSON. */
  parsedData(): unknown {
    if (!this.#data) this.#data = { value: this.#parse() };
    return this.#data.value;
  }

  get #bodyEnd(): number {
    const { frame } = this;
    const { length } = frame;
    return frame[0] === directedVersion ? length - 4 - frame.readUInt32LE(length - 4) : length;
  }

  #parse(): unknown {
    if (this.dataKind !== 'json') return undefined;
    try {
      const { frame } = this;
      return JSON.parse((frame as Sliceable).utf8Slice(frame.readUInt32LE(4), frame.readUInt32LE(8)));
    } catch {
      return undefined;
    }
  }

  #known(code: number): AttributeValue | undefined {
    const cursor = this.#find(code);
    return cursor === 0 ? undefined : this.#value(cursor);
  }

  /** Where type, start and length of an attribute with a code stand; 0 without it. */
  #find(code: number): number {
    const { frame } = this;
    let cursor = headerBytes;
    for (let left = frame[3]!; left > 0; left--) {
      const seen = frame[cursor++]!;
      if (seen === 0) cursor += 1 + frame[cursor]!;
      if (seen === code) return cursor;
      cursor += 9;
    }
    return 0;
  }

  #value(cursor: number): AttributeValue {
    const { frame } = this;
    const type = frame[cursor];
    if (type === trueType) return true;
    if (type === falseType) return false;
    // Checked reads: a frame that is broken must not be taken for an event.
    const start = frame.readUInt32LE(cursor + 1);
    const text = (frame as Sliceable).utf8Slice(start, start + frame.readUInt32LE(cursor + 5));
    return type === integerType ? Number(text) : text;
  }
}
