/** What the product ships for its operators, read from where it lies: dashboards, rules, alerts and their tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const root = join(import.meta.dirname, '..', '..');
export const prometheusFolder = join(root, 'deploy', 'prometheus');
const dashboardsFolder = join(root, 'deploy', 'grafana', 'dashboards');

export function text(...path: string[]): string {
  return readFileSync(join(root, ...path), 'utf8');
}

export function yaml<T>(...path: string[]): T {
  return parse(text(...path), { merge: true }) as T;
}

/** Grafana's classic model, as far as it is looked at. */
export interface Dashboard {
  readonly id: null;
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly Panel[];
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly datasource?: DatasourceRef;
  readonly query: string | { readonly query: string };
  readonly includeAll: boolean;
  readonly allValue?: string;
}

export interface DatasourceRef {
  readonly type: string;
  readonly uid: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: DatasourceRef;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly Target[];
}

export interface Target {
  readonly refId: string;
  readonly datasource: DatasourceRef;
  readonly expr: string;
  readonly legendFormat: string;
  readonly instant: boolean;
}

export const dashboards: readonly Dashboard[] = readdirSync(dashboardsFolder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(join(dashboardsFolder, file), 'utf8')) as Dashboard);

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface RuleFile<R> {
  readonly groups: readonly { readonly rules: readonly R[] }[];
}

const rulesOf = <R>(file: string): R[] =>
  yaml<RuleFile<R>>('deploy', 'prometheus', file).groups.flatMap(({ rules }) => rules);

export const recordingRules: readonly RecordingRule[] = rulesOf('rules.yaml');
export const alerts: readonly AlertRule[] = rulesOf('alerts.yaml');

export interface Expression {
  /** Dashboard, panel and target; or the rule. */
  readonly where: string;
  readonly expr: string;
}

/** `uid/panel id/target`, by which the checks name a target. */
export const targetName = (dashboard: Dashboard, panel: Panel, target: Target): string =>
  `${dashboard.uid}/${panel.id}${target.refId}`;

export const panelExpressions: readonly Expression[] = dashboards.flatMap((dashboard) =>
  dashboard.panels.flatMap((panel) =>
    (panel.targets ?? []).map((target) => ({
      where: targetName(dashboard, panel, target),
      expr: target.expr,
    })),
  ),
);

export const ruleExpressions: readonly Expression[] = [
  ...recordingRules.map(({ record, expr }) => ({ where: record, expr })),
  ...alerts.map(({ alert, expr }) => ({ where: alert, expr })),
];

/** The metric and label of a `label_values(…)` query. */
export function labelValuesOf(variable: Variable): { selector: string; label: string } {
  const query = typeof variable.query === 'string' ? variable.query : variable.query.query;
  const match = /^label_values\((.+),\s*(\w+)\)$/.exec(query);
  if (!match) throw new Error(`variable ${variable.name} is no label_values query: ${query}`);
  return { selector: match[1]!, label: match[2]! };
}
