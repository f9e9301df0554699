/** Walks the members of a JSON object whose names matter only here and there. What is slow about it is a string a name. */
import * as json from './json.js';
import { unescapeJson } from './text.js';

/**
 * Scans the object whose brace is at `at`, and returns the offset behind it. `value` is called for each member with its
 * name and the offset of its value; it scans that value and returns the offset behind it. Throws `InvalidJson`.
 */
export function membersEnd(bytes: Buffer, at: number, value: (name: string, from: number) => number): number {
  at = json.skipSpace(bytes, at + 1);
  if (json.byteAt(bytes, at) === json.closeBrace) return at + 1;
  for (;;) {
    if (json.byteAt(bytes, at) !== json.quote) {
      throw json.syntaxError(bytes, at, 'a member name in double quotes');
    }
    const nameEnd = json.stringEnd(bytes, at);
    const name = unescapeJson(bytes.toString('utf8', at + 1, nameEnd - 1));
    at = json.skipSpace(bytes, value(name, json.colonEnd(bytes, nameEnd)));
    const next = json.byteAt(bytes, at);
    if (next !== json.comma) {
      if (next !== json.closeBrace) throw json.syntaxError(bytes, at, "',' or '}'");
      return at + 1;
    }
    at = json.skipSpace(bytes, at + 1);
  }
}
