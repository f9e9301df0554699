/**
 * The three types of CloudEvents SQL (§3.1) and the casts between them (§3.7). A cast that is impossible gives
 * undefined; who asked for it knows what to report.
 */

export type CesqlValue = string | number | boolean;
export type CesqlType = 'String' | 'Integer' | 'Boolean';

/** An Integer has 32 bits and a sign. */
export const integerMin = -2_147_483_648;
export const integerMax = 2_147_483_647;

/** What a subexpression is worth after an error, by the type it would have had (§3.1, §3.3). */
export const zeroOf: Readonly<Record<CesqlType, CesqlValue>> = { String: '', Integer: 0, Boolean: false };

/** The texts that cast to an Integer, but for their range. Leading zeros are allowed, spaces are not. */
const integerText = /^[+-]?[0-9]+$/;

export function typeOf(value: CesqlValue): CesqlType {
  if (typeof value === 'string') return 'String';
  return typeof value === 'number' ? 'Integer' : 'Boolean';
}

export function isInteger(value: number): boolean {
  return Number.isInteger(value) && value >= integerMin && value <= integerMax;
}

export function toText(value: CesqlValue): string {
  return typeof value === 'string' ? value : String(value);
}

export function toInteger(value: CesqlValue): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return integerText.test(value) ? integerOf(Number(value)) : undefined;
}

export function toBoolean(value: CesqlValue): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value !== 0;
  // The length is looked at first, so that a long text is not folded in vain.
  if (value.length !== 4 && value.length !== 5) return undefined;
  const folded = value.toLowerCase();
  if (folded === 'true') return true;
  return folded === 'false' ? false : undefined;
}

export function castTo(type: CesqlType, value: CesqlValue): CesqlValue | undefined {
  if (type === 'String') return toText(value);
  return type === 'Integer' ? toInteger(value) : toBoolean(value);
}

/** The number as an Integer, or undefined if it is none. Negative zero is the same Integer as zero. */
export function integerOf(value: number): number | undefined {
  return isInteger(value) ? value | 0 : undefined;
}

/**
 * What an attribute or a place in JSON data is to an expression, or undefined where there is nothing to compute with:
 * null, an object, an array or nothing at all. Numbers that are no Integer become their JSON text.
 */
export function usable(found: unknown): CesqlValue | undefined {
  if (typeof found === 'string' || typeof found === 'boolean') return found;
  if (typeof found !== 'number' || !Number.isFinite(found)) return undefined;
  return integerOf(found) ?? JSON.stringify(found);
}
