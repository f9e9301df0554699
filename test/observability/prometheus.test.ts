/**
 * Every panel, rule and alert asked of a real Prometheus that scrapes real servers under mixed traffic: all evaluate,
 * all have something to show, and where the traffic says what they must show, they show it. No Grafana is needed: what
 * it would put in place of its variables is put there.
 */
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, expect, test } from '@jest/globals';
import { Api } from '../support/api.js';
import { until } from '../support/waiting.js';
import {
  alerts,
  dashboards,
  type Dashboard,
  labelValuesOf,
  type Panel,
  recordingRules,
  type Target,
  targetName,
} from './artefacts.js';
import { readExpression } from './expressions.js';
import {
  beatSeconds,
  describeWithPrometheus,
  type PrometheusApi,
  promtool,
  type Series,
  startPrometheus,
} from './prometheus.js';
import { ordersCount, startTraffic, subscriptions, type Traffic, topic } from './traffic.js';

/** Panels and series that this traffic leaves empty, each with its reason. */
const emptyByDesign: Readonly<Record<string, string>> = {
  'gridpost-overview/27A': 'redeliveries need a crash; what counts them is shown by the fault tests',
  gridpost_redeliveries_total: 'as above',
  'cause:gridpost_redeliveries:increase5m': 'as above',
};

/** Alerts that fire as soon as their expression has a value, and what this traffic makes them say. */
const firing = ['GridpostDeadLetters', 'GridpostEventsDropped', 'GridpostStoreFull'];

describeWithPrometheus('with Prometheus', () => {
  let traffic: Traffic;
  let prometheus: PrometheusApi;
  let startedAt: number;
  const now = (): number => Date.now() / 1_000;

  beforeAll(async () => {
    traffic = await startTraffic();
    [prometheus] = await Promise.all([
      startPrometheus(traffic.servers.map(({ port }) => `127.0.0.1:${port}`)),
      traffic.prepare(),
    ]);
    startedAt = now();
    // An increase is what a counter grows by after the first scrape that shows it.
    await until('both servers and the first delivery are scraped', async () => {
      const up = await prometheus.at('up == 1');
      const delivered = await prometheus.at('gridpost_delivery_attempts_total{outcome="success"} == 1');
      return up.length === 2 && delivered.length === 1;
    });
    await traffic.run();
  });

  /** What Grafana would send for the whole time of this test, everything chosen. */
  function filled(expression: string, chosen: Readonly<Record<string, string>> = {}): string {
    const values: Record<string, string> = {
      __rate_interval: `${4 * beatSeconds}s`,
      __range: `${Math.ceil(now() - startedAt)}s`,
      topic: '.*',
      subscription: '.*',
      instance: '.*',
      ...chosen,
    };
    return expression.replaceAll(/\$(\w+)/g, (_, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`no value for $${name} in ${expression}`);
      return value;
    });
  }

  const shown = ({ expr, instant }: Target, chosen?: Readonly<Record<string, string>>): Promise<Series[]> =>
    instant
      ? prometheus.at(filled(expr, chosen))
      : prometheus.between(filled(expr, chosen), startedAt, now());

  /** Resolves when `look` finds nothing missing; rejects with what is missing still. */
  async function untilNothingIsMissing(look: () => Promise<string[]>): Promise<void> {
    let missing: string[] = [];
    await until(
      'something to show',
      async () => {
        missing = await look();
        return missing.length === 0;
      },
      { everyMs: 1_000 },
    ).catch(() => expect(missing).toEqual([]));
  }

  const targets = dashboards.flatMap((dashboard) =>
    dashboard.panels.flatMap((panel) =>
      (panel.targets ?? []).map((target) => ({
        dashboard,
        panel,
        target,
        name: targetName(dashboard, panel, target),
      })),
    ),
  );
  const panelNumbered = (id: number): Panel => dashboards[0]!.panels.find((panel) => panel.id === id)!;

  /** The one value of an expression now; NaN for the moment in which a scrape has failed that took longer than it may. */
  async function valueNow(expression: string): Promise<number> {
    const series = await prometheus.at(expression);
    expect(series.length).toBeLessThan(2);
    return Number(series[0]?.values[0]?.[1]);
  }

  /** The one value that a panel shows now. */
  function figure(id: number, chosen: Readonly<Record<string, string>> = {}): Promise<number> {
    const [target] = panelNumbered(id).targets!;
    return valueNow(filled(target!.expr, chosen));
  }

  test('every panel has numbers to show, and the labels its legend names', async () => {
    await untilNothingIsMissing(async () => {
      const missing: string[] = [];
      for (const { target, name } of targets) {
        const series = await shown(target);
        const numbers = series.some(({ values }) =>
          values.some(([, value]) => Number.isFinite(Number(value))),
        );
        if (!numbers && !(name in emptyByDesign)) missing.push(`${name} ${target.expr}`);
        for (const [, label] of target.legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          if (series.some(({ metric }) => metric[label!] === undefined)) missing.push(`${name} {{${label}}}`);
        }
      }
      return missing;
    });
  });

  test('every variable has values to choose from', async () => {
    const queries = dashboards.flatMap((dashboard: Dashboard) =>
      dashboard.templating.list.filter(({ type }) => type === 'query'),
    );
    const found = new Map<string, string[]>();
    for (const variable of queries) {
      const { selector, label } = labelValuesOf(variable);
      found.set(variable.name, await prometheus.labelValues(label, filled(selector)));
    }
    expect(found.get('topic')).toEqual(expect.arrayContaining([topic, 'unwatched', 'letters', 'kept']));
    expect(found.get('subscription')).toEqual(expect.arrayContaining(Object.keys(subscriptions)));
    expect(found.get('instance')).toHaveLength(traffic.servers.length);
  });

  test('every rule evaluates', async () => {
    const rules = await until('every rule was evaluated', async () => {
      const all = await prometheus.rules();
      return all.every(({ health }) => health !== 'unknown') && all;
    });
    expect(rules.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        ...recordingRules.map(({ record }) => record),
        ...alerts.map(({ alert }) => alert),
      ]),
    );
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  });

  test('every recording rule records, and every alert has series to watch', async () => {
    const selectors = new Set([
      ...recordingRules.map(({ record }) => record),
      ...alerts.flatMap(({ expr }) => readExpression(expr).selectors.map(({ text }) => text)),
    ]);
    await untilNothingIsMissing(async () => {
      const missing: string[] = [];
      for (const selector of selectors) {
        const series = await prometheus.between(selector, startedAt, now());
        if (series.length === 0 && !(selector in emptyByDesign)) missing.push(selector);
      }
      return missing;
    });
  });

  test('alerts about what happened fire, and no other that fires at once does', async () => {
    const alarms = async (): Promise<string[]> => {
      const series = await prometheus.at('ALERTS{alertstate="firing"}');
      return [...new Set(series.map(({ metric }) => metric.alertname!))].sort();
    };
    const all = await until('the alerts fire', async () => {
      const seen = await alarms();
      return firing.every((name) => seen.includes(name)) && seen;
    });
    expect(all).toEqual(firing);
    const dropped = await until('the alert of the topic', async () => {
      const [series] = await prometheus.at('ALERTS{alertname="GridpostEventsDropped", topic="orders"}');
      return series;
    });
    expect(dropped.metric).toMatchObject({ subscription: 'discarded', reason: 'DeadLetteringOff' });
  });

  test('panels show the numbers that were', async () => {
    const orders = { topic, subscription: 'delivered' };
    for (const id of [2, 3]) {
      // An increase is drawn out to the end of its window, by about a scrape: of a long window that is little.
      await until('everything is counted, once', async () => {
        const shown = await figure(id, orders);
        return shown >= ordersCount && shown <= ordersCount * 1.2;
      });
    }
    const accepted = `gridpost_events_published_total{topic="${topic}", outcome="accepted"}`;
    await until('what was accepted is scraped', async () => (await valueNow(accepted)) === 1 + ordersCount);
    // A gauge is what it is.
    const gauges = async () => ({
      deadLetters: await figure(24, { topic, subscription: 'refused' }),
      waiting: await figure(21, { topic, subscription: 'failing' }),
    });
    const expected = { deadLetters: 1 + ordersCount, waiting: 1 + ordersCount };
    await until('the gauges are read off', async () => isDeepStrictEqual(await gauges(), expected));
  });

  test('the exposition of a busy server passes promtool', async () => {
    for (const { url } of traffic.servers) {
      const { body } = await new Api(url).send('GET', '/metrics');
      const { status, stdout, stderr } = promtool(['check', 'metrics'], body.toString());
      expect({ status, output: stdout + stderr }).toEqual({ status: 0, output: '' });
    }
  });
});
