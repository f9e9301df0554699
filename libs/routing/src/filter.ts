/**
 * What a subscription's filter means for one event, clause by clause. Compiled once, when the subscription is written
 * or loaded; evaluated without allocation. Which events need to be looked at is the index's business.
 */
import type { Event, SubscriptionFilter } from '@gridpost/model';

export interface CompiledFilter {
  /** Event types that can match, or undefined for all. The way into the index. */
  readonly types: readonly string[] | undefined;
  /** Whether the event passes everything but the type. */
  passes(event: Event): boolean;
}

/** Event Grid's word for "every type", beside absent, null and empty (Event Grid, "Event filtering"). */
const everyType = 'All';

export function compileFilter(filter: SubscriptionFilter): CompiledFilter {
  const included = filter.includedEventTypes;
  const types =
    included === undefined || included === null || included.length === 0 || included.includes(everyType)
      ? undefined
      : [...new Set(included)];
  const sensitive = filter.isSubjectCaseSensitive ?? false;
  const fold = (text: string): string => (sensitive ? text : text.toLowerCase());
  const begin = fold(filter.subjectBeginsWith ?? '');
  const end = fold(filter.subjectEndsWith ?? '');
  if (begin === '' && end === '') return { types, passes: () => true };
  return {
    types,
    passes(event) {
      // An event without a subject has none of these endings: only an empty one would match it.
      const subject = event.subject;
      if (subject === undefined) return false;
      const folded = fold(subject);
      return folded.startsWith(begin) && folded.endsWith(end);
    },
  };
}
