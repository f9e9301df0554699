/**
 * What a template's values are once its parameters, variables and expressions are known. Nothing is looked at twice, and
 * all that expressions come to is bounded together, since each variable could be made of the one before, doubled.
 */
import { type FieldError, isObject, limits, pointerTo } from '@gridpost/model';
import { invalidResource } from '../../validation.js';
import { memberOf } from '../foreign.js';
import type { Group } from '../paths.js';
import { type Expression, ExpressionFault, parseText } from './expression.js';
import { callFunction, type Surroundings } from './functions.js';

export interface Parameter {
  readonly type: string;
  readonly defaultValue?: unknown;
  readonly allowedValues?: readonly unknown[];
  readonly minValue?: number;
  readonly maxValue?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

export interface Definitions {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly variables: Readonly<Record<string, unknown>>;
  /** Values that came with the template, by the parameters' names. */
  readonly given: Readonly<Record<string, { readonly value?: unknown }>>;
}

/** Parameters and variables that may be made of each other in a row. */
const chainMax = 50;

/** Characters and members that all results of functions may have together. */
const sizeMax = 4 * 1024 * 1024;

const types: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  securestring: (value) => typeof value === 'string',
  int: Number.isSafeInteger,
  bool: (value) => typeof value === 'boolean',
  object: isObject,
  secureobject: isObject,
  array: Array.isArray,
};

export class Evaluation implements Surroundings {
  readonly group: Group;
  readonly #definitions: Definitions;
  /** Values that are known, and those that are being found out: who asks for one of these goes in a circle. */
  readonly #values = new Map<string, { readonly value?: unknown; readonly fault?: Error } | 'underWay'>();
  #size = 0;
  #chain = 0;

  constructor(definitions: Definitions, group: Group) {
    this.#definitions = definitions;
    this.group = group;
  }

  /** The value with every expression in it replaced. Throws `InvalidResource` with the places of those that are wrong. */
  evaluate(value: unknown, pointer: string): unknown {
    const faults: FieldError[] = [];
    const result = this.#walk(value, pointer, faults);
    if (faults.length) throw invalidResource(faults);
    return result;
  }

  /** What is wrong with the parameters themselves, used or not; `at` is where they are, and where their values are. */
  parameterFaults(at: string, givenAt: string): FieldError[] {
    const { parameters, given } = this.#definitions;
    const faults: FieldError[] = [];
    for (const name of Object.keys(given)) {
      if (nameIn(parameters, name) === undefined) {
        faults.push({ pointer: pointerTo(givenAt, name), message: 'is no parameter of the template' });
      }
    }
    for (const name of Object.keys(parameters)) {
      const isGiven = nameIn(given, name) !== undefined;
      const pointer = pointerTo(isGiven ? givenAt : at, name);
      faults.push(...faultsOf(pointer, () => this.parameter(name)));
    }
    return faults;
  }

  parameter(name: string): unknown {
    const { parameters, given } = this.#definitions;
    const known = nameIn(parameters, name);
    if (known === undefined) throw new ExpressionFault(`the template has no parameter ${short(name)}`);
    return this.#once(`parameter ${short(known)}`, () => {
      const parameter = parameters[known]!;
      const givenName = nameIn(given, known);
      if (givenName === undefined && parameter.defaultValue === undefined) {
        throw new ExpressionFault(`the parameter ${short(known)} has neither a value nor a default`);
      }
      const value =
        givenName === undefined ? this.#plain(parameter.defaultValue) : (given[givenName]!.value ?? null);
      const fault = parameterFault(parameter, value);
      if (fault) throw new ExpressionFault(`the parameter ${short(known)} ${fault}`);
      return value;
    });
  }

  variable(name: string): unknown {
    const { variables } = this.#definitions;
    const known = nameIn(variables, name);
    if (known === undefined) throw new ExpressionFault(`the template has no variable ${short(name)}`);
    return this.#once(`variable ${short(known)}`, () => this.#plain(variables[known]));
  }

  /** Faults are remembered as well, or a wrong value that many others are made of would be tried once for each. */
  #once(what: string, find: () => unknown): unknown {
    const known = this.#values.get(what);
    if (known === 'underWay') throw new ExpressionFault(`the ${what} is made of itself`);
    if (known?.fault) throw known.fault;
    if (known) return known.value;
    if (this.#chain === chainMax)
      throw new ExpressionFault(`the ${what} ends a row of more than ${chainMax}`);
    this.#values.set(what, 'underWay');
    this.#chain++;
    try {
      const value = find();
      this.#values.set(what, { value });
      return value;
    } catch (error) {
      this.#values.set(what, { fault: error as Error });
      throw error;
    } finally {
      this.#chain--;
    }
  }

  /** A value whose own place is not known to whoever asks for it: the first fault in it is the asker's. */
  #plain(value: unknown): unknown {
    const faults: FieldError[] = [];
    const result = this.#walk(value, '', faults);
    if (faults.length) throw new ExpressionFault(faults[0]!.message);
    return result;
  }

  #walk(value: unknown, pointer: string, faults: FieldError[]): unknown {
    if (typeof value === 'string') {
      let result: unknown;
      faults.push(...faultsOf(pointer, () => void (result = this.#text(value))));
      return result;
    }
    if (Array.isArray(value)) {
      return value.map((item, index) => this.#walk(item, pointerTo(pointer, String(index)), faults));
    }
    if (!isObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => {
        const at = pointerTo(pointer, name);
        if (name.startsWith('[') && name.endsWith(']')) {
          faults.push({ pointer: at, message: 'is a name made by an expression, which is not supported' });
        }
        return [name, this.#walk(member, at, faults)];
      }),
    );
  }

  #text(text: string): unknown {
    const parsed = parseText(text);
    return typeof parsed === 'string' ? parsed : this.#result(parsed);
  }

  #result(expression: Expression): unknown {
    switch (expression.kind) {
      case 'literal':
        return expression.value;
      case 'call': {
        const args = expression.args.map((arg) => this.#result(arg));
        return this.#bounded(callFunction(expression.name, args, this));
      }
      case 'member':
        return memberNamed(this.#result(expression.of), expression.name);
      case 'item': {
        const of = this.#result(expression.of);
        const index = this.#result(expression.index);
        if (typeof index === 'string') return memberNamed(of, index);
        if (Array.isArray(of) && typeof index === 'number' && index in of) return of[index];
        throw new ExpressionFault(`there is no item ${short(String(index))}`);
      }
    }
  }

  #bounded(value: unknown): unknown {
    this.#size += sizeOf(value);
    if (this.#size > sizeMax)
      throw new ExpressionFault(`with the others before it comes to more than ${sizeMax} characters`);
    return value;
  }
}

function faultsOf(pointer: string, find: () => unknown): FieldError[] {
  try {
    find();
    return [];
  } catch (error) {
    if (error instanceof ExpressionFault) return [{ pointer, message: error.message }];
    throw error;
  }
}

/** In words that do not repeat the value, which may be a secret. */
function parameterFault(parameter: Parameter, value: unknown): string | undefined {
  const { type, allowedValues, minValue, maxValue, minLength, maxLength } = parameter;
  const isOfType = memberOf(types, type.toLowerCase()) as (typeof types)[string] | undefined;
  if (!isOfType) return `has the type ${short(type)}, which is none of ${Object.keys(types).join(', ')}`;
  if (!isOfType(value)) return `is not of its type ${type}`;
  if (allowedValues && !allowedValues.some((allowed) => JSON.stringify(allowed) === JSON.stringify(value))) {
    return 'is none of its allowedValues';
  }
  if (typeof value === 'number') {
    if (minValue !== undefined && value < minValue) return `is less than its minValue ${minValue}`;
    if (maxValue !== undefined && value > maxValue) return `is more than its maxValue ${maxValue}`;
  }
  if (typeof value === 'string' || Array.isArray(value)) {
    if (minLength !== undefined && value.length < minLength)
      return `is shorter than its minLength ${minLength}`;
    if (maxLength !== undefined && value.length > maxLength)
      return `is longer than its maxLength ${maxLength}`;
  }
  return undefined;
}

function memberNamed(value: unknown, name: string): unknown {
  const known = isObject(value) ? nameIn(value, name) : undefined;
  if (known === undefined) throw new ExpressionFault(`there is no property ${short(name)}`);
  return (value as Record<string, unknown>)[known];
}

/** The object's own name that is this one but for its case. */
function nameIn(object: object, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return Object.keys(object).find((each) => each.toLowerCase() === wanted);
}

function sizeOf(value: unknown, depth = 0): number {
  if (typeof value === 'string') return value.length + 1;
  if (typeof value !== 'object' || value === null) return 1;
  if (depth === limits.jsonDepthMax) {
    throw new ExpressionFault(`nests deeper than ${limits.jsonDepthMax} levels`);
  }
  let size = 1;
  for (const member of Object.values(value)) size += sizeOf(member, depth + 1);
  return size;
}

function short(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
