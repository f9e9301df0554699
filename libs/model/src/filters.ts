/**
 * Filters as users write them: Event Grid's (`filter`) and those of the CloudEvents Subscriptions API (`filters`). What
 * they mean stands in `libs/routing/PATTERNS.md`.
 */

/** One of Event Grid's 19 operators on one key. */
export interface AdvancedFilter {
  readonly operatorType: string;
  /** Context attribute, or a dotted path into the data that begins with `data`. */
  readonly key: string;
  /** Of an operator that compares with one value. */
  readonly value?: number | boolean;
  /** Of an operator that compares with several: any of them may hit. Ranges are pairs, both ends included. */
  readonly values?: readonly (string | number | readonly number[])[];
}

export interface SubscriptionFilter {
  /** Absent, null, empty or containing `All`: every type (Event Grid, "Event filtering"). */
  readonly includedEventTypes?: readonly string[] | null;
  readonly subjectBeginsWith?: string;
  readonly subjectEndsWith?: string;
  /** Default false. */
  readonly isSubjectCaseSensitive?: boolean;
  /** All of them must hold. */
  readonly advancedFilters?: readonly AdvancedFilter[];
  /** Whether advanced filters look at the elements of arrays. Default false. */
  readonly enableAdvancedFilteringOnArrays?: boolean;
}

/** Texts by context attribute, or by a dotted path into the data that begins with `data`. */
export type Texts = Readonly<Record<string, string>>;

/** One entry of `filters`: exactly one of these (CloudEvents Subscriptions API 1.0-wip, "Filters"). */
export type FilterEntry =
  | { readonly exact: Texts }
  | { readonly prefix: Texts }
  | { readonly suffix: Texts }
  | { readonly all: readonly FilterEntry[] }
  | { readonly any: readonly FilterEntry[] }
  | { readonly not: FilterEntry }
  | { readonly sql: string };
