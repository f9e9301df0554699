/**
 * Names of keys, channels and queue members. Every key of a partition carries the partition's hash tag, so that one
 * script touches one slot; scripts derive further keys from the one they are given (`DESIGN.md` lists them).
 *
 * Nothing a user chose ever becomes part of a key: incarnations are checked here, and names and paths are only values.
 */
import { type EntryId, type Incarnation, limits } from '@gridpost/model';

/** The key a script is given: `{prefix:p3}`, or `{prefix:config}` for resources and membership. */
export type Key = string;

const prefixRule = /^[A-Za-z0-9_.-]{1,64}$/;
const incarnationRule = /^[0-9A-Za-z]{1,32}$/;
const entryRule = /^(\d{1,13})-(\d{1,10})$/;

export function checkPrefix(prefix: string): string {
  if (prefixRule.test(prefix)) return prefix;
  throw new RangeError(`key prefix ${JSON.stringify(prefix)}: expected 1 to 64 of A-Z a-z 0-9 _ . -`);
}

export const partitionKey = (prefix: string, partition: number): Key => `{${prefix}:p${partition}}`;
export const configKey = (prefix: string): Key => `{${prefix}:config}`;
export const wakeChannel = (prefix: string): string => `${prefix}:wake`;
export const deferredChannel = (prefix: string): string => `${prefix}:deferred`;

/** Returns the incarnation, or throws: braces, colons and the like would change the slot or another's key. */
export function checkIncarnation(incarnation: Incarnation): Incarnation {
  if (incarnationRule.test(incarnation)) return incarnation;
  throw new RangeError(`incarnation ${JSON.stringify(incarnation)}: expected 1 to 32 letters or digits`);
}

/** Whether an entry of this id can exist here: a stream id, as the log's entries are named. */
export const isEntryId = (id: EntryId): boolean => entryRule.test(id);

/**
 * An entry's name in queues and in the key of what is held of it: milliseconds and sequence as 13 and 10 digits, so that
 * names compare as their entries were accepted, bytewise. Undefined where no such entry can exist.
 */
export function nameOf(entry: EntryId): string | undefined {
  const parts = entryRule.exec(entry);
  return parts ? parts[1]!.padStart(13, '0') + parts[2]!.padStart(10, '0') : undefined;
}

/** Undoes `nameOf`. */
export function entryOf(name: string): { entry: EntryId; acceptedAt: number } {
  const acceptedAt = Number(name.slice(0, 13));
  return { entry: `${acceptedAt}-${Number(name.slice(13, 23))}`, acceptedAt };
}

/** Whether an entry can have an event of this index. */
export const isIndex = (index: number): boolean =>
  Number.isInteger(index) && index >= 0 && index < limits.entryEventsMax;

/** An event's name in queues: its entry's, and its index as 3 digits. Undefined where no such event can exist. */
export function memberOf(entry: EntryId, index: number): string | undefined {
  const name = nameOf(entry);
  if (name === undefined || !isIndex(index)) return undefined;
  return name + String(index).padStart(3, '0');
}

/** Undoes `memberOf`. */
export function placeOf(member: string): { entry: EntryId; index: number; acceptedAt: number } {
  return { ...entryOf(member), index: Number(member.slice(23)) };
}

export const acceptedAtOf = (entry: EntryId): number => Number(entry.slice(0, entry.indexOf('-')));
