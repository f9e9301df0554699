/**
 * The kinds in which values are compared. A kind says what of a value it compares; what it finds nothing in is *of
 * another kind*, which counts as missing.
 */

export interface Kind<V extends Scalar = Scalar> {
  readonly name: 'text' | 'folded' | 'scalar' | 'number' | 'boolean';
  /** What it compares, in words. */
  readonly plural: string;
  /** What of a value is compared; undefined if it is of another kind. Attributes are text, JSON data has kinds. */
  of(value: unknown, inData: boolean): V | undefined;
}

export type Scalar = string | number | boolean;

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Strings, with regard to case. */
export const textKind: Kind<string> = { name: 'text', plural: 'strings', of: text };

/** Strings, without regard to case. */
export const foldedKind: Kind<string> = {
  name: 'folded',
  plural: 'strings',
  of: (value) => (typeof value === 'string' ? value.toLowerCase() : undefined),
};

/** Strings, numbers and booleans by their text, with regard to case. */
export const scalarKind: Kind<string> = {
  name: 'scalar',
  plural: 'strings, numbers and booleans',
  of: (value) =>
    typeof value === 'string'
      ? value
      : typeof value === 'number' || typeof value === 'boolean'
        ? String(value)
        : undefined,
};

/** As `scalarKind`, and one with others that compare attributes as text: attributes are nothing else. */
export const scalarKindOf = ({ inData }: { readonly inData: boolean }): Kind<string> =>
  inData ? scalarKind : textKind;

/** RFC 8259 §6. */
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

export const numberKind: Kind<number> = {
  name: 'number',
  plural: 'numbers',
  of(value, inData) {
    if (inData) return typeof value === 'number' ? value : undefined;
    return typeof value === 'string' && jsonNumber.test(value) ? Number(value) : undefined;
  },
};

export const booleanKind: Kind<boolean> = {
  name: 'boolean',
  plural: 'booleans',
  of(value, inData) {
    if (inData) return typeof value === 'boolean' ? value : undefined;
    return value === 'true' ? true : value === 'false' ? false : undefined;
  },
};
