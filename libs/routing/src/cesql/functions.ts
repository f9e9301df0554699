/**
 * The built-in functions (CloudEvents SQL §3.5). Each gets arguments that are already cast to its parameters' types.
 * Lengths and positions count characters, which are code points.
 */
import type { CesqlErrorKind } from './errors.js';
import { type CesqlType, type CesqlValue, integerMax, integerMin } from './values.js';

/** What a function gives back instead of a value when it fails: the error, and the value that goes with it. */
export class FunctionFailure {
  readonly kind: CesqlErrorKind;
  readonly problem: string;
  readonly value: CesqlValue;

  constructor(value: CesqlValue, problem: string, kind: CesqlErrorKind = 'functionEvaluation') {
    this.value = value;
    this.problem = problem;
    this.kind = kind;
  }
}

export interface CesqlFunction {
  readonly parameters: readonly CesqlType[];
  /** The type of any number of further arguments; undefined if there may be none. */
  readonly rest: CesqlType | undefined;
  readonly returns: CesqlType;
  readonly apply: (values: readonly CesqlValue[]) => CesqlValue | FunctionFailure;
}

/**
 * Characters of a concatenation. The language sets no bound, but CONCAT of CONCAT of an attribute doubles with each
 * level, and memory would end before the levels do.
 */
export const concatenationMax = 1_048_576;

/** The function of that name, in upper case, which takes that many arguments. */
export function findFunction(name: string, count: number): CesqlFunction | undefined {
  return builtIn
    .get(name)
    ?.find(({ parameters, rest }) =>
      rest === undefined ? parameters.length === count : parameters.length <= count,
    );
}

/** How a call may look, for somebody whose call fits nothing; undefined if there is no function of that name. */
export function signaturesOf(name: string): string | undefined {
  return builtIn
    .get(name)
    ?.map(({ parameters, rest }) => {
      const types = rest === undefined ? parameters : [...parameters, `${rest}...`];
      return `${name}(${types.join(', ')})`;
    })
    .join(' or ');
}

type NativeOf<Type extends CesqlType> = Type extends 'String'
  ? string
  : Type extends 'Integer'
    ? number
    : boolean;
type NativesOf<Types extends readonly CesqlType[]> = { [Index in keyof Types]: NativeOf<Types[Index]> };

function define<const Types extends readonly CesqlType[], Returns extends CesqlType>(
  parameters: Types,
  returns: Returns,
  apply: (...values: NativesOf<Types>) => NativeOf<Returns> | FunctionFailure,
): CesqlFunction {
  // The caller has cast the arguments, which the type of a list of values cannot say.
  return { parameters, rest: undefined, returns, apply: (values) => apply(...(values as NativesOf<Types>)) };
}

const builtIn: ReadonlyMap<string, readonly CesqlFunction[]> = new Map([
  // The casts happen on the way to the parameter, so that these three have nothing left to do.
  ['INT', [define(['Integer'], 'Integer', (x) => x)]],
  ['BOOL', [define(['Boolean'], 'Boolean', (x) => x)]],
  ['STRING', [define(['String'], 'String', (x) => x)]],
  ['LENGTH', [define(['String'], 'Integer', lengthOf)]],
  [
    'CONCAT',
    [{ parameters: [], rest: 'String', returns: 'String', apply: (values) => concatenate('', values, 0) }],
  ],
  [
    'CONCAT_WS',
    [
      {
        parameters: ['String'],
        rest: 'String',
        returns: 'String',
        apply: (values) => concatenate(String(values[0]), values, 1),
      },
    ],
  ],
  ['LOWER', [define(['String'], 'String', (x) => x.toLowerCase())]],
  ['UPPER', [define(['String'], 'String', (x) => x.toUpperCase())]],
  ['TRIM', [define(['String'], 'String', trim)]],
  ['LEFT', [define(['String', 'Integer'], 'String', left)]],
  ['RIGHT', [define(['String', 'Integer'], 'String', right)]],
  [
    'SUBSTRING',
    [
      define(['String', 'Integer'], 'String', (x, position) => substring(x, position, integerMax)),
      define(['String', 'Integer', 'Integer'], 'String', substring),
    ],
  ],
  ['ABS', [define(['Integer'], 'Integer', absolute)]],
]);

function concatenate(
  delimiter: string,
  values: readonly CesqlValue[],
  from: number,
): string | FunctionFailure {
  let text = '';
  for (let i = from; i < values.length; i++) {
    if (i > from) text += delimiter;
    text += String(values[i]);
    if (text.length > concatenationMax) {
      return new FunctionFailure('', `the result has more than ${concatenationMax} characters`);
    }
  }
  return text;
}

/** White_Space of Unicode (§3.5.1 TRIM), which is not what the engine trims: that takes U+FEFF and leaves U+0085. */
const whiteSpace = /^\p{White_Space}$/u;

function trim(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && whiteSpace.test(text[from]!)) from++;
  while (to > from && whiteSpace.test(text[to - 1]!)) to--;
  return text.slice(from, to);
}

function left(text: string, count: number): string | FunctionFailure {
  if (count < 0) return new FunctionFailure(text, `expected a length of 0 or more but found ${count}`);
  return text.slice(0, offsetOf(text, 0, count));
}

function right(text: string, count: number): string | FunctionFailure {
  if (count < 0) return new FunctionFailure(text, `expected a length of 0 or more but found ${count}`);
  return text.slice(offsetOf(text, 0, lengthOf(text) - count));
}

/** Positions count from 1, or from the end if they are negative; 0 is nowhere and gives nothing. */
function substring(text: string, position: number, count: number): string | FunctionFailure {
  const length = lengthOf(text);
  if (position > length || position < -length) {
    return new FunctionFailure(
      '',
      `expected a position from -${length} to ${length}, the length of the text, but found ${position}`,
    );
  }
  if (count < 0) return new FunctionFailure('', `expected a length of 0 or more but found ${count}`);
  if (position === 0) return '';
  const from = offsetOf(text, 0, position > 0 ? position - 1 : length + position);
  return text.slice(from, offsetOf(text, from, count));
}

function absolute(value: number): number | FunctionFailure {
  if (value !== integerMin) return Math.abs(value);
  return new FunctionFailure(integerMax, `the absolute value of ${integerMin} is no Integer`, 'math');
}

function lengthOf(text: string): number {
  let length = 0;
  for (let at = 0; at < text.length; at += text.codePointAt(at)! > 0xffff ? 2 : 1) length++;
  return length;
}

/** The offset `count` characters behind the offset `from`, or the end if there are fewer. */
function offsetOf(text: string, from: number, count: number): number {
  let at = from;
  for (let more = count; more > 0 && at < text.length; more--) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return at;
}
