/** All workloads, in the order in which they run and are reported. */
import type { Workload } from '../workload.js';
import { attemptLog } from './attempt-log.js';
import { batch } from './batch.js';
import { batchOutput } from './batch-output.js';
import { deadMillion } from './dead-million.js';
import { embedded } from './embedded.js';
import { isolation } from './isolation.js';
import { latency } from './latency.js';
import { outage } from './outage.js';
import { pull } from './pull.js';
import { redis } from './redis.js';
import { routing } from './routing.js';
import { signing } from './signing.js';
import { trusted } from './trusted.js';
import { workers } from './workers.js';

export const workloads: readonly Workload[] = [
  embedded,
  redis,
  batch,
  batchOutput,
  signing,
  attemptLog,
  trusted,
  pull,
  latency,
  workers,
  isolation,
  routing,
  deadMillion,
  outage,
];
