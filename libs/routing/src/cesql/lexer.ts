/**
 * Cuts the text of an expression into tokens (CloudEvents SQL §2). What a sequence of tokens means is the parser's
 * business; whether a sign belongs to a number too, since `4-1` is a subtraction and `4 * -1` is none.
 */
import { CesqlSyntaxError, shown } from './errors.js';

const keywords = ['AND', 'OR', 'XOR', 'NOT', 'LIKE', 'IN', 'EXISTS', 'TRUE', 'FALSE'] as const;
/** Longer ones first, as the first that fits is taken. */
const punctuation = ['!=', '<>', '>=', '<=', '=', '>', '<', '+', '-', '*', '/', '%', '(', ')', ','] as const;

export type Keyword = (typeof keywords)[number];
export type Punctuation = (typeof punctuation)[number];
export type TokenKind = Keyword | Punctuation | 'name' | 'integer' | 'string' | 'path' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Offset of its first code unit. */
  readonly at: number;
  /** Offset behind its last code unit. */
  readonly end: number;
  /** As it was written; for a string, what stands between the quotes with the escapes resolved. */
  readonly text: string;
  /** The keys of a path, in order; empty for every other kind. */
  readonly keys: readonly string[];
}

/** What is skipped: no other space separates tokens, so that what looks empty is never skipped unseen. */
const space = /[ \t\r\n]*/y;
const word = /[A-Za-z0-9_]+/y;
const key = /[A-Za-z_][A-Za-z0-9_]*/y;
const digits = /^[0-9]+$/;
const noKeys: readonly string[] = [];
const dataName = 'data';

/** The tokens of the text, of which the last one is of kind `end`. Throws `CesqlSyntaxError`. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = endOf(space, text, 0); at < text.length; ) {
    const token = tokenAt(text, at);
    tokens.push(token);
    at = endOf(space, text, token.end);
  }
  tokens.push({ kind: 'end', at: text.length, end: text.length, text: '', keys: noKeys });
  return tokens;
}

function tokenAt(text: string, at: number): Token {
  const quote = text[at];
  if (quote === "'" || quote === '"') {
    const end = stringEnd(text, at);
    return { kind: 'string', at, end, text: unquoted(text.slice(at + 1, end - 1), quote), keys: noKeys };
  }
  const end = endOf(word, text, at);
  if (end > at) return wordToken(text, at, end);
  for (const symbol of punctuation) {
    if (text.startsWith(symbol, at))
      return { kind: symbol, at, end: at + symbol.length, text: symbol, keys: noKeys };
  }
  throw new CesqlSyntaxError(at, unexpectedCharacter(text, at));
}

function wordToken(text: string, at: number, end: number): Token {
  const written = text.slice(at, end);
  if (text[end] === '.' && written.toLowerCase() === dataName) return pathToken(text, at, end);
  if (digits.test(written)) return { kind: 'integer', at, end, text: written, keys: noKeys };
  const upper = written.toUpperCase();
  const keyword = keywords.find((candidate) => candidate === upper);
  return { kind: keyword ?? 'name', at, end, text: written, keys: noKeys };
}

/** A path like `data.order.'unit price'`; `end` is behind `data`. Keys are case-sensitive, as JSON is. */
function pathToken(text: string, at: number, end: number): Token {
  const keys: string[] = [];
  let cursor = end;
  while (text[cursor] === '.') {
    const from = cursor + 1;
    const quote = text[from];
    if (quote === "'" || quote === '"') {
      cursor = stringEnd(text, from);
      keys.push(unquoted(text.slice(from + 1, cursor - 1), quote));
      continue;
    }
    cursor = endOf(key, text, from);
    if (cursor === from) {
      throw new CesqlSyntaxError(
        from,
        `expected a key behind "." but found ${foundAt(text, from)}; a key that is not letters, digits and _ ` +
          `with no digit first is written in quotes, as in data.'unit-price'`,
      );
    }
    keys.push(text.slice(from, cursor));
  }
  return { kind: 'path', at, end: cursor, text: text.slice(at, cursor), keys };
}

/** The offset behind the closing quote of the string whose opening quote is at `at`. */
function stringEnd(text: string, at: number): number {
  const quote = text[at]!;
  for (let cursor = at + 1; cursor < text.length; cursor++) {
    // A backslash and what follows it belong together, so that a string can end in a pair of backslashes.
    if (text[cursor] === '\\') cursor++;
    else if (text[cursor] === quote) return cursor + 1;
  }
  throw new CesqlSyntaxError(
    at,
    `expected a closing ${quote} for the string that begins here, but found the end`,
  );
}

/** Only the quote is escaped (§2.2). Other backslashes stand for themselves, and so reach the patterns of LIKE. */
function unquoted(inside: string, quote: string): string {
  if (!inside.includes(`\\${quote}`)) return inside;
  let text = '';
  let from = 0;
  for (let cursor = 0; cursor < inside.length; cursor++) {
    if (inside[cursor] !== '\\') continue;
    cursor++;
    if (inside[cursor] !== quote) continue;
    text += inside.slice(from, cursor - 1);
    from = cursor;
  }
  return text + inside.slice(from);
}

function unexpectedCharacter(text: string, at: number): string {
  const found = foundAt(text, at);
  if (text[at] === '.') return `found ${found}; only the name data is followed by "." and keys`;
  const expected = 'a name, a literal, an operator, "(", ")" or ","';
  return `expected ${expected} but found ${found}`;
}

/** The character at an offset, with its code point where it might be mistaken for another one. */
function foundAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  if (code === undefined) return 'the end';
  const character = shown(String.fromCodePoint(code));
  return code > 0x7e ? `${character} (U+${code.toString(16).toUpperCase().padStart(4, '0')})` : character;
}

/** Where the match of a sticky expression ends that begins at `at`; `at` itself if nothing matches. */
function endOf(sticky: RegExp, text: string, at: number): number {
  sticky.lastIndex = at;
  return sticky.test(text) ? sticky.lastIndex : at;
}
