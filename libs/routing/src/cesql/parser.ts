/**
 * Reads an expression into its syntax tree (CloudEvents SQL §2, precedence of §3.6) by recursive descent. From loose to
 * tight: AND, OR and XOR; comparisons; `+` and `-`; `*`, `/` and `%`; LIKE and IN, which stand behind their operand;
 * NOT and `-`, which stand before it; operands. Chains of operators are read in loops, and everything that recurses
 * is counted, so that no text exhausts the stack.
 */
import { CesqlSyntaxError, shown } from './errors.js';
import { type Token, type TokenKind, tokenize } from './lexer.js';
import type {
  ArithmeticOperator,
  AttributeNode,
  ComparisonOperator,
  DataNode,
  LiteralNode,
  LogicOperator,
  Node,
  Step,
} from './syntax.js';
import { integerMax, integerMin, integerOf } from './values.js';

export interface CesqlLimits {
  /** Length of the text, in UTF-16 code units. */
  readonly charactersMax: number;
  /**
   * How deep parentheses, arguments, NOT, `-`, and LIKE and IN behind LIKE and IN may be nested in each other. A chain
   * of binary operators is not nested, however long it is.
   */
  readonly depthMax: number;
}

/** Room for some hundred conditions. No expression written by a person comes near the depth. */
export const cesqlLimits: CesqlLimits = { charactersMax: 4_096, depthMax: 64 };

/** The tree of the text. Throws `CesqlSyntaxError`. */
export function parse(text: string, limits: CesqlLimits): Node {
  if (text.length > limits.charactersMax) {
    const problem = `the expression has ${text.length} characters; at most ${limits.charactersMax} are allowed`;
    throw new CesqlSyntaxError(limits.charactersMax, problem);
  }
  return new Parser(tokenize(text), limits.depthMax).whole();
}

const logicOperators: Partial<Record<TokenKind, LogicOperator>> = { AND: 'AND', OR: 'OR', XOR: 'XOR' };
const comparisonOperators: Partial<Record<TokenKind, ComparisonOperator>> = {
  '=': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};
const sumOperators: Partial<Record<TokenKind, ArithmeticOperator>> = { '+': '+', '-': '-' };
const productOperators: Partial<Record<TokenKind, ArithmeticOperator>> = { '*': '*', '/': '/', '%': '%' };

const attributeName = /^[A-Za-z0-9]+$/;
const functionName = /^[A-Za-z][A-Za-z_]*$/;
const operandExpected = 'an attribute, a literal, a function, NOT, EXISTS, "-" or "("';

class Parser {
  readonly #tokens: readonly Token[];
  readonly #depthMax: number;
  #index = 0;
  /** What is open around the current token. Bounds the recursion on the way down. */
  #open = 0;
  /** How deep each node is nested in itself. Bounds the tree, where nothing was open: `a LIKE 'b' LIKE 'c'`. */
  readonly #heights = new Map<Node, number>();

  constructor(tokens: readonly Token[], depthMax: number) {
    this.#tokens = tokens;
    this.#depthMax = depthMax;
  }

  whole(): Node {
    const node = this.#expression();
    const rest = this.#next();
    if (rest.kind !== 'end') throw this.#unexpected(rest, 'an operator or the end');
    return node;
  }

  #expression(): Node {
    return this.#chain(logicOperators, this.#comparison, (at, first, steps) => ({
      kind: 'logic',
      at,
      first,
      steps,
    }));
  }

  readonly #comparison = (): Node =>
    this.#chain(comparisonOperators, this.#sum, (at, first, steps) => ({
      kind: 'comparison',
      at,
      first,
      steps,
    }));

  readonly #sum = (): Node =>
    this.#chain(sumOperators, this.#product, (at, first, steps) => ({
      kind: 'arithmetic',
      at,
      first,
      steps,
    }));

  readonly #product = (): Node =>
    this.#chain(productOperators, this.#suffixed, (at, first, steps) => ({
      kind: 'arithmetic',
      at,
      first,
      steps,
    }));

  /** Operands of the next tighter precedence with operators of one precedence between them. */
  #chain<Operator>(
    operators: Partial<Record<TokenKind, Operator>>,
    operand: () => Node,
    make: (at: number, first: Node, steps: Step<Operator>[]) => Node,
  ): Node {
    const at = this.#peek().at;
    const first = operand();
    const steps: Step<Operator>[] = [];
    for (;;) {
      const operator = operators[this.#peek().kind];
      if (operator === undefined) break;
      this.#next();
      steps.push({ operator, operand: operand() });
    }
    if (steps.length === 0) return first;
    const node = make(at, first, steps);
    let height = this.#heightOf(first);
    for (const step of steps) height = Math.max(height, this.#heightOf(step.operand));
    this.#heights.set(node, height);
    return node;
  }

  /** An operand with the LIKE and IN that follow it. */
  readonly #suffixed = (): Node => {
    let node = this.#prefixed();
    for (;;) {
      const token = this.#peek();
      const negated = token.kind === 'NOT';
      if (!negated && token.kind !== 'LIKE' && token.kind !== 'IN') return node;
      if (negated) this.#next();
      const operator = this.#next();
      const { at } = node;
      if (operator.kind === 'LIKE') {
        const pattern = this.#expect('string', 'a pattern in quotes behind LIKE').text;
        node = this.#nested({ kind: 'like', at, operand: node, pattern, negated }, [node], token);
      } else if (operator.kind === 'IN') {
        const elements = this.#elements();
        node = this.#nested({ kind: 'in', at, operand: node, elements, negated }, [node, ...elements], token);
      } else throw this.#unexpected(operator, 'LIKE or IN behind NOT');
    }
  };

  #elements(): Node[] {
    const open = this.#expect('(', '"(" and the elements behind IN');
    return this.#list(open, 'an element');
  }

  /** NOT and `-`, which bind tighter than everything but a function's parentheses: `NOT a = b` is `(NOT a) = b`. */
  #prefixed(): Node {
    const token = this.#peek();
    if (token.kind === '+' || token.kind === '-') {
      const literal = this.#signed(token);
      if (literal !== undefined) return literal;
    }
    if (token.kind !== 'NOT' && token.kind !== '-') return this.#operand();
    this.#next();
    this.#enter(token);
    const operand = this.#prefixed();
    this.#open--;
    const kind = token.kind === 'NOT' ? 'not' : 'negate';
    return this.#nested({ kind, at: token.at, operand }, [operand], token);
  }

  /** A sign and the digits it touches, where an operand is expected, are one literal: only so is -2147483648 one. */
  #signed(sign: Token): LiteralNode | undefined {
    const digits = this.#tokens[this.#index + 1];
    if (digits?.kind !== 'integer' || digits.at !== sign.end) return undefined;
    this.#index += 2;
    return integerLiteral(sign.at, sign.text + digits.text);
  }

  #operand(): Node {
    const token = this.#next();
    switch (token.kind) {
      case 'TRUE':
      case 'FALSE':
        return { kind: 'literal', at: token.at, value: token.kind === 'TRUE' };
      case 'string':
        return { kind: 'literal', at: token.at, value: token.text };
      case 'integer':
        return integerLiteral(token.at, token.text);
      case 'path':
        return { kind: 'data', at: token.at, path: token.keys };
      case 'name':
        return this.#peek().kind === '(' ? this.#call(token) : this.#attribute(token);
      case 'EXISTS':
        return { kind: 'exists', at: token.at, target: this.#target() };
      case '(': {
        this.#enter(token);
        const node = this.#expression();
        this.#close(token, '")" or an operator');
        // The same node again: it is now one level deeper than it was without the parentheses.
        return this.#nested(node, [node], token);
      }
      default:
        throw this.#unexpected(token, operandExpected);
    }
  }

  #target(): AttributeNode | DataNode {
    const token = this.#next();
    if (token.kind === 'path') return { kind: 'data', at: token.at, path: token.keys };
    if (token.kind !== 'name') throw this.#unexpected(token, 'the name of an attribute behind EXISTS');
    return this.#attribute(token);
  }

  /** Attributes have lower-case names (CloudEvents §"Naming conventions"), so `SOURCE` can only mean `source`. */
  #attribute(token: Token): AttributeNode {
    if (attributeName.test(token.text))
      return { kind: 'attribute', at: token.at, name: token.text.toLowerCase() };
    throw this.#unexpected(token, 'the name of an attribute, of letters and digits,');
  }

  #call(name: Token): Node {
    if (!functionName.test(name.text)) {
      throw this.#unexpected(name, 'the name of a function, of letters and _ beginning with a letter,');
    }
    const open = this.#next();
    let operands: Node[] = [];
    if (this.#peek().kind === ')') this.#next();
    else operands = this.#list(open, 'an argument');
    return this.#nested(
      { kind: 'call', at: name.at, name: name.text.toUpperCase(), operands },
      operands,
      name,
    );
  }

  /** Expressions with commas between them, up to the parenthesis that closes `open`. */
  #list(open: Token, what: string): Node[] {
    this.#enter(open);
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.kind === ')' || token.kind === ',') throw this.#unexpected(token, what);
      nodes.push(this.#expression());
      if (this.#peek().kind !== ',') break;
      this.#next();
    }
    this.#close(open, '",", ")" or an operator');
    return nodes;
  }

  #close(open: Token, expected: string): void {
    const token = this.#next();
    if (token.kind !== ')') throw this.#unexpected(token, `${expected} for the "(" at offset ${open.at}`);
    this.#open--;
  }

  #enter(token: Token): void {
    if (++this.#open > this.#depthMax) throw this.#tooDeep(token);
  }

  /** Notes that `node` is one level deeper than the deepest of `inner`. */
  #nested<T extends Node>(node: T, inner: readonly Node[], token: Token): T {
    let height = 0;
    for (const child of inner) height = Math.max(height, this.#heightOf(child));
    if (height >= this.#depthMax) throw this.#tooDeep(token);
    this.#heights.set(node, height + 1);
    return node;
  }

  #heightOf(node: Node): number {
    return this.#heights.get(node) ?? 0;
  }

  #tooDeep(token: Token): CesqlSyntaxError {
    const problem = `${shown(token.text)} is nested too deeply; at most ${this.#depthMax} levels are allowed`;
    return new CesqlSyntaxError(token.at, problem);
  }

  #expect(kind: TokenKind, expected: string): Token {
    const token = this.#next();
    if (token.kind !== kind) throw this.#unexpected(token, expected);
    return token;
  }

  /** The error for a token that was read and does not fit. */
  #unexpected(token: Token, expected: string): CesqlSyntaxError {
    return new CesqlSyntaxError(
      token.at,
      `expected ${expected} but found ${found(token)}${this.#advice(token)}`,
    );
  }

  /** What a habit from another language may have meant. */
  #advice(token: Token): string {
    const before = this.#tokens[this.#tokens.indexOf(token) - 1];
    if (before?.end !== token.at) return '';
    if (before.kind === 'string' && token.kind === 'string') {
      return '; a quote inside a string is written with a backslash before it';
    }
    return before.kind === '=' && token.kind === '=' ? '; equality is written with one "="' : '';
  }

  #peek(): Token {
    return this.#tokens[this.#index]!;
  }

  /** Takes the current token. The last one is never passed, so that there is always one to complain about. */
  #next(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#index++;
    return token;
  }
}

/** Literals outside the range are refused here, since no evaluation could make anything of them (§2.2). */
function integerLiteral(at: number, written: string): LiteralNode {
  const value = integerOf(Number(written));
  if (value !== undefined) return { kind: 'literal', at, value };
  throw new CesqlSyntaxError(
    at,
    `${shown(written)} is no Integer; expected one from ${integerMin} to ${integerMax}`,
  );
}

function found(token: Token): string {
  if (token.kind === 'end') return 'the end';
  return token.kind === 'string' ? `the string ${shown(token.text)}` : shown(token.text);
}
