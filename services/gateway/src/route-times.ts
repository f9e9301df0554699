/** How long requests took, by route: labels are resolved once per status class and kept. */
import type { Histogram, Metrics } from '@gridpost/metrics';

/** Label of requests whose path is no route: a label per path would be one per guess of a scanner. */
export const unmatchedRoute = 'unmatched';

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

export class RouteTimes {
  readonly #metrics: Metrics;
  readonly #method: string;
  readonly #route: string;
  readonly #series: (Histogram | undefined)[] = [];

  /** `route` is the template, `/topics/{topic}`; methods outside HTTP's common ones share a label. */
  constructor(metrics: Metrics, method: string, route: string) {
    this.#metrics = metrics;
    this.#method = methods.has(method) ? method : 'other';
    this.#route = route;
  }

  observe(status: number, elapsedMs: number): void {
    const statusClass = Math.trunc(status / 100);
    const series = (this.#series[statusClass] ??= this.#metrics.httpRequestDuration.with(
      this.#method,
      this.#route,
      `${statusClass}xx`,
    ));
    series.observe(elapsedMs / 1_000);
  }
}
