/** What a clause looks at in an event: a context attribute, or a place in the data. */
import { type Event, isObject } from '@gridpost/model';

export interface Operand {
  /** As the user wrote it. */
  readonly name: string;
  /** The same for operands that always read the same. */
  readonly key: string;
  /** In the data, where values have kinds. A context attribute is text. */
  readonly inData: boolean;
  /** The value, undefined where it is missing or null. Of a context attribute its text. */
  read(event: Event): unknown;
}

/** Event Grid's names for the fields that CloudEvents names otherwise, folded. */
const eventGridNames: ReadonlyMap<string, string> = new Map([
  ['eventtype', 'type'],
  ['eventtime', 'time'],
  ['topic', 'source'],
]);

const dataPrefix = 'data.';

/** A key of Event Grid's filters: compared without regard to case, and with Event Grid's names as well. */
export function eventGridOperand(key: string): Operand {
  const folded = key.toLowerCase();
  if (folded === 'data') return dataOperand(key, [], true);
  if (folded.startsWith(dataPrefix)) return dataOperand(key, key.slice(dataPrefix.length).split('.'), true);
  return attributeOperand(key, eventGridNames.get(folded) ?? folded);
}

/** A name of the CloudEvents filters: an attribute's, or a path that begins with `data.`, compared exactly. */
export function cloudEventsOperand(name: string): Operand {
  if (name.startsWith(dataPrefix)) return dataOperand(name, name.slice(dataPrefix.length).split('.'), false);
  return attributeOperand(name, name);
}

export function attributeOperand(name: string, attribute: string): Operand {
  return interned({ name, key: attribute, inData: false, read: readerOf(attribute) });
}

/** Subscriptions by the thousand look at the same few places: they share what reads them. */
const shared = new Map<string, Operand>();
const sharedMax = 10_000;

function interned(operand: Operand): Operand {
  const id = JSON.stringify([operand.name, operand.key]);
  const known = shared.get(id);
  if (known) return known;
  if (shared.size < sharedMax) shared.set(id, operand);
  return operand;
}

function readerOf(attribute: string): (event: Event) => string | undefined {
  // These two are decoded once per event.
  if (attribute === 'type') return (event) => event.type;
  if (attribute === 'subject') return (event) => event.subject;
  return (event) => {
    const value = event.attribute(attribute);
    return value === undefined ? undefined : String(value);
  };
}

export function dataOperand(name: string, path: readonly string[], folds: boolean): Operand {
  const keys = folds ? path.map((key) => key.toLowerCase()) : path;
  const key = `data${folds ? '~' : ''}${JSON.stringify(keys)}`;
  const read = folds
    ? (event: Event) => valueAtFolded(event.parsedData(), path, keys)
    : (event: Event) => valueAt(event.parsedData(), path);
  return interned({ name, key, inData: true, read });
}

/** What stands at a path of keys, undefined where that is nothing or null. */
export function valueAt(data: unknown, path: readonly string[]): unknown {
  let value = data;
  for (const key of path) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value ?? undefined;
}

function valueAtFolded(data: unknown, path: readonly string[], folded: readonly string[]): unknown {
  let value = data;
  for (let depth = 0; depth < path.length; depth++) {
    if (!isObject(value)) return undefined;
    value = memberFolded(value, path[depth]!, folded[depth]!);
  }
  return value ?? undefined;
}

function memberFolded(object: Record<string, unknown>, key: string, folded: string): unknown {
  if (Object.hasOwn(object, key)) return object[key];
  for (const name in object)
    if (name.length === key.length && name.toLowerCase() === folded) return object[name];
  return undefined;
}
