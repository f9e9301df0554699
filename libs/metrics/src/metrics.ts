/**
 * Every metric Gridpost exports, by name, with its labels; dashboards and rules are checked against this list. Labels
 * are configured names and closed sets only: never an event's id or type, never a URL.
 */
import { Registry } from 'prom-client';
import { Buckets, Cell, Family } from './series.js';
import { describeProcess } from './process.js';

/** Seconds; a webhook's life is between a millisecond's fraction and the attempt timeout. */
const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Seconds; retries make deliveries hours late. */
const lagBounds = [...durationBounds, 60, 300, 900, 3600, 21_600, 86_400];

export type Counter = Cell;
export type Gauge = Cell;
export type Histogram = Buckets;

/** One per process. Not safe to share between servers in one process: each has its own. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #overflow = new Cell();

  readonly labelOverflow = this.#counter(
    'gridpost_metric_label_overflow_total',
    'Series that were folded into __other__ because a label had too many values',
    [],
    this.#overflow,
  );
  readonly buildInfo = this.#gauge('gridpost_build_info', 'Always 1; the version and the Node that runs it', [
    'version',
    'node',
  ]);

  readonly httpRequestDuration = this.#histogram(
    'gridpost_http_request_duration_seconds',
    'Time from the request line to the end of the answer',
    ['method', 'route', 'status_class'],
    durationBounds,
  );
  readonly eventsPublished = this.#counter(
    'gridpost_events_published_total',
    'Events by what became of their publishing',
    ['topic', 'outcome'],
  );
  readonly publishThrottled = this.#counter(
    'gridpost_publish_throttled_total',
    'Publish requests refused with 429, by the quota that the topic was over: events, bytes, deferred',
    ['topic', 'reason'],
  );
  readonly duplicateIdentities = this.#gauge(
    'gridpost_duplicate_identities',
    'Events remembered for duplicate detection, in the partitions this process owns',
    ['topic'],
  );
  readonly identitiesForgotten = this.#counter(
    'gridpost_duplicate_identities_forgotten_total',
    'Events forgotten within the window of duplicate detection, since there were too many to remember',
    ['topic'],
  );

  readonly handshakes = this.#counter(
    'gridpost_handshakes_total',
    'Steps of handshakes with endpoints, by the state they led to: Succeeded, AwaitingManualAction, Failed; Creating and Updating are tries to be repeated',
    ['state'],
  );

  readonly eventsMatched = this.#counter(
    'gridpost_events_matched_total',
    'Events read from the log, by whether any subscription wanted them',
    ['topic', 'matched'],
  );
  readonly deliveryAttempts = this.#counter(
    'gridpost_delivery_attempts_total',
    'Attempts by outcome: success, retryable, permanent, timeout, blocked; in a batch one for each event',
    ['topic', 'subscription', 'outcome'],
  );
  readonly deliveryDuration = this.#histogram(
    'gridpost_delivery_duration_seconds',
    'Time one request took, with one event or a batch',
    ['topic', 'outcome'],
    durationBounds,
  );
  readonly deliveryLag = this.#histogram(
    'gridpost_event_delivery_lag_seconds',
    'Time from acceptance to the successful answer of the endpoint',
    ['topic'],
    lagBounds,
  );
  readonly deliveriesDeferred = this.#counter(
    'gridpost_deliveries_deferred_total',
    'Deliveries written to their queue, by why: busy, failed, running, held, probation, paused, disabled, unproven, drain, queue',
    ['topic', 'subscription', 'reason'],
  );
  readonly redeliveries = this.#counter(
    'gridpost_redeliveries_total',
    'Attempts of deliveries that the endpoint may have seen before: after a crash, or after a lease ended without an outcome',
    ['cause'],
  );
  readonly deadLettered = this.#counter(
    'gridpost_deadlettered_events_total',
    'Deliveries given up and kept, by reason',
    ['topic', 'subscription', 'reason'],
  );
  readonly dropped = this.#counter(
    'gridpost_dropped_events_total',
    'Deliveries given up and not kept, by reason',
    ['topic', 'subscription', 'reason'],
  );
  readonly backlog = this.#gauge(
    'gridpost_subscription_backlog_events',
    'Deliveries deferred or running, in the partitions this process owns',
    ['topic', 'subscription'],
  );
  readonly subscriptionState = this.#gauge(
    'gridpost_subscription_state',
    'Whether the subscription is in the state: Disabled, Paused, Unvalidated, Probation, Recovering; the same from every worker',
    ['topic', 'subscription', 'state'],
  );
  readonly healthTransitions = this.#counter(
    'gridpost_health_transitions_total',
    'Changes of endpoints to the state, by the worker that wrote them: Probation, Recovering, Healthy',
    ['topic', 'subscription', 'state'],
  );
  readonly deadLetters = this.#gauge(
    'gridpost_subscription_deadletters',
    'Dead letters held, in the partitions this process owns',
    ['topic', 'subscription'],
  );
  readonly deadLettersWritten = this.#counter(
    'gridpost_deadletters_written_total',
    'Dead letters that a destination has taken, by its kind: Directory, S3, WebHook',
    ['destination'],
  );
  readonly deadLetterWriteFailures = this.#counter(
    'gridpost_deadletter_write_failures_total',
    'Times that dead letters could not be written, by the kind of the destination; they are kept and written later',
    ['destination'],
  );
  readonly jobsRunning = this.#gauge(
    'gridpost_jobs_running',
    'Jobs that this process is at, by kind: redrive, purge, replay',
    ['kind'],
  );
  readonly jobEvents = this.#counter(
    'gridpost_job_events_total',
    'Dead letters and events that jobs have sent again or purged, by the kind of job',
    ['kind'],
  );
  readonly unwrittenAge = this.#gauge(
    'gridpost_subscription_oldest_unwritten_deadletter_age_seconds',
    'For how long the oldest dead letter has been due to be written, in the partitions this process owns',
    ['topic', 'subscription'],
  );
  readonly oldestAge = this.#gauge(
    'gridpost_subscription_oldest_event_age_seconds',
    'Age of the oldest event not yet delivered',
    ['topic', 'subscription'],
  );
  readonly concurrencyLimit = this.#gauge(
    'gridpost_subscription_concurrency_limit',
    'Attempts at once that its limits and its endpoint allow at the moment, in this process',
    ['topic', 'subscription'],
  );
  readonly heldSeconds = this.#gauge(
    'gridpost_subscription_held_seconds',
    'For how long no attempt starts because its endpoint asked for it, 0 if it did not. In each process that has something for it; up to 5 s in that alone which was asked',
    ['topic', 'subscription'],
  );
  readonly scannedSubscriptions = this.#gauge(
    'gridpost_scanned_subscriptions',
    'Subscriptions whose filters no index finds: each is tried for every event of its topic',
    ['topic'],
  );
  readonly attemptsInFlight = this.#gauge(
    'gridpost_attempts_in_flight',
    'Requests running in this process',
    [],
  );
  readonly partitions = this.#gauge(
    'gridpost_partitions',
    'Partitions of the store, fixed when it was first opened',
    [],
  );
  readonly partitionsOwned = this.#gauge('gridpost_partitions_owned', 'Partitions this worker owns', []);
  readonly logEntries = this.#gauge(
    'gridpost_log_entries',
    'Log entries not yet settled, in the partitions this process owns',
    [],
  );

  readonly attemptLogBytes = this.#gauge(
    'gridpost_attempt_log_bytes',
    'Bytes of the attempt log, in the partitions this process owns, by kind: failures, successes',
    ['kind'],
  );
  readonly attemptLogReach = this.#gauge(
    'gridpost_attempt_log_reach_seconds',
    'For how long back the attempt log is complete in all partitions this process owns, by kind; absent while nothing was let go of',
    ['kind'],
  );
  readonly attemptBlocksShed = this.#counter(
    'gridpost_attempt_log_shed_blocks_total',
    'Blocks of the attempt log that were let go of for newer ones, by kind',
    ['kind'],
  );
  readonly attemptBlocksLost = this.#counter(
    'gridpost_attempt_log_lost_blocks_total',
    'Blocks of the attempt log that were never written, because too many waited for the store',
    [],
  );

  readonly storeOperation = this.#histogram(
    'gridpost_store_operation_duration_seconds',
    'Time of a store call',
    ['operation', 'store'],
    durationBounds,
  );
  readonly storeErrors = this.#counter(
    'gridpost_store_errors_total',
    'Store calls that failed, by the error they ended with',
    ['operation', 'code'],
  );
  readonly managementRefusals = this.#counter(
    'gridpost_management_refusals_total',
    'Management calls refused for their credential, by code: Unauthorized, Forbidden',
    ['code'],
  );
  readonly auditRecordsLost = this.#counter(
    'gridpost_audit_records_lost_total',
    'Records of the audit log that are in the log alone, since the store did not take them in time',
    [],
  );
  readonly storeUp = this.#gauge('gridpost_store_up', 'Whether the store answered its last health check', []);

  constructor(version: string) {
    this.buildInfo.with(version, process.version).set(1);
    describeProcess((family) => this.#registry.registerMetric(family as never));
  }

  /** All metrics as they are declared, for the checks that compare dashboards, rules and docs with what is exported. */
  declared(): Pick<Family<Cell>, 'name' | 'help' | 'type' | 'labels'>[] {
    return this.#registry.getMetricsAsArray() as never;
  }

  /** The text exposition format 0.0.4, which every Prometheus reads. */
  get contentType(): string {
    return Registry.PROMETHEUS_CONTENT_TYPE;
  }

  render(): Promise<string> {
    return this.#registry.metrics();
  }

  #counter(name: string, help: string, labels: readonly string[], only?: Cell): Family<Cell> {
    return this.#register(
      new Family({
        name,
        help,
        type: 'counter',
        labels,
        make: () => only ?? new Cell(),
        overflow: this.#overflow,
      }),
    );
  }

  #gauge(name: string, help: string, labels: readonly string[]): Family<Cell> {
    return this.#register(
      new Family({ name, help, type: 'gauge', labels, make: () => new Cell(), overflow: this.#overflow }),
    );
  }

  #histogram(
    name: string,
    help: string,
    labels: readonly string[],
    bounds: readonly number[],
  ): Family<Buckets> {
    return this.#register(
      new Family({
        name,
        help,
        type: 'histogram',
        labels,
        bounds,
        make: () => new Buckets(bounds),
        overflow: this.#overflow,
      }),
    );
  }

  #register<F extends Family<Cell> | Family<Buckets>>(family: F): F {
    this.#registry.registerMetric(family as never);
    return family;
  }
}
