/**
 * What this process uses, under the names every Prometheus dashboard knows. prom-client's own collector is not used:
 * some of its gauges end in `_total`, which promtool's lint refuses.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Cell, Family } from './series.js';

export function describeProcess(register: (family: Family<Cell>) => void): void {
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  const read = (name: string, help: string, type: 'counter' | 'gauge', value: () => number): void => {
    const family = new Family({ name, help, type, labels: [], make: () => new Cell() });
    family.beforeScrape(() => family.with().set(value()));
    register(family);
  };
  const startedAt = Date.now() / 1000 - process.uptime();
  read('process_cpu_seconds_total', 'CPU time of the process', 'counter', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  read('process_resident_memory_bytes', 'Resident memory', 'gauge', () => process.memoryUsage.rss());
  read('process_start_time_seconds', 'Start of the process since the epoch', 'gauge', () => startedAt);
  read('nodejs_heap_used_bytes', 'Heap in use', 'gauge', () => process.memoryUsage().heapUsed);
  read(
    'nodejs_external_memory_bytes',
    'Memory of buffers outside the heap',
    'gauge',
    () => process.memoryUsage().external,
  );
  read(
    'nodejs_eventloop_lag_p99_seconds',
    'The event loop delay that 99% of turns stayed under since the last scrape',
    'gauge',
    () => {
      const p99 = loop.percentile(99) / 1e9;
      loop.reset();
      return Number.isFinite(p99) ? p99 : 0;
    },
  );
}
