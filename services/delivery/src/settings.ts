/**
 * What a deployment may change about delivering, with the defaults. The numbers' reasons stand in `../DESIGN.md`; the
 * constants of single files, which nobody needs to change, stand in those files.
 */
import type { AttemptLogLevel } from '@gridpost/attempt-log';
import { type FunctionApps, GridpostError, limits } from '@gridpost/model';

export interface DeliverySettings {
  /**
   * Longest time in milliseconds that a log entry stays unsettled once one of its deliveries is in hand; what is
   * running then is written as leased, what is waiting as deferred. Default 1,000, at least 50.
   */
  readonly settleWindowMs: number;
  /** Events in unsettled entries of one partition from which on reading stops. Default 1,024. Also the most suspects. */
  readonly unsettledEventsMax: number;
  /** Bytes of unsettled entries of one partition from which on reading stops. Default 16 MiB. */
  readonly unsettledBytesMax: number;
  /** Attempts of one subscription that may run at once, over the whole deployment. Default 64. */
  readonly concurrency: number;
  /**
   * Attempts of all subscriptions that this process may run at once, where it has time to spare; fewer where it has none, but
   * no fewer than `concurrency`. Default 4,096: each has a socket.
   */
  readonly attemptsMax: number;
  /** Deliveries of one subscription that may wait in memory for room. Default 256. */
  readonly lineEventsMax: number;
  /** Bytes of events that may wait in memory for room, per subscription. Default 4 MiB; a larger event waits alone. */
  readonly lineBytesMax: number;
  /** Lease of a partition's ownership, and life of a worker's announcement. Default 10,000 ms. */
  readonly ownershipMs: number;
  /** How often an owned partition's lease is renewed. Default 3,000 ms; at most half of `ownershipMs`. */
  readonly renewEveryMs: number;
  /** How often a worker looks which workers live. Default 1,000 ms. */
  readonly lookEveryMs: number;
  /** How often the log is read where nothing hints at new entries, and a partition wanted is asked for. Default 500 ms. */
  readonly beatMs: number;
  /** No attempt starts when the configuration was last known to be current longer ago than this. Default 2,000 ms. */
  readonly confirmWithinMs: number;
  /** Failures in a row after which an endpoint is held back, unless its subscription says otherwise. Default 10; 0: never. */
  readonly failuresMax: number;
  /** Longest time in milliseconds between two probes of an endpoint that is held back, likewise. Default 300,000. */
  readonly probeMsMax: number;
  /** Statuses after which a delivery is not tried again. Default 400, 401, 403, 413 (Event Grid, "Message delivery and retry"). */
  readonly finalStatuses: readonly number[];
  /**
   * Connections to one origin in use at once by this process. Subscriptions that share an origin share them; each may
   * always have its even share, and at least one. Default 256.
   */
  readonly connectionsPerOrigin: number;
  /** Longest time in milliseconds for DNS, TCP and TLS together; an attempt's own deadline may be shorter. Default 10,000. */
  readonly connectTimeoutMs: number;
  /**
   * How long a dead letter is kept in milliseconds before it is written to its destination; 0 is at the next beat of two
   * seconds. Default 300,000 (Event Grid, "Message delivery and retry": five minutes).
   */
  readonly deadLetterDelayMs: number;
  /**
   * Charged bytes that a subscription may have deferred in one partition before jobs wait with sending it more. Default
   * 32 MiB; at most half of what its quota leaves to deferred deliveries.
   */
  readonly jobBacklogBytesMax: number;
  /** What the attempt log is told. Default `all`. */
  readonly attemptLog: AttemptLogLevel;
  /** Hosts of Azure Functions that destinations may name by Azure's ids. Default: none. */
  readonly functionApps: FunctionApps;
  /** `user-agent` of deliveries. Default `gridpost`. */
  readonly userAgent: string;
}

export const defaultSettings: DeliverySettings = {
  settleWindowMs: 1_000,
  unsettledEventsMax: 1_024,
  unsettledBytesMax: 16 * 1024 * 1024,
  concurrency: 64,
  attemptsMax: 4_096,
  lineEventsMax: 256,
  lineBytesMax: 4 * 1024 * 1024,
  ownershipMs: 10_000,
  renewEveryMs: 3_000,
  lookEveryMs: 1_000,
  beatMs: 500,
  confirmWithinMs: 2_000,
  failuresMax: limits.probationFailures.default,
  probeMsMax: limits.probeSeconds.default * 1_000,
  finalStatuses: [400, 401, 403, 413],
  connectionsPerOrigin: 256,
  connectTimeoutMs: 10_000,
  deadLetterDelayMs: 300_000,
  jobBacklogBytesMax: 32 * 1024 * 1024,
  attemptLog: 'all',
  functionApps: new Map(),
  userAgent: 'gridpost',
};

/** Fills in the defaults. Throws `InvalidParameter` for a setting out of range or at odds with another. */
export function settingsOf(given: Partial<DeliverySettings> = {}): DeliverySettings {
  const settings = { ...defaultSettings, ...given };
  for (const [name, value] of Object.entries(settings)) {
    const min = name === 'deadLetterDelayMs' || name === 'failuresMax' ? 0 : 1;
    if (typeof value === 'number' && !(value >= min && Number.isFinite(value)))
      throw new GridpostError('InvalidParameter', `${name} must be at least ${min}, got ${value}`);
  }
  if (settings.settleWindowMs < 50)
    throw new GridpostError(
      'InvalidParameter',
      `settleWindowMs must be at least 50, got ${settings.settleWindowMs}`,
    );
  if (settings.renewEveryMs > settings.ownershipMs / 2)
    throw new GridpostError(
      'InvalidParameter',
      `renewEveryMs (${settings.renewEveryMs}) must be at most half of ownershipMs (${settings.ownershipMs}), so that one lost renewal loses no partition`,
    );
  return settings;
}
