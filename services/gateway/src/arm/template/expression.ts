/**
 * Expressions in templates, as text and as what they say (Azure Resource Manager, "Syntax and expressions in templates").
 * What a function means is `functions.ts`'s business.
 *
 *     expression = ( text | number | name "(" [ expression { "," expression } ] ")" ) { "." name | "[" expression "]" }
 *     text       = "'" { any character, the quote doubled } "'"
 */
export type Expression =
  | { readonly kind: 'literal'; readonly value: string | number }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] }
  | { readonly kind: 'member'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'item'; readonly of: Expression; readonly index: Expression };

/** What is wrong with an expression, or with what it asks for, in words that go after its place. */
export class ExpressionFault extends Error {}

/** Deeper ones are refused before the stack could run out. */
const depthMax = 32;

const tokens =
  /\s*(?:(?<text>'(?:[^']|'')*')|(?<number>-?\d{1,15})|(?<name>[A-Za-z_]\w*)|(?<mark>[(),.[\]]))\s*/y;

/** What a string of a template says: itself, without the bracket that guards it, or an expression. */
export function parseText(text: string): string | Expression {
  if (!text.startsWith('[') || !text.endsWith(']')) return text;
  if (text.startsWith('[[')) return text.slice(1);
  return new Parser(text.slice(1, -1)).whole();
}

interface Token {
  readonly kind: 'text' | 'number' | 'name' | 'mark' | 'end';
  readonly text: string;
}

class Parser {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  #token: Token;

  constructor(source: string) {
    this.#source = source;
    this.#token = this.#next();
  }

  whole(): Expression {
    const expression = this.#expression();
    if (this.#token.kind !== 'end') throw this.#unexpected('the end');
    return expression;
  }

  #expression(): Expression {
    if (++this.#depth > depthMax) throw new ExpressionFault(`nests deeper than ${depthMax} levels`);
    let expression = this.#primary();
    for (;;) {
      if (this.#takes('.')) {
        const { text } = this.#take('name', 'a name');
        expression = { kind: 'member', of: expression, name: text };
      } else if (this.#takes('[')) {
        expression = { kind: 'item', of: expression, index: this.#expression() };
        this.#expect(']');
      } else break;
    }
    this.#depth--;
    return expression;
  }

  #primary(): Expression {
    const { kind, text } = this.#token;
    if (kind === 'text') {
      this.#token = this.#next();
      return { kind: 'literal', value: text.slice(1, -1).replaceAll("''", "'") };
    }
    if (kind === 'number') {
      this.#token = this.#next();
      return { kind: 'literal', value: Number(text) };
    }
    const { text: name } = this.#take('name', 'a text, a number or a function');
    this.#expect('(');
    const args: Expression[] = [];
    if (!this.#takes(')')) {
      do args.push(this.#expression());
      while (this.#takes(','));
      this.#expect(')');
    }
    return { kind: 'call', name, args };
  }

  #takes(mark: string): boolean {
    if (this.#token.kind !== 'mark' || this.#token.text !== mark) return false;
    this.#token = this.#next();
    return true;
  }

  #expect(mark: string): void {
    if (!this.#takes(mark)) throw this.#unexpected(`"${mark}"`);
  }

  #take(kind: 'name', expected: string): Token {
    const token = this.#token;
    if (token.kind !== kind) throw this.#unexpected(expected);
    this.#token = this.#next();
    return token;
  }

  #next(): Token {
    if (this.#at > 0 && this.#at === this.#source.length) return { kind: 'end', text: 'the end' };
    tokens.lastIndex = this.#at;
    const groups = tokens.exec(this.#source)?.groups;
    if (!groups) throw new ExpressionFault(`is no expression from character ${this.#at + 2} on`);
    this.#at = tokens.lastIndex;
    const [kind, text] = Object.entries(groups).find(([, found]) => found !== undefined)!;
    return { kind: kind as Token['kind'], text };
  }

  #unexpected(expected: string): ExpressionFault {
    return new ExpressionFault(
      `is no expression: saw ${this.#token.text.slice(0, 64)}, expected ${expected}`,
    );
  }
}
