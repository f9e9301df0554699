/** The filters of the CloudEvents Subscriptions API: `filters` of a subscription (PATTERNS.md, "`filters`"). */
import { type FilterEntry, isObject, pointerTo, type Texts } from '@gridpost/model';
import { AllClause, AnyClause, type Clause, ComparisonClause, NotClause } from './clause.js';
import { beginsWithOneOf, endsWithOneOf, equalsOneOf } from './comparison.js';
import { type Inspection, sawText } from './faults.js';
import { type Kind, scalarKindOf } from './kinds.js';
import { cloudEventsOperand } from './operand.js';
import { sqlClause } from './sql.js';

const dialects = ['exact', 'prefix', 'suffix', 'all', 'any', 'not', 'sql'] as const;

const compares = { exact: equalsOneOf, prefix: beginsWithOneOf, suffix: endsWithOneOf };

/** Deep enough for anything a person writes, and far from what a stack holds. */
const depthMax = 16;

/** CloudEvents 1.0, "Attribute Naming Convention"; or a path into the data. */
const nameShape = /^(?:[a-z0-9]+|data(?:\.[^.]+)+)$/;

/** The clauses of `filters`; what is wrong with them goes to the inspection, with pointers below `at`. */
export function dialectClauses(
  entries: readonly FilterEntry[],
  at: string,
  inspection: Inspection,
): Clause[] {
  return clausesOf(entries, at, 1, inspection);
}

function clausesOf(entries: readonly unknown[], at: string, depth: number, inspection: Inspection): Clause[] {
  return entries.flatMap((entry, index) => clauseOf(entry, `${at}/${index}`, depth, inspection) ?? []);
}

function clauseOf(entry: unknown, at: string, depth: number, inspection: Inspection): Clause | undefined {
  inspection.clause(at);
  if (depth > depthMax)
    return inspection.fault(at, `expected at most ${depthMax} levels of all, any and not`);
  const members = isObject(entry) ? Object.keys(entry) : [];
  const [dialect] = members;
  if (members.length !== 1 || !isDialect(dialect))
    return inspection.fault(
      at,
      `saw ${sawText(entry)}, expected an object with exactly one of ${dialects.join(', ')}`,
    );
  const value = (entry as Record<string, unknown>)[dialect];
  const place = `${at}/${dialect}`;
  switch (dialect) {
    case 'exact':
    case 'prefix':
    case 'suffix':
      return textsClause(dialect, value, place, inspection);
    case 'all':
    case 'any': {
      if (!Array.isArray(value) || value.length === 0)
        return inspection.fault(place, `saw ${sawText(value)}, expected an array of at least one entry`);
      const clauses = clausesOf(value, place, depth + 1, inspection);
      return dialect === 'all' ? new AllClause(at, clauses) : new AnyClause(at, clauses);
    }
    case 'not': {
      const clause = clauseOf(value, place, depth + 1, inspection);
      return clause && new NotClause(at, clause);
    }
    case 'sql':
      return sqlClause(value, place, inspection);
  }
}

function textsClause(
  dialect: 'exact' | 'prefix' | 'suffix',
  value: unknown,
  at: string,
  inspection: Inspection,
): Clause | undefined {
  const texts = isObject(value) ? Object.entries(value as Texts) : [];
  if (texts.length === 0)
    return inspection.fault(at, `saw ${sawText(value)}, expected an object of attribute names and texts`);
  inspection.values(at, texts.length);
  const clauses: Clause[] = [];
  for (const [name, text] of texts) {
    const pointer = pointerTo(at, name);
    if (!nameShape.test(name))
      inspection.fault(
        pointer,
        `saw the name ${sawText(name)}, expected lower-case letters and digits, or data and the keys of a path`,
      );
    else if (typeof text !== 'string' || text === '')
      inspection.fault(pointer, `saw ${sawText(text)}, expected a string that is not empty`);
    else if (inspection.text(pointer, name) && inspection.text(pointer, text)) {
      const operand = cloudEventsOperand(name);
      clauses.push(
        new ComparisonClause({
          ...{ pointer, operator: dialect, operand, kind: scalarKindOf(operand) as Kind },
          comparison: compares[dialect]([text]),
        }),
      );
    }
  }
  return clauses.length === 1 ? clauses[0] : new AllClause(at, clauses);
}

function isDialect(name: string | undefined): name is (typeof dialects)[number] {
  return (dialects as readonly (string | undefined)[]).includes(name);
}
