/** An expression of CloudEvents SQL, read and compiled once and evaluated for any number of events. */
import type { CesqlError } from './errors.js';
import { type CesqlScope, compile, FirstError, valueAfter } from './evaluation.js';
import { type CesqlLimits, cesqlLimits, parse } from './parser.js';
import type { Node } from './syntax.js';
import type { CesqlValue } from './values.js';

export interface CesqlResult {
  readonly value: CesqlValue;
  /** The first error; the value is then the one that the specification gives after it. */
  readonly error?: CesqlError;
}

/** Immutable, and may be evaluated as often as wanted. Neither method throws unless the scope does. */
export interface CesqlExpression {
  readonly ast: Node;
  /** The value and the first error, with its words. */
  evaluate(scope: CesqlScope): CesqlResult;
  /** Whether the expression, as a filter, lets the event pass: its value is true and no error occurred (§1.2). */
  passes(scope: CesqlScope): boolean;
}

/** Throws `CesqlSyntaxError` if the text is no expression or exceeds a limit. */
export function parseCesql(text: string, limits: CesqlLimits = cesqlLimits): CesqlExpression {
  const ast = parse(text, limits);
  const evaluator = compile(ast);
  return {
    ast,
    evaluate(scope) {
      const first = new FirstError();
      const value = evaluator(scope, first);
      if (value !== undefined) return { value };
      return { value: valueAfter(first, ast), error: first.error! };
    },
    passes: (scope) => evaluator(scope, undefined) === true,
  };
}
