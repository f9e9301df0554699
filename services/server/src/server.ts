/**
 * The composition root: opens the store, wires the rooms together for the roles this process has, and takes them down
 * in order. Nothing else names an adapter.
 */
import { createDelivery, type Delivery, type S3Account } from '@gridpost/delivery';
import { Egress } from '@gridpost/egress';
import { createGateway, type Gateway, type GatewayOptions } from '@gridpost/gateway';
import { Publisher } from '@gridpost/ingest';
import { Metrics } from '@gridpost/metrics';
import { type FunctionApps, type Log, newIncarnation, type PublishQuota, systemClock } from '@gridpost/model';
import { Registry } from '@gridpost/registry';
import { quotaOf, type Store } from '@gridpost/store';
import { CertificateFiles } from './certificate-files.js';
import { type Configuration, isOpen } from './config/configuration.js';
import { measuredStore } from './measured-store.js';
import { limitsOf, openStore } from './open-store.js';
import { sealStore } from './sealing/sealed-store.js';

/** How often a process looks for changes that others made, beside what its appends and reads tell it. */
const refreshEveryMs = 1_000;

/** How often the files of the certificate are looked at. */
const certificateEveryMs = 5_000;

export interface Server {
  readonly host: string;
  readonly port: number;
  readonly store: Store;
  /** Names of the topics known at start. */
  topicCount(): number;
  /**
   * Stops taking requests, lets attempts in flight finish for the drain time, hands everything over and closes the
   * store. Resolves with the number of attempts that were cut. A second call waits for the first.
   */
  stop(): Promise<{ cut: number }>;
}

/** The audit log's lines go to `auditLines`, which is `log` by default. */
export async function startServer(
  configuration: Configuration,
  version: string,
  log: Log,
  auditLines: Log = log,
): Promise<Server> {
  const clock = systemClock;
  const metrics = new Metrics(version);
  const certificate = certificateFilesOf(configuration, log);
  const tls = await certificate?.read();
  const opened = measuredStore(await openStore(configuration), metrics);
  try {
    return await compose();
  } catch (error) {
    await opened.close();
    throw error;
  }

  async function compose(): Promise<Server> {
    const has = (role: Configuration['roles'][number]): boolean => configuration.roles.includes(role);
    const { store, rootKey, reseal } = await sealStore(opened, configuration, log);
    metrics.partitions.with().set(store.info.partitions);
    const registry = new Registry(store, clock);
    await registry.refresh();
    const refresh = (): void => {
      registry
        .refresh()
        .catch((error: Error) => log.warn({ error: error.message }, 'configuration not refreshed'));
    };
    const refreshing = clock.every(refreshEveryMs, refresh);

    const publisher = new Publisher({
      store,
      onVersion: (seen) => {
        if (seen > registry.version) refresh();
      },
      onForgotten: (topic, count) => {
        const name = registry.topicById(topic)?.topic.name;
        if (name !== undefined) metrics.identitiesForgotten.with(name).add(count);
      },
      duplicateIdentitiesMax: configuration.duplicateIdentitiesMax,
    });

    const functionApps = functionAppsOf(configuration);
    const egress = egressOf(configuration);
    let delivery: Delivery | undefined;
    if (has('delivery')) {
      delivery = createDelivery({
        store,
        registry,
        metrics,
        clock,
        random: Math.random,
        log,
        worker: newIncarnation(),
        egress,
        settings: {
          concurrency: configuration.deliveryConcurrency,
          finalStatuses: configuration.deliveryFinalStatuses,
          failuresMax: configuration.healthFailuresMax,
          probeMsMax: configuration.healthProbeSecondsMax * 1_000,
          settleWindowMs: configuration.settleWindowMs,
          unsettledEventsMax: configuration.unsettledEventsMax,
          attemptLog: attemptLogOf(configuration),
          deadLetterDelayMs: configuration.deadLetterDelaySeconds * 1_000,
          jobBacklogBytesMax: quotaOf(limitsOf(configuration), store.info.partitions).deferredBytesMax / 2,
          functionApps,
          userAgent: `gridpost/${version}`,
        },
        deadLetterPlaces: { directory: configuration.deadLetterDirectory, s3: s3AccountOf(configuration) },
      });
    }

    const storeUp = metrics.storeUp.with();
    const checks = async () => {
      const health = await store.health();
      storeUp.set(health.ok ? 1 : 0);
      const { kind, durability } = store.info;
      return {
        store: { ok: health.ok, detail: health.reason ?? `${kind}, durability ${durability}` },
        ...(delivery ? { delivery: delivery.status() } : {}),
      };
    };
    // The gauge has to move also where nobody asks for readiness.
    const checking = clock.every(5_000, () => void checks());
    void checks();

    const gateway: Gateway = createGateway({
      store,
      registry,
      publisher,
      metrics,
      clock,
      log,
      rootKey,
      egress,
      adminKey: configuration.adminKey,
      oidc: oidcOf(configuration),
      audit: {
        reads: configuration.auditReads,
        recordsMax: configuration.auditRecordsMax,
        days: configuration.auditDays,
      },
      auditLines,
      filterLimits: {
        clausesMax: configuration.filterClausesMax,
        valuesMax: configuration.filterValuesMax,
        stringBytesMax: configuration.filterStringBytesMax,
      },
      resourceLimits: {
        topicsMax: configuration.topicsMax,
        subscriptionsPerTopicMax: configuration.subscriptionsPerTopicMax,
      },
      publishQuota: publishQuotaOf(configuration),
      attemptLog: attemptLogOf(configuration),
      publicUrl: configuration.publicUrl,
      allowUnvalidatedEndpoints: configuration.allowUnvalidatedEndpoints,
      functionApps,
      deadLetterPlaces: {
        directory: configuration.deadLetterDirectory !== undefined,
        s3: s3AccountOf(configuration) !== undefined,
      },
      ...(tls ? { tls } : {}),
      serveApi: has('gateway'),
      checks,
      version,
    });
    const looking = clock.every(certificateEveryMs, () => {
      void certificate?.renewed((pair) => gateway.renewCertificate(pair));
    });
    /** Ends everything but the gateway and the store. */
    const halt = async (drainMs: number): Promise<{ cut: number }> => {
      const drained = (await delivery?.drain(drainMs)) ?? { cut: 0 };
      refreshing.cancel();
      checking.cancel();
      looking.cancel();
      await delivery?.close();
      return drained;
    };

    let port: number;
    try {
      ({ port } = await gateway.listen(configuration.host, configuration.port));
    } catch (error) {
      await halt(0);
      throw error;
    }
    delivery?.start();

    let stopping: Promise<{ cut: number }> | undefined;
    const resealing = reseal(() => stopping !== undefined);
    const stop = async (): Promise<{ cut: number }> => {
      await gateway.drain();
      const drained = await halt(configuration.drainSeconds * 1_000);
      await gateway.close();
      await resealing;
      await store.close();
      return drained;
    };
    return {
      host: configuration.host,
      port,
      store,
      topicCount: () => [...registry.topics()].length,
      stop: () => (stopping ??= stop()),
    };
  }
}

/** In open mode only this machine reaches the API, and whoever uses it could connect to loopback himself. */
function egressOf(configuration: Configuration): Egress {
  const { egressAllow = [], egressAllowHosts, egressProxy } = configuration;
  const allow = isOpen(configuration) ? [...egressAllow, '127.0.0.0/8', '::1'] : egressAllow;
  return new Egress({ allow, allowHosts: egressAllowHosts, proxy: egressProxy });
}

function functionAppsOf({ functionApps = {} }: Configuration): FunctionApps {
  return new Map(Object.entries(functionApps).map(([name, app]) => [name.toLowerCase(), app]));
}

function publishQuotaOf(configuration: Configuration): PublishQuota {
  const { topicEventsPerSecond, topicBytesPerSecond, topicDeferredBytesMax } = configuration;
  return {
    ...(topicEventsPerSecond === undefined ? {} : { eventsPerSecond: topicEventsPerSecond }),
    ...(topicBytesPerSecond === undefined ? {} : { bytesPerSecond: topicBytesPerSecond }),
    ...(topicDeferredBytesMax === undefined ? {} : { deferredBytesMax: topicDeferredBytesMax }),
  };
}

function attemptLogOf({
  attemptLogBytesMax,
  attemptLogSuccesses,
}: Configuration): 'all' | 'failures' | 'off' {
  if (attemptLogBytesMax === 0) return 'off';
  return attemptLogSuccesses ? 'all' : 'failures';
}

/** Issuer and audience are there together or not at all. */
function oidcOf(configuration: Configuration): GatewayOptions['oidc'] {
  const { oidcIssuer: issuer, oidcAudience: audience, oidcRolesClaim: claim } = configuration;
  if (issuer === undefined || audience === undefined) return undefined;
  const names = {
    reader: configuration.oidcReaderRole,
    operator: configuration.oidcOperatorRole,
    admin: configuration.oidcAdminRole,
    consumer: configuration.oidcConsumerRole,
  };
  return { issuer, audience, roles: claim === undefined ? undefined : { claim, names } };
}

function s3AccountOf(configuration: Configuration): S3Account | undefined {
  const { deadLetterS3AccessKeyId: accessKeyId, deadLetterS3SecretAccessKey: secretAccessKey } =
    configuration;
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const region = configuration.deadLetterS3Region;
  const endpoint = configuration.deadLetterS3Endpoint ?? `https://s3.${region}.amazonaws.com`;
  return { endpoint, region, accessKeyId, secretAccessKey };
}

function certificateFilesOf({ tlsCert, tlsKey }: Configuration, log: Log): CertificateFiles | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  return new CertificateFiles({ cert: tlsCert, key: tlsKey }, systemClock, log);
}
