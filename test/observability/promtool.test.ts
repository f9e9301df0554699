/** The files and the exposition, read by Prometheus' own checker. */
import { expect, test } from '@jest/globals';
import { Metrics } from '@gridpost/metrics';
import { describeWithPrometheus, promtool } from './prometheus.js';

describeWithPrometheus('promtool', () => {
  test.each([
    ['the configuration', ['check', 'config', 'prometheus.yml']],
    ['the rules', ['check', 'rules', '--lint=all', '--lint-fatal', 'rules.yaml', 'alerts.yaml']],
    ['every alert, firing and silent', ['test', 'rules', 'alerts.test.yaml']],
  ])('accepts %s', (_, args) => {
    const { status, stdout, stderr } = promtool(args);
    expect({ status, output: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, output: '' });
  });

  test('accepts the exposition, every metric of it used', async () => {
    const metrics = new Metrics('1.2.3');
    for (const family of Object.values(metrics)) {
      const { labels } = family as { labels?: readonly string[] };
      if (labels) family.with(...labels.map((label) => `some ${label}\n"quoted"`));
    }
    const { status, stdout, stderr } = promtool(['check', 'metrics'], await metrics.render());
    expect({ status, output: stdout + stderr }).toEqual({ status: 0, output: '' });
  });

  test('refuses what is wrong', () => {
    expect(promtool(['check', 'metrics'], '# TYPE x counter\nx 1\n').status).not.toBe(0);
  });
});
