/** What is wrong with a filter, collected while it is compiled, so that all of it can be told at once. */
import type { FieldError } from '@gridpost/model';

export interface FilterLimits {
  /** Advanced filters, and entries of `filters` at any depth, together. */
  readonly clausesMax: number;
  /** Values in all clauses together. */
  readonly valuesMax: number;
  /** UTF-8 bytes of one value, key or attribute name. */
  readonly stringBytesMax: number;
}

export const defaultFilterLimits: FilterLimits = { clausesMax: 100, valuesMax: 1_000, stringBytesMax: 1_024 };

/** A filter that was refused. Pointers are JSON pointers in the subscription's properties. */
export class FilterRefused extends Error {
  readonly faults: readonly FieldError[];

  constructor(faults: readonly FieldError[]) {
    super(faults.map(({ pointer, message }) => `${pointer}: ${message}`).join('; '));
    this.name = 'FilterRefused';
    this.faults = faults;
  }
}

/** Keeps count of what a filter costs, and of what is wrong with it. */
export class Inspection {
  readonly faults: FieldError[] = [];
  readonly #limits: FilterLimits;
  #clauses = 0;
  #values = 0;

  constructor(limits: FilterLimits) {
    this.#limits = limits;
  }

  fault(pointer: string, message: string): undefined {
    this.faults.push({ pointer, message });
    return undefined;
  }

  clause(pointer: string): void {
    // Told once, where it is first exceeded.
    if (++this.#clauses === this.#limits.clausesMax + 1)
      this.fault(pointer, `expected at most ${this.#limits.clausesMax} clauses in all`);
  }

  values(pointer: string, count: number): void {
    const before = this.#values;
    this.#values += count;
    const { valuesMax } = this.#limits;
    if (before <= valuesMax && this.#values > valuesMax)
      this.fault(
        pointer,
        `saw ${this.#values} values up to here, expected at most ${valuesMax} in all clauses`,
      );
  }

  /** Whether the text is short enough. */
  text(pointer: string, text: string): boolean {
    const bytes = Buffer.byteLength(text);
    const { stringBytesMax } = this.#limits;
    if (bytes <= stringBytesMax) return true;
    this.fault(pointer, `saw ${bytes} bytes, expected at most ${stringBytesMax}`);
    return false;
  }
}

/** What was seen, for a message: short. */
export function sawText(value: unknown): string {
  const json = JSON.stringify(value) ?? 'nothing';
  return json.length > 60 ? `${json.slice(0, 60)}…` : json;
}
