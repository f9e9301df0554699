/**
 * The rules of the context attributes (CloudEvents §"Context Attributes"), the same in every content mode. A rule sees
 * the value's UTF-8 bytes, because most values are never decoded.
 *
 * Names are looked up by their bytes in a table that learns extension names as they come, so that a name costs no new
 * string per event.
 */
import { limits } from '@gridpost/model';
import { mediaTypeAt, mediaTypeRule } from './media-type.js';
import type { RequestRules } from './rules.js';
import { isAttributeText, isSameText, shown, textRule } from './text.js';
import { isLocalTimestamp, isTimestamp } from './timestamp.js';
import { isUri, isUriReference } from './uri.js';

export interface AttributeRule {
  /** Completes "must be …". */
  readonly expected: string;
  accepts(bytes: Buffer, from: number, to: number): boolean;
}

/** What is wrong with a text that is to become an attribute, to follow "… is"; undefined if nothing is. */
export function textProblem(text: string, rule?: AttributeRule): string | undefined {
  if (!isAttributeText(text)) return `${shown(text)}; it must be ${textRule}`;
  if (rule === undefined) return undefined;
  const utf8 = Buffer.from(text);
  return rule.accepts(utf8, 0, utf8.length) ? undefined : `${shown(text)}; it must be ${rule.expected}`;
}

export interface AttributeName {
  readonly text: string;
  /** Absent for extensions, whose values may be any string, 32-bit integer or boolean. */
  readonly rule?: AttributeRule;
  /** A bit of its own for each attribute that an event must have, 0 for others. */
  readonly required: number;
}

export const nonEmpty: AttributeRule = {
  expected: 'a non-empty string',
  accepts: (_bytes, from, to) => to > from,
};

export const timestamp: AttributeRule = {
  expected: 'a timestamp with an offset, such as 2018-04-05T17:31:00Z (RFC 3339)',
  accepts: isTimestamp,
};

function named(text: string, rule: AttributeRule, required = 0): AttributeName {
  return { text, rule, required };
}

export const contentTypeName = named('datacontenttype', {
  expected: mediaTypeRule,
  accepts: (bytes, from, to) => mediaTypeAt(bytes, from, to) !== undefined,
});

const timeName = named('time', timestamp);

const coreNames: readonly AttributeName[] = [
  named('id', nonEmpty, 1),
  named(
    'source',
    { expected: 'a non-empty URI-reference (RFC 3986), percent-encoded', accepts: isUriReference },
    2,
  ),
  named(
    'specversion',
    {
      expected: '"1.0"',
      accepts: (bytes, from, to) =>
        to - from === 3 && bytes[from] === 0x31 && bytes[from + 1] === 0x2e && bytes[from + 2] === 0x30,
    },
    4,
  ),
  named('type', nonEmpty, 8),
  named('subject', nonEmpty),
  timeName,
  contentTypeName,
  named('dataschema', { expected: 'a URI with a scheme (RFC 3986), percent-encoded', accepts: isUri }),
];

export const requiredNames: readonly AttributeName[] = coreNames.filter(({ required }) => required !== 0);
export const requiredBits = requiredNames.reduce((bits, { required }) => bits | required, 0);

/** The two members of the JSON format that are no attributes. */
export const dataName: AttributeName = { text: 'data', required: 0 };
export const base64Name: AttributeName = { text: 'data_base64', required: 0 };

export const nameRule = `1 to ${limits.attributeNameMax} lower-case letters or digits`;
const validName = new RegExp(`^[a-z0-9]{1,${limits.attributeNameMax}}$`);

/** Whether a value is taken although the attribute's own rule does not accept it. */
export function isTolerated(
  name: AttributeName,
  rules: RequestRules,
  bytes: Buffer,
  from: number,
  to: number,
): boolean {
  return name === timeName && rules === 'customTopic' && isLocalTimestamp(bytes, from, to);
}

const slots = 1024;
/** Learned names are forgotten beyond this, between events, so that made-up names cannot fill the table. */
const learnedMax = 256;

const byText = new Map<string, AttributeName>();
/** The same names by their bytes: a hash table with linear probing, since a Map would want a string for each lookup. */
const byBytes = new Array<AttributeName | undefined>(slots);
const lastingNames = [...coreNames, dataName, base64Name];

function reset(): void {
  byText.clear();
  byBytes.fill(undefined);
  for (const name of lastingNames) remember(name);
}

function remember(name: AttributeName): AttributeName {
  let hash = 0;
  for (let i = 0; i < name.text.length; i++) hash = hashStep(hash, name.text.charCodeAt(i));
  let slot = hash & (slots - 1);
  while (byBytes[slot]) slot = (slot + 1) & (slots - 1);
  byBytes[slot] = name;
  byText.set(name.text, name);
  return name;
}

reset();

/** One step of the hash that `findName` expects over the bytes of a name; it begins with 0. */
export function hashStep(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

/**
 * Call before each event: within one event, equal names are the same object. It has at most `attributesMax` of them,
 * so the table never fills up on the way.
 */
export function beginNames(): void {
  if (byText.size > learnedMax) reset();
}

/** The name in a slice of ASCII bytes; undefined where it may not be one. */
export function findName(bytes: Buffer, from: number, to: number, hash: number): AttributeName | undefined {
  let slot = hash & (slots - 1);
  for (;;) {
    const name = byBytes[slot];
    if (name === undefined) return nameOf(bytes.toString('latin1', from, to));
    if (isSameText(name.text, bytes, from, to)) return name;
    slot = (slot + 1) & (slots - 1);
  }
}

/** The same for a name that is a string already. */
export function nameOf(text: string): AttributeName | undefined {
  const name = byText.get(text);
  if (name !== undefined || !validName.test(text)) return name;
  return remember({ text, required: 0 });
}
