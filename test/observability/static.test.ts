/** What can be said about dashboards, rules and deployment files without running anything. */
import { describe, expect, test } from '@jest/globals';
import { Metrics } from '@gridpost/metrics';
import {
  alerts,
  type Dashboard,
  dashboards,
  labelValuesOf,
  type Panel,
  panelExpressions,
  recordingRules,
  ruleExpressions,
  text,
  yaml,
} from './artefacts.js';
import { readExpression } from './expressions.js';

const declared = new Metrics('0.0.0').declared();
const ours = new Map(declared.map((family) => [family.name, family]));
/** What Prometheus adds to every series it scrapes. */
const targetLabels = ['job', 'instance'];
const expressions = [...panelExpressions, ...ruleExpressions];

/** The declaration behind a series' name, if the name is right for its type. */
function familyOf(series: string): { name: string; labels: readonly string[] } | undefined {
  const suffix = /_(?:bucket|sum|count)$/.exec(series)?.[0] ?? '';
  const histogram = ours.get(series.slice(0, series.length - suffix.length));
  if (suffix !== '' && histogram?.type === 'histogram') {
    return {
      name: histogram.name,
      labels: suffix === '_bucket' ? [...histogram.labels, 'le'] : histogram.labels,
    };
  }
  const family = ours.get(series);
  return family?.type === 'histogram' ? undefined : family;
}

/** Labels that a series of this name carries, beside the target's; undefined if there is no such series. */
function labelsOf(series: string): readonly string[] | undefined {
  if (series === 'up') return [];
  const rule = recordingRules.find(({ record }) => record === series);
  return rule ? readExpression(rule.expr).grouping : familyOf(series)?.labels;
}

describe('expressions', () => {
  test.each(expressions)('$where reads series and labels that exist', ({ expr }) => {
    const { selectors, grouping } = readExpression(expr);
    expect(selectors.filter(({ metric }) => labelsOf(metric) === undefined)).toEqual([]);
    const known = new Set(targetLabels);
    for (const { metric, labels } of selectors) {
      for (const label of labelsOf(metric)!) known.add(label);
      expect([...known]).toEqual(expect.arrayContaining([...labels]));
    }
    expect([...known]).toEqual(expect.arrayContaining([...grouping]));
    expect(selectors).not.toEqual([]);
  });

  test('use every metric of ours', () => {
    const used = new Set(
      expressions
        .flatMap(({ expr }) => readExpression(expr).selectors)
        .map(({ metric }) => familyOf(metric)?.name),
    );
    expect(declared.map(({ name }) => name).filter((name) => !used.has(name))).toEqual([]);
  });

  test('of panels leave the window to Grafana', () => {
    const ranges = panelExpressions.flatMap(({ where, expr }) =>
      [...expr.matchAll(/\[([^\]]*)\]/g)].map((match) => `${where} ${match[1]}`),
    );
    expect(ranges.filter((range) => !/ \$__(?:rate_interval|range)$/.test(range))).toEqual([]);
  });
});

describe('dashboards', () => {
  test('have uids of their own', () => {
    const uids = dashboards.map(({ uid }) => uid);
    expect(uids.length).toBeGreaterThan(0);
    expect(new Set(uids).size).toBe(uids.length);
  });

  describe.each(dashboards)('$uid', (dashboard: Dashboard) => {
    const panels = dashboard.panels.filter(({ type }) => type !== 'row');
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is Grafana that fills it in.
    const source = { type: 'prometheus', uid: '${datasource}' };

    test('is a classic model that any Grafana can import', () => {
      expect(dashboard).toMatchObject({ id: null, schemaVersion: 39 });
    });

    test('numbers its panels', () => {
      const ids = dashboard.panels.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    });

    test('lays its panels side by side', () => {
      const overlaps = (a: Panel['gridPos'], b: Panel['gridPos']): boolean =>
        a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
      const collisions = dashboard.panels.flatMap((panel, i) =>
        dashboard.panels
          .slice(i + 1)
          .filter((other) => overlaps(panel.gridPos, other.gridPos))
          .map((other) => `${panel.id} and ${other.id}`),
      );
      expect(collisions).toEqual([]);
      expect(dashboard.panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
    });

    test.each(panels)(
      'panel $id, $title: says what it shows, in which unit, from the chosen source',
      (panel) => {
        expect(panel.description).toMatch(/\.$/);
        expect(panel.fieldConfig?.defaults.unit).toMatch(/^\w+$/);
        expect(panel.datasource).toEqual(source);
        expect(panel.targets!.length).toBeGreaterThan(0);
        for (const target of panel.targets!) {
          expect(target.datasource).toEqual(source);
          expect(target.legendFormat).not.toBe('');
        }
        const refs = panel.targets!.map(({ refId }) => refId);
        expect(new Set(refs).size).toBe(refs.length);
      },
    );

    test('lets one choose the source, the topic, the subscription and the process', () => {
      const [datasource, ...queries] = dashboard.templating.list;
      expect(datasource).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
      expect(queries.map(({ name }) => name)).toEqual(['topic', 'subscription', 'instance']);
      for (const variable of queries) {
        expect(variable).toMatchObject({
          type: 'query',
          datasource: source,
          includeAll: true,
          allValue: '.*',
        });
        const { selector, label } = labelValuesOf(variable);
        const { metric } = readExpression(selector).selectors[0]!;
        expect([...familyOf(metric)!.labels, ...targetLabels]).toContain(label);
      }
    });

    test('uses only variables that it defines or Grafana has', () => {
      const defined = new Set(dashboard.templating.list.map(({ name }) => name));
      const used = [...JSON.stringify(dashboard).matchAll(/\$\{?(\w+)/g)].map((match) => match[1]!);
      expect(used.filter((name) => !defined.has(name) && !name.startsWith('__'))).toEqual([]);
    });
  });
});

describe('rules', () => {
  test('are named level:metric:operation', () => {
    const names = recordingRules.map(({ record }) => record);
    expect(names.filter((name) => !/^[a-z_]+:gridpost_[a-z_]+:[a-z0-9_]+$/.test(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('alerts', () => {
  interface AlertTest {
    readonly name: string;
    readonly alert_rule_test: readonly {
      readonly alertname: string;
      readonly exp_alerts: readonly unknown[];
    }[];
  }
  const { tests } = yaml<{ tests: readonly AlertTest[] }>('deploy', 'prometheus', 'alerts.test.yaml');
  const runbook = text('docs', 'operations.md');

  test.each(alerts)('$alert has a severity, says what happened, and has a section in the runbook', (rule) => {
    expect(Object.keys(rule.labels)).toEqual(['severity']);
    expect(['critical', 'warning']).toContain(rule.labels.severity);
    expect(Object.keys(rule.annotations)).toEqual(['summary', 'description', 'runbook_url']);
    expect(rule.annotations.summary).not.toMatch(/\.$/);
    expect(rule.annotations.description).toMatch(/[.}]$/);
    expect(rule.annotations.runbook_url).toBe(`docs/operations.md#${rule.alert.toLowerCase()}`);
    expect(runbook.split('\n')).toContain(`### ${rule.alert}`);
  });

  test.each(alerts)('$alert is tested firing and silent', ({ alert }) => {
    const cases = tests
      .filter(({ name }) => name.startsWith(`${alert} `))
      .flatMap((each) => each.alert_rule_test)
      .filter(({ alertname }) => alertname === alert);
    expect(cases.some((each) => each.exp_alerts.length > 0)).toBe(true);
    expect(cases.some((each) => each.exp_alerts.length === 0)).toBe(true);
  });

  test('are all that the runbook has sections for', () => {
    const sections = [...runbook.matchAll(/^### (Gridpost\w+)$/gm)].map((match) => match[1]);
    expect(sections).toEqual(alerts.map(({ alert }) => alert));
  });
});

test('docs/metrics.md lists exactly the metrics, with their types, labels and meanings', () => {
  const rows = text('docs', 'metrics.md')
    .split('\n')
    .filter((line) => /^\| `(?:gridpost|process|nodejs)_/.test(line));
  expect(rows).toEqual(
    declared.map(({ name, type, labels, help }) => {
      const names = labels.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${names} | ${help} |`;
    }),
  );
});
