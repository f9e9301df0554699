/** Events for tests of expressions: attributes and data as plain objects. */
import type { CesqlScope } from '../evaluation.js';
import { type CesqlResult, parseCesql } from '../expression.js';
import type { CesqlValue } from '../values.js';

/** Walks objects only, and only along their own members. */
export function scopeOf(attributes: Record<string, CesqlValue> = {}, data?: unknown): CesqlScope {
  return {
    attribute: (name) => (Object.hasOwn(attributes, name) ? attributes[name] : undefined),
    data(path) {
      let value = data;
      for (const key of path) {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
        if (!Object.hasOwn(value, key)) return undefined;
        value = (value as Record<string, unknown>)[key];
      }
      return value;
    },
  };
}

export function evaluate(text: string, attributes?: Record<string, CesqlValue>, data?: unknown): CesqlResult {
  return parseCesql(text).evaluate(scopeOf(attributes, data));
}

/** The value alone after a success, and otherwise the value with the kind of the error. */
export function outcome(
  text: string,
  attributes?: Record<string, CesqlValue>,
  data?: unknown,
): CesqlValue | readonly [CesqlValue, string] {
  const { value, error } = evaluate(text, attributes, data);
  return error === undefined ? value : [value, error.kind];
}
