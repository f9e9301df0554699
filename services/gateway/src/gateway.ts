/**
 * The gateway's life: one server whose requests go to the publish route, the pull route or the Express application, from
 * listening to the end of its drain. What it is made of comes in as options.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { AttemptLogLevel } from '@gridpost/attempt-log';
import type { Egress } from '@gridpost/egress';
import type { Publisher } from '@gridpost/ingest';
import type { Metrics } from '@gridpost/metrics';
import type { Clock, FunctionApps, Log, PublishQuota } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import { defaultFilterLimits, type FilterLimits } from '@gridpost/routing';
import type { Store } from '@gridpost/store';
import { armRoutes } from './arm/routes.js';
import { AuditLog, type AuditSettings, defaultAuditSettings } from './audit/audit-log.js';
import { Access } from './auth.js';
import type { Context } from './context.js';
import type { DeadLetterPlaces } from './dead-letter-destination.js';
import { DirectAnswers } from './direct-answers.js';
import { DomainTopics } from './domain-topics.js';
import { Endpoints } from './endpoints/endpoints.js';
import { assumedUrl } from './endpoints/public-url.js';
import { Expiry } from './expiry.js';
import { createHttpServer, renew, type TlsPair } from './http-server.js';
import { SubscriptionKeys, TopicKeys } from './keys.js';
import { createManagement } from './management.js';
import { type Check, type OpsOptions, opsRoutes } from './ops.js';
import { Paging } from './paging.js';
import { Consumers } from './pull/consumers.js';
import { LockTokens } from './pull/lock-token.js';
import { PullRoute } from './pull/pull-route.js';
import { pullTargetOf } from './pull/pull-target.js';
import { PublishCounts } from './publish-counts.js';
import { PublishRoute } from './publish-route.js';
import { PublishQuotas } from './quotas/publish-quotas.js';
import { defaultResourceLimits, type ResourceLimits } from './quotas/resource-limits.js';
import { publishTargetOf } from './publish-target.js';
import { gatewayRoutes } from './routes.js';
import { type OidcOptions, Tokens } from './tokens.js';
import { TopicLookup } from './topic-lookup.js';
import { Traffic } from './traffic.js';

export interface GatewayOptions {
  readonly store: Store;
  /** Kept current by its owner; the gateway refreshes it only around its own writes and for unknown topics. */
  readonly registry: Registry;
  readonly publisher: Publisher;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** Topic keys are derived from it: every gateway of a deployment has the same. */
  readonly rootKey: Buffer;
  /** Undefined: open mode (docs/architecture.md). */
  readonly adminKey: string | undefined;
  /** Whose tokens are taken; by default nobody's. */
  readonly oidc?: OidcOptions | undefined;
  /** Default: no reads, 10,000 records of each kind, 90 days. */
  readonly audit?: AuditSettings;
  /** Where the audit log's lines go. Default `log`. */
  readonly auditLines?: Log;
  /** What filters may cost when they are written. Default `defaultFilterLimits`. */
  readonly filterLimits?: FilterLimits;
  /** How many topics and subscriptions there may be. Default `defaultResourceLimits`. */
  readonly resourceLimits?: ResourceLimits;
  /** What publishers may send to topics that say nothing themselves. Default: anything. */
  readonly publishQuota?: PublishQuota;
  /** What the deployment records of attempts. Default `all`. */
  readonly attemptLog?: AttemptLogLevel;
  /** Where subscriptions may have their dead letters written, beside webhooks. Default: nowhere. */
  readonly deadLetterPlaces?: DeadLetterPlaces;
  /**
   * Where endpoints reach the gateways of this deployment, without a query. Its host is the origin that endpoints are
   * asked to allow. Default: where this one listens.
   */
  readonly publicUrl?: string | undefined;
  /** Whether subscriptions may ask for no handshake (`validation: "none"`). Default false. */
  readonly allowUnvalidatedEndpoints?: boolean;
  /** Hosts of Azure Functions that destinations may name by Azure's ids. Default: none. */
  readonly functionApps?: FunctionApps;
  /** Which addresses subscriptions may name, and how the gateway's own requests are connected. */
  readonly egress: Egress;
  /** Undefined: plain HTTP. */
  readonly tls?: TlsPair;
  /** False serves only `/metrics`, `/livez`, `/readyz` and `/healthz`. */
  readonly serveApi: boolean;
  /** What readiness depends on, the store included. */
  readonly checks: () => Promise<Record<string, Check>>;
  readonly version: string;
}

export interface Gateway {
  /** Resolves with the port, which is a free one if 0 was given. Rejects if it cannot be bound. */
  listen(host: string, port: number): Promise<{ port: number }>;
  /**
   * Gives new connections another certificate; those that are open keep theirs. Throws if the pair is none, or if the
   * gateway was made without one.
   */
  renewCertificate(pair: TlsPair): void;
  /**
   * Ends without losing a request: readiness goes off, new publishes are refused with `Draining`, the requests under
   * way are answered and their events durable; then the connections and the server are closed. Safe to call twice.
   */
  drain(): Promise<void>;
  /** Ends at once, cutting what is under way. Safe to call twice, after a drain, and without having listened. */
  close(): Promise<void>;
}

/** How long requests that came during a drain, all short, may take to be answered. */
const lateMs = 2_000;

const nowhere: DeadLetterPlaces = { directory: false, s3: false };

export function createGateway(options: GatewayOptions): Gateway {
  const { store, registry, publisher, metrics, clock, log, rootKey, serveApi } = options;
  const keys = new TopicKeys(rootKey);
  const tokens = options.oidc && new Tokens(options.oidc, clock, log);
  const subscriptionKeys = new SubscriptionKeys(rootKey);
  const { adminKey } = options;
  const access = new Access({ keys, subscriptionKeys, registry, adminKey, tokens, clock });
  const { audit: settings = defaultAuditSettings, auditLines = log } = options;
  const audit = new AuditLog({ journals: store.journals, clock, log: auditLines, metrics, settings });
  const traffic = new Traffic();
  let isDraining = false;
  const draining = (): boolean => isDraining;

  const ops: OpsOptions = {
    metrics,
    checks: options.checks,
    draining,
    store: store.info,
    version: options.version,
  };
  const { filterLimits = defaultFilterLimits, deadLetterPlaces = nowhere, attemptLog = 'all' } = options;
  const { resourceLimits = defaultResourceLimits } = options;
  const paging = new Paging(rootKey);
  const consumers = new Consumers({ store, clock, log, metrics, attemptLog });
  const lockTokens = new LockTokens(rootKey);
  const endpoints = new Endpoints({
    ...{ store, registry, clock, log, metrics, rootKey },
    egress: options.egress,
    policy: {
      noneAllowed: options.allowUnvalidatedEndpoints ?? false,
      functionApps: options.functionApps ?? new Map(),
      // Without an admin key nobody but this machine reaches the API (docs/architecture.md).
      loopbackTrusted: options.adminKey === undefined,
    },
  });
  const context: Context = {
    ...{ store, registry, clock, log, keys, subscriptionKeys, paging, filterLimits, attemptLog },
    ...{ audit, consumers, lockTokens, deadLetterPlaces, endpoints, resourceLimits },
  };
  const domainTopics = new DomainTopics(context);
  const expiry = new Expiry({
    ...{ store, registry, clock, log },
    async removed(subscription) {
      endpoints.deletionNotices.tell(subscription);
      await domainTopics.letGo(subscription.topic);
    },
  });
  const management = createManagement({
    routes: serveApi ? [...gatewayRoutes(context, ops), ...armRoutes(context)] : opsRoutes(ops),
    access,
    audit,
    registry,
    metrics,
    clock,
    log,
  });
  const quotas = new PublishQuotas({
    ...{ store, registry, metrics, clock, log },
    defaults: options.publishQuota ?? {},
  });
  const answers = new DirectAnswers({ metrics, clock, log });
  const publish = new PublishRoute({
    topics: new TopicLookup(registry, clock),
    counts: new PublishCounts(metrics, registry),
    ...{ access, publisher, quotas, answers, clock, draining },
  });
  const pull = new PullRoute({ context, access, answers });

  const server = createHttpServer(options.tls);
  // Those that wait for `100 Continue` are treated alike; whoever reads the body asks for it first.
  server.on('request', serve);
  server.on('checkContinue', serve);

  function serve(req: IncomingMessage, res: ServerResponse): void {
    traffic.enter(req, res);
    if (isDraining) res.shouldKeepAlive = false;
    if (!req.url!.startsWith('/')) req.url = originForm(req.url!);
    const published = serveApi ? publishTargetOf(req.url!) : undefined;
    const pulled = serveApi && !published ? pullTargetOf(req.url!) : undefined;
    if (published) publish.serve(req, res, published);
    else if (pulled) pull.serve(req, res, pulled);
    else management(req, res);
  }

  async function drainOnce(): Promise<void> {
    isDraining = true;
    await Promise.all([endpoints.close(), expiry.close(), quotas.close()]);
    await consumers.close();
    await traffic.settled();
    await publisher.drained();
    const closed = closeServer();
    // Every answer since the drain began closes its connection; what is left then has asked nothing.
    const late = clock.after(lateMs, () => server.closeAllConnections());
    await traffic.settled();
    late.cancel();
    server.closeAllConnections();
    await closed;
    await audit.close();
  }

  function closeServer(): Promise<void> {
    return new Promise((resolve) => {
      if (server.listening) server.close(() => resolve());
      else resolve();
    });
  }

  let drained: Promise<void> | undefined;
  return {
    listen(host, port) {
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          const { port: taken } = server.address() as AddressInfo;
          if (serveApi) {
            const scheme = options.tls ? 'https' : 'http';
            endpoints.start(options.publicUrl ?? assumedUrl(scheme, host, taken));
            expiry.start();
            quotas.start();
          }
          resolve({ port: taken });
        });
      });
    },
    renewCertificate(pair) {
      if (!(server instanceof TlsServer)) throw new Error('the gateway serves plain HTTP');
      renew(server, pair);
    },
    drain: () => (drained ??= drainOnce()),
    async close() {
      void consumers.close();
      const ended = [endpoints.close(), expiry.close(), quotas.close()];
      const closed = closeServer();
      server.closeAllConnections();
      await Promise.all([closed, ...ended]);
      await audit.close();
    },
  };
}

/** A request target may be a whole URL (RFC 9112 §3.2.2); what stands before the path is as good as a Host header. */
function originForm(target: string): string {
  if (!URL.canParse(target)) return target;
  const { pathname, search } = new URL(target);
  return pathname + search;
}
