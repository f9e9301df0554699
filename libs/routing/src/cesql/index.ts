/** CloudEvents SQL 1.0.0, with paths into JSON data. What the specification leaves open is decided in `DECISIONS.md`. */
export { type CesqlError, type CesqlErrorKind, CesqlSyntaxError } from './errors.js';
export type { CesqlScope } from './evaluation.js';
export { type CesqlExpression, type CesqlResult, parseCesql } from './expression.js';
export { type CesqlLimits, cesqlLimits } from './parser.js';
export type * from './syntax.js';
export type { CesqlValue } from './values.js';
