/** Query parameters. */
import { GridpostError } from '@gridpost/model';
import type { Request } from 'express';

/** A whole number within its bounds, both included, or its default. Throws `InvalidParameter`. */
export function wholeNumber(
  req: Request,
  name: string,
  { min, max, default: otherwise }: { readonly min: number; readonly max: number; readonly default: number },
): number {
  const text = req.query[name];
  if (text === undefined) return otherwise;
  const number = typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw invalidParameter(name, `saw ${shown(text)}, expected a whole number from ${min} to ${max}`);
}

export function invalidParameter(name: string, message: string): GridpostError {
  return new GridpostError('InvalidParameter', `the query parameter ${name}: ${message}`, {
    errors: [{ pointer: `query/${name}`, message }],
  });
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, 64);
}
