/**
 * How an expression is refused when it is written, what is reported when it is evaluated, and how either message shows
 * what it complains about.
 */

/** The expression cannot be read. The message names what was seen, where, and what was expected. */
export class CesqlSyntaxError extends Error {
  override readonly name = 'CesqlSyntaxError';
  /** Where in the text, in UTF-16 code units from 0. */
  readonly at: number;

  constructor(at: number, problem: string) {
    super(`at offset ${at}: ${problem}`);
    this.at = at;
  }
}

/** The kinds of CloudEvents SQL §3.3 without ParseError, which is `CesqlSyntaxError`. */
export type CesqlErrorKind =
  | 'math'
  | 'cast'
  | 'missingAttribute'
  | 'missingFunction'
  | 'functionEvaluation'
  | 'generic';

/** What went wrong in an evaluation. Offsets in the message are those of the expression's text. */
export interface CesqlError {
  readonly kind: CesqlErrorKind;
  readonly message: string;
}

/** Code units shown of a text; as much as a person needs to find it again. */
const shownMax = 40;

/** The beginning of the text, in quotes, with control characters and unpaired surrogates escaped. */
export function shown(text: string): string {
  return JSON.stringify(text.length > shownMax ? `${text.slice(0, shownMax)}…` : text);
}
