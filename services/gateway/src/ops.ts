/** What operators' machines ask: whether the process lives, whether it should get traffic, and its metrics. */
import type { Metrics } from '@gridpost/metrics';
import type { StoreInfo } from '@gridpost/store';
import type { Request, Response } from 'express';
import type { Route } from './route.js';

/** One thing that readiness depends on. `detail` is a sentence for an operator. */
export interface Check {
  readonly ok: boolean;
  readonly detail?: string;
}

export interface OpsOptions {
  readonly metrics: Metrics;
  readonly checks: () => Promise<Record<string, Check>>;
  readonly draining: () => boolean;
  readonly store: StoreInfo;
  readonly version: string;
}

/** Served without a credential: probes and scrapers carry none, and nothing here is secret. */
export function opsRoutes(options: OpsOptions): Route[] {
  const { metrics, draining, store, version } = options;

  async function render(_req: Request, res: Response): Promise<void> {
    res.set('content-type', metrics.contentType).end(await metrics.render());
  }

  /** The process only: a store that is away is no reason to restart it. */
  async function alive(_req: Request, res: Response): Promise<void> {
    res.json({ ok: true });
  }

  /** 503 while any check fails or the process drains; `?verbose` tells which. */
  async function ready(req: Request, res: Response): Promise<void> {
    const checks = await runChecks(options.checks);
    const ok = !draining() && Object.values(checks).every((check) => check.ok);
    res.status(ok ? 200 : 503).set('cache-control', 'no-store');
    if (req.query.verbose === undefined) {
      res.json({ ok });
      return;
    }
    const { kind, place, partitions, durability } = store;
    res.json({ ok, version, draining: draining(), store: { kind, place, partitions, durability }, checks });
  }

  return [
    { method: 'GET', path: '/metrics', handle: render, role: 'anyone' },
    { method: 'GET', path: '/livez', handle: alive, role: 'anyone' },
    { method: 'GET', path: '/readyz', handle: ready, role: 'anyone' },
    // Kubernetes' older name for it.
    { method: 'GET', path: '/healthz', handle: ready, role: 'anyone' },
  ];
}

/** A check that cannot even be made has failed. */
async function runChecks(checks: OpsOptions['checks']): Promise<Record<string, Check>> {
  try {
    return await checks();
  } catch (error) {
    return { checks: { ok: false, detail: `the checks failed: ${(error as Error).message}` } };
  }
}
