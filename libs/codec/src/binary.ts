/** Events in binary mode: attributes in `ce-` headers, data in the body (CloudEvents HTTP binding §3.1). */
import {
  type DataKind,
  type Event,
  type FramedAttribute,
  frameEvent,
  GridpostError,
  limits,
} from '@gridpost/model';
import {
  type AttributeName,
  base64Name,
  beginNames,
  contentTypeName,
  dataName,
  isTolerated,
  nameOf,
  nameRule,
  requiredBits,
  requiredNames,
} from './attributes.js';
import { copyPlainValue, decodeHeaderValue } from './header-value.js';
import { expectJson } from './json.js';
import type { MediaType } from './media-type.js';
import { expectEventBytes, Problems, refuseEvent } from './refusal.js';
import type { RequestRules } from './rules.js';
import { isAttributeText, shown, textRule } from './text.js';
import { expectUtf8 } from './utf8.js';

/** The content type of a binary event, which is its `datacontenttype`. */
export interface ContentType {
  readonly text: string;
  readonly mediaType: MediaType;
}

/** A header value as bytes, for the rules to look at. Nothing yields between writing and reading it. */
const scratch = Buffer.alloc(16_384);

/**
 * Decodes a binary event. `headers` are the `ce-` headers, names and values in turn. An empty body is an event without
 * data, where the rules allow that. Data whose content type declares JSON must be JSON, since it could not be delivered in structured mode
 * otherwise; all other data is opaque. Throws `InvalidEventHeader`, `InvalidUtf8`, `InvalidJson`, `TooDeep` or
 * `TooLarge`.
 */
export function decodeBinary(
  headers: readonly string[],
  contentType: ContentType | undefined,
  body: Buffer,
  rules: RequestRules,
): Event {
  if (rules === 'customTopic' && body.length === 0) {
    throw new GridpostError('InvalidJson', 'the body is empty; it must be the data of the event, in JSON');
  }
  expectSize(headers, contentType, body);
  const reader = new HeaderReader(rules);
  for (let i = 0; i < headers.length; i += 2) reader.header(headers[i]!, headers[i + 1]!);
  const attributes = reader.end();
  if (contentType) attributes.push({ name: contentTypeName.text, value: contentType.text });
  if (attributes.length > limits.attributesMax) {
    throw refuseEvent(
      'InvalidEventHeader',
      undefined,
      `it has ${attributes.length} attributes; at most ${limits.attributesMax} are allowed`,
    );
  }
  return frameEvent({
    form: 'binary',
    attributes,
    dataKind: dataKindOf(contentType, body),
    dataAt: 0,
    dataLength: body.length,
    body,
  });
}

class HeaderReader {
  readonly #rules: RequestRules;
  readonly #attributes: FramedAttribute[] = [];
  readonly #names: AttributeName[] = [];
  readonly #problems = new Problems('header');
  /** The `required` bits of the attributes found. */
  #present = 0;

  constructor(rules: RequestRules) {
    this.#rules = rules;
    beginNames();
  }

  header(header: string, value: string): void {
    const name = nameOf(header.slice(3)) ?? nameOf(header.slice(3).toLowerCase());
    if (name === undefined || name === dataName || name === base64Name) {
      this.#problem(
        header,
        `${shown(header)} names no attribute; after ce- must follow ${nameRule}, not "data"`,
      );
    } else if (name === contentTypeName) {
      this.#problem(header, 'ce-datacontenttype must not be sent; content-type is its header');
    } else if (this.#names.includes(name)) this.#problem(header, `ce-${name.text} is sent twice`);
    else {
      this.#names.push(name);
      this.#present |= name.required;
      this.#attribute(header, name, value);
    }
  }

  #attribute(header: string, name: AttributeName, value: string): void {
    let text = value;
    let utf8 = scratch;
    let length = value.length;
    if (!copyPlainValue(value, scratch)) {
      const decoded = decodeHeaderValue(value);
      if (typeof decoded !== 'string') {
        this.#problem(header, `ce-${name.text} is ${shown(value)}; ${decoded.problem}`);
        return;
      }
      text = decoded;
      utf8 = Buffer.from(text);
      length = utf8.length;
      if (!isAttributeText(text)) {
        this.#problem(header, `ce-${name.text} is ${shown(text)}; it must be ${textRule}`);
        return;
      }
    }
    const { rule } = name;
    if (rule && !rule.accepts(utf8, 0, length) && !isTolerated(name, this.#rules, utf8, 0, length)) {
      this.#problem(header, `ce-${name.text} is ${shown(text)}; it must be ${rule.expected}`);
    }
    this.#attributes.push({ name: name.text, value: text });
  }

  /** The attributes found. Throws `InvalidEventHeader` if anything was wrong or is missing. */
  end(): FramedAttribute[] {
    if ((this.#present & requiredBits) !== requiredBits) {
      for (const { text, required } of requiredNames) {
        if ((this.#present & required) !== 0) continue;
        this.#problem(`ce-${text}`, `ce-${text} is missing; every event in binary mode must have it`);
      }
    }
    this.#problems.throwIfAny();
    return this.#attributes;
  }

  #problem(header: string, message: string): void {
    this.#problems.add(header.toLowerCase(), message);
  }
}

function dataKindOf(contentType: ContentType | undefined, body: Buffer): DataKind {
  if (body.length === 0) return 'none';
  if (!contentType?.mediaType.json) return 'bytes';
  expectUtf8(body);
  // In structured mode the event's own object is one more level.
  expectJson(body, limits.jsonDepthMax - 1);
  return 'json';
}

/** As in structured mode, attributes count as well as data. */
function expectSize(headers: readonly string[], contentType: ContentType | undefined, body: Buffer): void {
  let bytes = body.length + (contentType?.text.length ?? 0);
  for (const part of headers) bytes += part.length;
  expectEventBytes(bytes, undefined);
}
