/** Event Grid's filters: `filter` of a subscription (PATTERNS.md, "`filter`"; source: Event Grid, "Event filtering"). */
import type { AdvancedFilter, SubscriptionFilter } from '@gridpost/model';
import { type Clause, ComparisonClause, PresenceClause } from './clause.js';
import {
  beginsWithOneOf,
  type Comparison,
  containsOneOf,
  endsWithOneOf,
  equalsOneOf,
  inOneRange,
  type Order,
  ordered,
} from './comparison.js';
import { type Inspection, sawText } from './faults.js';
import { booleanKind, foldedKind, type Kind, numberKind, textKind } from './kinds.js';
import { attributeOperand, eventGridOperand } from './operand.js';

/** Event Grid's word for "every type", beside absent, null and empty. */
const everyType = 'All';

/** How an operator reads what it compares with, and what it makes of it. */
interface Operator {
  readonly name: string;
  readonly takes: 'value' | 'values' | 'nothing';
  readonly kind?: Kind;
  readonly negated?: boolean;
  readonly withoutValue?: boolean;
  /** What is wrong with one value, if anything. */
  readonly expects?: string;
  readonly accepts?: (value: unknown) => boolean;
  readonly compare?: (values: readonly never[]) => Comparison;
}

const isString = (value: unknown): boolean => typeof value === 'string';
const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
const isRange = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && value.every(isNumber) && value[0] <= value[1];

const folded = (values: readonly string[]): string[] => values.map((value) => value.toLowerCase());

type OfTexts = (values: readonly string[]) => Comparison;

function strings(name: string, compare: OfTexts, negated = false, withoutValue = false): Operator {
  return {
    ...{ name, takes: 'values', kind: foldedKind, negated, withoutValue },
    expects: 'a string',
    accepts: isString,
    compare: ((values: readonly string[]) => compare(folded(values))) as never,
  };
}

type Comparand = Pick<Operator, 'expects' | 'accepts' | 'compare'>;

const aNumber: Comparand = { expects: 'a number', accepts: isNumber, compare: equalsOneOf as never };
const aRange: Comparand = {
  expects: 'a pair of numbers, the lower first',
  accepts: isRange,
  compare: inOneRange as never,
};

function numbers(name: string, comparand: Comparand, negated: boolean): Operator {
  return { name, takes: 'values', kind: numberKind, negated, withoutValue: negated, ...comparand };
}

function order(name: string, how: Order): Operator {
  return {
    ...{ name, takes: 'value', kind: numberKind },
    expects: 'a number',
    accepts: isNumber,
    compare: (([bound]: readonly number[]) => ordered(how, bound!)) as never,
  };
}

const operators: readonly Operator[] = [
  numbers('NumberIn', aNumber, false),
  numbers('NumberNotIn', aNumber, true),
  order('NumberLessThan', 'less than'),
  order('NumberLessThanOrEquals', 'at most'),
  order('NumberGreaterThan', 'greater than'),
  order('NumberGreaterThanOrEquals', 'at least'),
  numbers('NumberInRange', aRange, false),
  numbers('NumberNotInRange', aRange, true),
  {
    ...{ name: 'BoolEquals', takes: 'value', kind: booleanKind },
    expects: 'a boolean',
    accepts: (value) => typeof value === 'boolean',
    compare: equalsOneOf as never,
  },
  strings('StringIn', equalsOneOf),
  strings('StringNotIn', equalsOneOf, true, true),
  strings('StringBeginsWith', beginsWithOneOf),
  strings('StringEndsWith', endsWithOneOf),
  strings('StringContains', containsOneOf),
  strings('StringNotBeginsWith', beginsWithOneOf, true),
  strings('StringNotEndsWith', endsWithOneOf, true),
  strings('StringNotContains', containsOneOf, true),
  { name: 'IsNullOrUndefined', takes: 'nothing' },
  { name: 'IsNotNull', takes: 'nothing' },
];

/** By name, folded. */
const operatorsByName = new Map(operators.map((operator) => [operator.name.toLowerCase(), operator]));

/** The operators' names, in the order of PATTERNS.md. */
export const operatorNames: readonly string[] = operators.map(({ name }) => name);

/** The clauses of `filter`; what is wrong with it goes to the inspection, with pointers below `at`. */
export function eventGridClauses(filter: SubscriptionFilter, at: string, inspection: Inspection): Clause[] {
  const clauses = [...typeClauses(filter, at, inspection), ...subjectClauses(filter, at, inspection)];
  for (const [index, advanced] of (filter.advancedFilters ?? []).entries()) {
    const pointer = `${at}/advancedFilters/${index}`;
    inspection.clause(pointer);
    const clause = advancedClause(
      advanced,
      pointer,
      filter.enableAdvancedFilteringOnArrays ?? false,
      inspection,
    );
    if (clause) clauses.push(clause);
  }
  return clauses;
}

function typeClauses(
  { includedEventTypes }: SubscriptionFilter,
  at: string,
  inspection: Inspection,
): Clause[] {
  const types = includedEventTypes ?? [];
  const pointer = `${at}/includedEventTypes`;
  inspection.values(pointer, types.length);
  for (const [index, type] of types.entries()) inspection.text(`${pointer}/${index}`, type);
  if (types.length === 0 || types.includes(everyType)) return [];
  return [
    new ComparisonClause({
      ...{ pointer, operator: 'includedEventTypes', operand: attributeOperand('type', 'type') },
      ...{ kind: textKind, comparison: equalsOneOf(types) },
    }),
  ];
}

function subjectClauses(filter: SubscriptionFilter, at: string, inspection: Inspection): Clause[] {
  const sensitive = filter.isSubjectCaseSensitive ?? false;
  const operand = attributeOperand('subject', 'subject');
  const clauses: Clause[] = [];
  const parts = [
    ['subjectBeginsWith', beginsWithOneOf],
    ['subjectEndsWith', endsWithOneOf],
  ] as const;
  for (const [operator, compare] of parts) {
    const text = filter[operator] ?? '';
    const pointer = `${at}/${operator}`;
    inspection.text(pointer, text);
    if (text === '') continue;
    const kind = sensitive ? textKind : foldedKind;
    const comparison = compare([sensitive ? text : text.toLowerCase()]);
    clauses.push(new ComparisonClause({ pointer, operator, operand, kind, comparison }));
  }
  return clauses;
}

function advancedClause(
  filter: AdvancedFilter,
  pointer: string,
  elements: boolean,
  inspection: Inspection,
): Clause | undefined {
  const operator = operatorsByName.get(filter.operatorType.toLowerCase());
  if (!operator) {
    const expected = operatorNames.join(', ');
    return inspection.fault(
      `${pointer}/operatorType`,
      `saw ${sawText(filter.operatorType)}, expected one of ${expected}`,
    );
  }
  if (filter.key === '' || filter.key.split('.').includes(''))
    return inspection.fault(
      `${pointer}/key`,
      `saw ${sawText(filter.key)}, expected an attribute, or data and the keys of a path, separated by dots`,
    );
  if (!inspection.text(`${pointer}/key`, filter.key)) return undefined;
  const operand = eventGridOperand(filter.key);
  const values = valuesOf(filter, operator, pointer, inspection);
  if (!values) return undefined;
  const { name, kind, compare, negated, withoutValue } = operator;
  if (!kind || !compare) return new PresenceClause(pointer, name, operand, name === 'IsNotNull');
  return new ComparisonClause({
    ...{ pointer, operator: name, operand, kind, elements },
    comparison: compare(values as never),
    negated: negated ?? false,
    withoutValue: withoutValue ?? false,
  });
}

/** What the operator compares with; undefined if that is not as it wants it. */
function valuesOf(
  filter: AdvancedFilter,
  { name, takes, accepts, expects }: Operator,
  pointer: string,
  inspection: Inspection,
): readonly unknown[] | undefined {
  const before = inspection.faults.length;
  for (const member of ['value', 'values'] as const) {
    if (filter[member] === undefined || member === takes) continue;
    inspection.fault(
      `${pointer}/${member}`,
      `${name} takes ${takes === 'nothing' ? 'neither value nor values' : `${takes}, not ${member}`}`,
    );
  }
  if (takes === 'nothing') return inspection.faults.length > before ? undefined : [];
  const given = filter[takes];
  if (given === undefined) return inspection.fault(pointer, `saw no ${takes}, which ${name} needs`);
  if (takes === 'value') {
    if (!accepts!(given))
      inspection.fault(`${pointer}/value`, `saw ${sawText(given)}, expected ${expects} for ${name}`);
    inspection.values(`${pointer}/value`, 1);
    return inspection.faults.length > before ? undefined : [given];
  }
  const values = given as readonly unknown[];
  if (values.length === 0) inspection.fault(`${pointer}/values`, 'saw no values, expected at least one');
  for (const [index, value] of values.entries()) {
    const place = `${pointer}/values/${index}`;
    if (!accepts!(value)) inspection.fault(place, `saw ${sawText(value)}, expected ${expects} for ${name}`);
    else if (typeof value === 'string') inspection.text(place, value);
  }
  inspection.values(`${pointer}/values`, values.length);
  return inspection.faults.length > before ? undefined : values;
}
