/** What Gridpost tells Prometheus. */
export { type Counter, type Gauge, type Histogram, Metrics } from './metrics.js';
export { Buckets, Cell, Family, labelValuesMax, otherLabel } from './series.js';
