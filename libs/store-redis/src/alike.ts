/**
 * Deliveries of one entry and one subscription to which the same is to happen, put together: they become one run, and are
 * written and read as one.
 */
import type { EntryId, Incarnation } from '@gridpost/model';
import { isSameState, type LeaseOutcome } from '@gridpost/store';
import { isEntryId, isIndex } from './keys.js';

type End = LeaseOutcome['disposition'];

/** A deferral, or an outcome; a deferral has no token yet. */
interface Ended {
  readonly index: number;
  readonly subscription: Incarnation;
  readonly token?: string;
  readonly disposition: End;
}

export interface Alike {
  readonly entry: EntryId;
  readonly subscription: Incarnation;
  readonly token: string | undefined;
  readonly disposition: End;
  /** Each once. */
  readonly indexes: number[];
  /** Where each stood among those that were put together. */
  readonly positions: number[];
}

/**
 * Of one entry and subscription only the last group grows, so that whatever concerns the same delivery stays in its order.
 * Left out is what no delivery here can have.
 */
export function alikeOf(outcomes: readonly LeaseOutcome[]): Alike[] {
  const groups = new Groups();
  let known: EntryId | undefined;
  for (let position = 0; position < outcomes.length; position++) {
    const outcome = outcomes[position]!;
    if (outcome.entry !== known && !isEntryId(outcome.entry)) continue;
    known = outcome.entry;
    groups.add(known, outcome, position);
  }
  return groups.all;
}

export function alikeOfEntry(entry: EntryId, deferrals: readonly Ended[]): Alike[] {
  const groups = new Groups();
  for (let position = 0; position < deferrals.length; position++)
    groups.add(entry, deferrals[position]!, position);
  return groups.all;
}

/** What became of each of so many outcomes, from the script's answer: `1` or `0` for each of a group, group by group. */
export function appliedOf(count: number, groups: readonly Alike[], done: Buffer): boolean[] {
  const applied = new Array<boolean>(count).fill(false);
  let at = 0;
  for (const { positions } of groups)
    for (const position of positions) applied[position] = done[at++] === one;
  return applied;
}

const one = '1'.charCodeAt(0);

class Groups {
  readonly all: Alike[] = [];
  /** By subscription and entry. */
  readonly #last = new Map<Incarnation, Map<EntryId, Alike>>();

  add(entry: EntryId, { index, subscription, token, disposition }: Ended, position: number): void {
    if (!isIndex(index)) return;
    let entries = this.#last.get(subscription);
    if (!entries) this.#last.set(subscription, (entries = new Map()));
    let group = entries.get(entry);
    if (
      !group ||
      group.token !== token ||
      !isAlike(group.disposition, disposition) ||
      group.indexes.includes(index)
    ) {
      group = { entry, subscription, token, disposition, indexes: [], positions: [] };
      entries.set(entry, group);
      this.all.push(group);
    }
    group.indexes.push(index);
    group.positions.push(position);
  }
}

function isAlike(a: End, b: End): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case 'finished':
      return b.kind === 'finished';
    case 'deferred':
      return b.kind === 'deferred' && a.dueInMs === b.dueInMs && isSameState(a.state, b.state);
    case 'leased':
      return (
        b.kind === 'leased' && a.leaseMs === b.leaseMs && a.token === b.token && isSameState(a.state, b.state)
      );
    case 'deadLettered':
      return b.kind === 'deadLettered' && a.reason === b.reason && isSameState(a.state, b.state);
  }
}
