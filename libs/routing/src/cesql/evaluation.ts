/**
 * Compiles a syntax tree into closures that evaluate it (CloudEvents SQL §3). One rule serves both modes of §4.1: an
 * operator or function that meets an error in an operand it needs is worth the zero of its type. Nothing that happens
 * later can then change the value or come before the first error, so a closure gives undefined as soon as it meets
 * one, and the value that goes with it is found out at the root, if anybody asks.
 *
 * It is one file because every node's closure speaks this same small protocol.
 */
import { type CesqlError, type CesqlErrorKind, shown } from './errors.js';
import { FunctionFailure, findFunction, signaturesOf } from './functions.js';
import { compileLike } from './like.js';
import type {
  ArithmeticOperator,
  AttributeNode,
  CallNode,
  ComparisonOperator,
  DataNode,
  ExistsNode,
  InNode,
  LikeNode,
  LogicOperator,
  NegateNode,
  Node,
  NotNode,
  Step,
} from './syntax.js';
import {
  type CesqlType,
  type CesqlValue,
  castTo,
  integerOf,
  toBoolean,
  toInteger,
  toText,
  typeOf,
  usable,
  zeroOf,
} from './values.js';

/** What an expression looks at. */
export interface CesqlScope {
  /** A context attribute by its exact lower-case name; undefined if it is missing. */
  attribute(name: string): CesqlValue | undefined;
  /** The value in the event's JSON data at a path of at least one key; undefined if it is missing. */
  data(path: readonly string[]): unknown;
}

/** Keeps the first error of one evaluation. Left out where only the fact matters, as words cost more than the rest. */
export class FirstError {
  error: CesqlError | undefined;
  /** The function that failed and the value that the specification gives it then. */
  call: CallNode | undefined;
  value: CesqlValue | undefined;

  note(kind: CesqlErrorKind, message: string): void {
    this.error ??= { kind, message };
  }
}

/** Gives undefined after an error, which is noted in `first`. */
export type Evaluator = (scope: CesqlScope, first: FirstError | undefined) => CesqlValue | undefined;

/** Carries a chain from the value of its left side to the value with one operand more. */
type Stride = (left: CesqlValue, scope: CesqlScope, first: FirstError | undefined) => CesqlValue | undefined;

export function compile(node: Node): Evaluator {
  switch (node.kind) {
    case 'literal': {
      const { value } = node;
      return () => value;
    }
    case 'attribute':
      return attribute(node);
    case 'data':
      return data(node);
    case 'exists':
      return exists(node);
    case 'not':
      return not(node);
    case 'negate':
      return negate(node);
    case 'like':
      return like(node);
    case 'in':
      return membership(node);
    case 'call':
      return call(node);
    case 'logic':
      return chain(
        node.first,
        node.steps.map((step) => logic(step, node.at)),
      );
    case 'comparison':
      return chain(
        node.first,
        node.steps.map((step) => comparison(step, node.at)),
      );
    case 'arithmetic':
      return chain(
        node.first,
        node.steps.map((step) => arithmetic(step, node.at)),
      );
  }
}

/** What the whole is worth after an error. Attributes may be of any type, for which Boolean is assumed (§3.2). */
export function valueAfter(first: FirstError, root: Node): CesqlValue {
  if (first.call === root && first.value !== undefined) return first.value;
  switch (root.kind) {
    case 'negate':
    case 'arithmetic':
      return zeroOf.Integer;
    case 'call':
      return zeroOf[findFunction(root.name, root.operands.length)?.returns ?? 'Boolean'];
    default:
      return zeroOf.Boolean;
  }
}

function attribute({ name, at }: AttributeNode): Evaluator {
  return (scope, first) => {
    const value = usable(scope.attribute(name));
    if (value === undefined)
      first?.note('missingAttribute', `the event has no attribute ${name}, at offset ${at}`);
    return value;
  };
}

function data({ path, at }: DataNode): Evaluator {
  return (scope, first) => {
    const value = usable(scope.data(path));
    if (value === undefined) {
      const place = shown(`data.${path.join('.')}`);
      first?.note(
        'missingAttribute',
        `the event has no string, number or boolean at ${place}, at offset ${at}`,
      );
    }
    return value;
  };
}

function exists({ target }: ExistsNode): Evaluator {
  if (target.kind === 'data') {
    const { path } = target;
    return (scope) => usable(scope.data(path)) !== undefined;
  }
  const { name } = target;
  return (scope) => usable(scope.attribute(name)) !== undefined;
}

function not({ operand }: NotNode): Evaluator {
  const evaluate = compile(operand);
  return (scope, first) => {
    const value = evaluate(scope, first);
    const truth = value === undefined ? undefined : booleanOf(value, operand.at, first);
    return truth === undefined ? undefined : !truth;
  };
}

function negate({ operand, at }: NegateNode): Evaluator {
  const evaluate = compile(operand);
  return (scope, first) => {
    const value = evaluate(scope, first);
    const number = value === undefined ? undefined : wholeOf(value, operand.at, first);
    if (number === undefined) return undefined;
    const result = integerOf(-number);
    if (result === undefined) first?.note('math', `-(${number}) is no Integer of 32 bits, at offset ${at}`);
    return result;
  };
}

function like({ operand, pattern, negated }: LikeNode): Evaluator {
  const evaluate = compile(operand);
  const matches = compileLike(pattern);
  return (scope, first) => {
    const value = evaluate(scope, first);
    return value === undefined ? undefined : matches(toText(value)) !== negated;
  };
}

/** The elements are looked at from left to right until one is equal, as `x = a OR x = b` would be. */
function membership({ operand, elements, negated }: InNode): Evaluator {
  const evaluate = compile(operand);
  const evaluators = elements.map(compile);
  // A String among literals, which is what nearly all filters ask, is found without going through them.
  const literals = elements.map((element) =>
    element.kind === 'literal' ? toText(element.value) : undefined,
  );
  const texts = literals.includes(undefined) ? undefined : new Set(literals);
  return (scope, first) => {
    const value = evaluate(scope, first);
    if (value === undefined) return undefined;
    if (typeof value === 'string' && texts !== undefined) return texts.has(value) !== negated;
    const type = typeOf(value);
    for (let i = 0; i < evaluators.length; i++) {
      const element = evaluators[i]!(scope, first);
      if (element === undefined) return undefined;
      const cast = castTo(type, element);
      if (cast === undefined) return noteCast(element, type, elements[i]!.at, first);
      if (cast === value) return !negated;
    }
    return negated;
  };
}

function call(node: CallNode): Evaluator {
  const { name, operands, at } = node;
  const found = findFunction(name, operands.length);
  if (found === undefined) {
    return (_scope, first) => {
      const signatures = signaturesOf(name);
      const advice = signatures === undefined ? '' : `; expected ${signatures}`;
      first?.note(
        'missingFunction',
        `there is no function ${shown(name)} of ${operands.length} arguments, at offset ${at}${advice}`,
      );
      return undefined;
    };
  }
  const evaluators = operands.map(compile);
  return (scope, first) => {
    const values: CesqlValue[] = [];
    for (const evaluate of evaluators) {
      const value = evaluate(scope, first);
      if (value === undefined) return undefined;
      values.push(value);
    }
    for (let i = 0; i < values.length; i++) {
      const type = found.parameters[i] ?? found.rest!;
      const cast = castTo(type, values[i]!);
      if (cast === undefined) return noteCast(values[i]!, type, operands[i]!.at, first);
      values[i] = cast;
    }
    const result = found.apply(values);
    if (!(result instanceof FunctionFailure)) return result;
    if (first !== undefined) {
      first.note(result.kind, `${name}: ${result.problem}, at offset ${at}`);
      first.call = node;
      first.value = result.value;
    }
    return undefined;
  };
}

/** One loop for all operators of a chain: closures nested as deep as it is long would exhaust the stack. */
function chain(firstOperand: Node, strides: readonly Stride[]): Evaluator {
  const begin = compile(firstOperand);
  const [only, ...others] = strides as [Stride, ...Stride[]];
  if (others.length === 0) {
    return (scope, first) => {
      const left = begin(scope, first);
      return left === undefined ? undefined : only(left, scope, first);
    };
  }
  return (scope, first) => {
    let value = begin(scope, first);
    for (let i = 0; i < strides.length && value !== undefined; i++) value = strides[i]!(value, scope, first);
    return value;
  };
}

/** AND and OR do not look at their right side when the left one decides (§3.4.2). */
function logic({ operator, operand }: Step<LogicOperator>, leftAt: number): Stride {
  const evaluate = compile(operand);
  const rightAt = operand.at;
  if (operator === 'XOR') {
    return (left, scope, first) => {
      const right = evaluate(scope, first);
      if (right === undefined) return undefined;
      const leftTruth = booleanOf(left, leftAt, first);
      if (leftTruth === undefined) return undefined;
      const rightTruth = booleanOf(right, rightAt, first);
      return rightTruth === undefined ? undefined : leftTruth !== rightTruth;
    };
  }
  const undecided = operator === 'AND';
  return (left, scope, first) => {
    const truth = booleanOf(left, leftAt, first);
    if (truth !== undecided) return truth;
    const right = evaluate(scope, first);
    return right === undefined ? undefined : booleanOf(right, rightAt, first);
  };
}

function comparison({ operator, operand }: Step<ComparisonOperator>, leftAt: number): Stride {
  if (operator === '=' || operator === '!=') return equality(operand, operator === '!=', leftAt);
  const evaluate = compile(operand);
  return (left, scope, first) => {
    const right = evaluate(scope, first);
    if (right === undefined) return undefined;
    const x = wholeOf(left, leftAt, first);
    if (x === undefined) return undefined;
    const y = wholeOf(right, operand.at, first);
    return y === undefined ? undefined : isInOrder(operator, x, y);
  };
}

/** There is an equality for each type, and the type of the right side decides which is meant (§3.7). */
function equality(operand: Node, negated: boolean, leftAt: number): Stride {
  if (operand.kind === 'literal' && typeof operand.value === 'string') {
    const text = operand.value;
    return (left) => (toText(left) === text) !== negated;
  }
  const evaluate = compile(operand);
  return (left, scope, first) => {
    const right = evaluate(scope, first);
    if (right === undefined) return undefined;
    const type = typeOf(right);
    const cast = castTo(type, left);
    return cast === undefined ? noteCast(left, type, leftAt, first) : (cast === right) !== negated;
  };
}

function isInOrder(operator: Exclude<ComparisonOperator, '=' | '!='>, x: number, y: number): boolean {
  switch (operator) {
    case '<':
      return x < y;
    case '<=':
      return x <= y;
    case '>':
      return x > y;
    case '>=':
      return x >= y;
  }
}

function arithmetic({ operator, operand }: Step<ArithmeticOperator>, leftAt: number): Stride {
  const evaluate = compile(operand);
  const rightAt = operand.at;
  return (left, scope, first) => {
    const right = evaluate(scope, first);
    if (right === undefined) return undefined;
    const x = wholeOf(left, leftAt, first);
    if (x === undefined) return undefined;
    const y = wholeOf(right, rightAt, first);
    if (y === undefined) return undefined;
    // What divides by zero comes out as infinite or no number, and so as no Integer. Products may lose their last
    // digits, but only far outside the range.
    const result = integerOf(calculate(operator, x, y));
    if (result === undefined) {
      // Adding, subtracting or multiplying by zero stays within the range.
      const problem = y === 0 ? 'divides by zero' : 'is no Integer of 32 bits';
      first?.note('math', `${x} ${operator} ${y} ${problem}, at offset ${rightAt}`);
    }
    return result;
  };
}

function calculate(operator: ArithmeticOperator, x: number, y: number): number {
  switch (operator) {
    case '*':
      return x * y;
    case '/':
      return Math.trunc(x / y);
    case '%':
      return x % y;
    case '+':
      return x + y;
    case '-':
      return x - y;
  }
}

function booleanOf(value: CesqlValue, at: number, first: FirstError | undefined): boolean | undefined {
  if (typeof value === 'boolean') return value;
  const truth = toBoolean(value);
  if (truth === undefined) noteCast(value, 'Boolean', at, first);
  return truth;
}

function wholeOf(value: CesqlValue, at: number, first: FirstError | undefined): number | undefined {
  const whole = toInteger(value);
  if (whole === undefined) noteCast(value, 'Integer', at, first);
  return whole;
}

/** Only a String can be impossible to cast, and never to a String. */
const castable: Readonly<Record<CesqlType, string>> = {
  String: 'anything',
  Integer: 'digits, with a sign or without, within 32 bits',
  Boolean: '"true" or "false"',
};

function noteCast(value: CesqlValue, type: CesqlType, at: number, first: FirstError | undefined): undefined {
  first?.note(
    'cast',
    `${shown(toText(value))} cannot be read as ${type}, at offset ${at}; expected ${castable[type]}`,
  );
  return undefined;
}
