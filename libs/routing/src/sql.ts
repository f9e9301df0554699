/** CloudEvents SQL as a clause: `sql` in a subscription's `filters`. The language itself is in `cesql/`. */
import type { Event } from '@gridpost/model';
import {
  type CesqlExpression,
  type CesqlScope,
  CesqlSyntaxError,
  type Node,
  parseCesql,
} from './cesql/index.js';
import {
  AnyClause,
  type Clause,
  ComparisonClause,
  type Explanation,
  type Sign,
  shown,
  type Way,
  waysOfAll,
} from './clause.js';
import { beginsWithOneOf, endsWithOneOf, equalsOneOf, type Probe } from './comparison.js';
import { type Inspection, sawText } from './faults.js';
import { scalarKindOf } from './kinds.js';
import { attributeOperand, dataOperand, type Operand, valueAt } from './operand.js';

export function sqlClause(value: unknown, pointer: string, inspection: Inspection): Clause | undefined {
  if (typeof value !== 'string')
    return inspection.fault(pointer, `saw ${sawText(value)}, expected a string with an expression`);
  try {
    return new SqlClause(pointer, value);
  } catch (error) {
    if (!(error instanceof CesqlSyntaxError)) throw error;
    return inspection.fault(pointer, error.message);
  }
}

class EventScope implements CesqlScope {
  readonly #event: Event;

  constructor(event: Event) {
    this.#event = event;
  }

  attribute(name: string): string | number | boolean | undefined {
    return this.#event.attribute(name);
  }

  data(path: readonly string[]): unknown {
    return valueAt(this.#event.parsedData(), path);
  }
}

class SqlClause implements Clause {
  readonly ways: readonly Way[];
  readonly parts: readonly Clause[] | undefined;
  readonly #pointer: string;
  readonly #text: string;
  /** Kept only where there are no parts: it takes several times their room. */
  readonly #expression: CesqlExpression | undefined;

  /** Throws `CesqlSyntaxError`. */
  constructor(pointer: string, text: string) {
    this.#pointer = pointer;
    this.#text = text;
    const expression = parseCesql(text);
    this.parts = partsOf(expression.ast);
    this.ways = this.parts ? waysOfAll(this.parts) : waysOf(expression.ast);
    if (!this.parts) this.#expression = expression;
  }

  holds(event: Event): boolean {
    if (this.parts) return this.parts.every((part) => part.holds(event));
    return this.#expression!.passes(new EventScope(event));
  }

  explain(event: Event): Explanation {
    const expression = this.#expression ?? parseCesql(this.#text);
    const { value, error } = expression.evaluate(new EventScope(event));
    const seen: Record<string, unknown> = {};
    for (const { name, read } of operandsOf(expression.ast)) seen[name] = shown(read(event) ?? null);
    const found = error
      ? `ended with the error ${error.kind}: ${error.message}`
      : `is ${JSON.stringify(shown(value))}`;
    return {
      clause: this.#pointer,
      matched: value === true && !error,
      seen,
      reason: `the expression ${found}; sql wants it true and without error`,
    };
  }
}

function operandOf(node: Node): Operand | undefined {
  if (node.kind === 'attribute') return attributeOperand(node.name, node.name);
  if (node.kind === 'data') return dataOperand(`data.${node.path.join('.')}`, node.path, false);
  return undefined;
}

/** Everything that an expression looks at, each once. */
function operandsOf(ast: Node): Operand[] {
  const found = new Map<string, Operand>();
  const visit = (node: Node): void => {
    const operand = operandOf(node);
    if (operand) found.set(operand.key, operand);
    for (const below of nodesBelow(node)) visit(below);
  };
  visit(ast);
  return [...found.values()];
}

function nodesBelow(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'exists':
      return [node.target];
    case 'not':
    case 'negate':
    case 'like':
      return [node.operand];
    case 'in':
      return [node.operand, ...node.elements];
    case 'call':
      return node.operands;
    case 'logic':
    case 'comparison':
    case 'arithmetic':
      return [node.first, ...node.steps.map(({ operand }) => operand)];
    default:
      return [];
  }
}

/** The same as a chain of ANDs says, as comparisons, if every link of it is one: cheaper to try, and an index proves them. */
function partsOf(ast: Node): readonly Clause[] | undefined {
  const links = ast.kind === 'logic' ? [ast.first, ...ast.steps.map(({ operand }) => operand)] : [ast];
  if (ast.kind === 'logic' && ast.steps.some(({ operator }) => operator !== 'AND')) return undefined;
  const parts = links.map(comparisonOf);
  return parts.every((part) => part !== undefined) ? parts : undefined;
}

function comparisonOf(node: Node): Clause | undefined {
  const [way] = waysOf(node);
  if (!way || (node.kind !== 'comparison' && node.kind !== 'in' && node.kind !== 'like')) return undefined;
  if (node.kind === 'like' && !isBeginningOrEnd(node.pattern)) return undefined;
  const [{ operand, kind, probe }] = way.signs as [Sign];
  const values = way.signs.map((sign) => (sign.probe as { readonly value: string }).value);
  const comparison =
    probe.gate === 'prefix'
      ? beginsWithOneOf(values)
      : probe.gate === 'suffix'
        ? endsWithOneOf(values)
        : equalsOneOf(values);
  return new ComparisonClause({
    ...{ pointer: '', operator: 'sql', operand, kind },
    comparison,
  });
}

/** What must be true of an event for the expression to be true, as far as an index can use it. */
function waysOf(node: Node): readonly Way[] {
  switch (node.kind) {
    case 'logic':
      // From left to right, all binding alike: after an AND both sides are necessary, after an OR one of them is.
      return node.steps.reduce<readonly Way[]>((left, { operator, operand }) => {
        if (operator === 'AND') return left.concat(waysOf(operand));
        return operator === 'OR' ? AnyClause.waysOf([left, waysOf(operand)]) : [];
      }, waysOf(node.first));
    case 'comparison': {
      const [step, further] = node.steps;
      if (further || step?.operator !== '=') return [];
      return wayOf(node.first, [step.operand]) ?? wayOf(step.operand, [node.first]) ?? [];
    }
    case 'in':
      return node.negated ? [] : (wayOf(node.operand, node.elements) ?? []);
    case 'like': {
      const operand = operandOf(node.operand);
      const probe = likeProbe(node.pattern);
      return operand && probe && !node.negated
        ? [{ signs: [{ operand, kind: scalarKindOf(operand), probe }] }]
        : [];
    }
    default:
      return [];
  }
}

/** That the operand equals one of these, if these are texts that nothing but their like can equal. */
function wayOf(node: Node, literals: readonly Node[]): readonly Way[] | undefined {
  const operand = operandOf(node);
  if (!operand) return undefined;
  const signs: Sign[] = [];
  for (const literal of literals) {
    if (literal.kind !== 'literal' || typeof literal.value !== 'string' || isCast(literal.value))
      return undefined;
    signs.push({
      operand,
      kind: scalarKindOf(operand),
      probe: { gate: 'exact', value: ownText(literal.value) },
    });
  }
  return [{ signs }];
}

/** Whether a text may equal an integer or a boolean whose own text is another: `'007' = 7` (CESQL §3.7). */
function isCast(text: string): boolean {
  const trimmed = text.trim();
  return /^[+-]?\d+$/.test(trimmed) || /^(?:true|false)$/i.test(trimmed);
}

/** A text that does not hold on to the expression it was cut from, which V8 would make it do. */
const ownText = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le');

/** Half of a character is none of a text that has it whole (`like.ts`), to which a comparison of code units is blind. */
function isBeginningOrEnd(pattern: string): boolean {
  return /^(?:[^%_\\]+%+|%+[^%_\\]+)$/.test(pattern) && isWellFormed(pattern);
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** The literal beginning or end of a pattern. An escape ends what is certain. */
function likeProbe(pattern: string): Probe | undefined {
  const beginning = /^[^%_\\]*/.exec(pattern)![0];
  if (beginning !== '') return { gate: 'prefix', value: ownText(beginning) };
  const end = /^%+([^%_\\]+)$/.exec(pattern)?.[1];
  return end === undefined ? undefined : { gate: 'suffix', value: ownText(end) };
}
