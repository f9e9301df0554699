/**
 * Reads PromQL as far as the checks need it: which series an expression selects, and which labels it groups by.
 * Whether it is valid at all is for promtool and Prometheus to say.
 */

export interface Selector {
  readonly metric: string;
  /** Labels that its matchers name. */
  readonly labels: readonly string[];
  /** As written, without range and offset: a query of its own. */
  readonly text: string;
}

export interface Reading {
  readonly selectors: readonly Selector[];
  /** Labels named after by, without, on, ignoring and group_…. */
  readonly grouping: readonly string[];
}

const grouping = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
const words = new Set(['and', 'or', 'unless', 'offset', 'bool', 'inf', 'nan']);

/** A string, a name, a number or duration, matchers in braces, a range in brackets, or any other character. */
const token = /"(?:[^"\\]|\\.)*"|[A-Za-z_:][\w:]*|\d[\w.]*|\{(?:[^}"]|"(?:[^"\\]|\\.)*")*\}|\[[^\]]*\]|\S/g;

export function readExpression(expression: string): Reading {
  const tokens = (expression.match(token) ?? []) as string[];
  const selectors: Selector[] = [];
  const labels: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const word = tokens[i]!;
    if (!/^[A-Za-z_:]/.test(word) || words.has(word.toLowerCase())) continue;
    if (grouping.has(word) && tokens[i + 1] === '(') {
      for (i += 2; i < tokens.length && tokens[i] !== ')'; i++)
        if (tokens[i] !== ',') labels.push(tokens[i]!);
    } else if (!grouping.has(word) && tokens[i + 1] !== '(' && !isAggregation(tokens, i)) {
      selectors.push(selectorOf(word, tokens[i + 1]));
    }
  }
  return { selectors, grouping: labels };
}

/** `sum by (label) (…)`: the name stands before its grouping instead of its parenthesis. */
function isAggregation(tokens: readonly string[], i: number): boolean {
  return tokens[i + 1] === 'by' || tokens[i + 1] === 'without';
}

function selectorOf(metric: string, next: string | undefined): Selector {
  if (!next?.startsWith('{')) return { metric, labels: [], text: metric };
  const labels = [...next.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"/g)].map((match) => match[1]!);
  return { metric, labels, text: metric + next };
}
