/** What keeps an event that matches from being delivered now, or from being kept when it cannot be. */
import { type Health, isProven, retryAfterOf, type Subscription } from '@gridpost/model';

export interface Obstacle {
  readonly kind:
    | 'Unvalidated'
    | 'Disabled'
    | 'Paused'
    | 'HeldBack'
    | 'RetryAfter'
    | 'Expired'
    | 'DeadLetteringOff';
  /** In one sentence, with what ends it. */
  readonly reason: string;
  /** ISO 8601, where it is known when it may end by itself. */
  readonly until?: string;
}

export function obstaclesOf(subscription: Subscription, health: Health | undefined, now: number): Obstacle[] {
  const { status, properties, provisioning } = subscription;
  const obstacles: Obstacle[] = [];
  if (provisioning && !isProven(subscription)) {
    const why =
      'reason' in provisioning && provisioning.reason !== undefined ? ` (${provisioning.reason})` : '';
    obstacles.push({
      kind: 'Unvalidated',
      reason: `the endpoint has not agreed to get events, its state is ${provisioning.state}${why}: events are kept until it does, or their time to live ends`,
    });
  }
  if (status.state === 'Disabled')
    obstacles.push({
      kind: 'Disabled',
      reason: `disabled since ${instant(status.at)} (${status.reason}): events are kept and deferred until :reset, or until the subscription is written again, or their time to live ends`,
    });
  if (status.state === 'Paused')
    obstacles.push({
      kind: 'Paused',
      reason: `paused since ${instant(status.at)}: events are kept and deferred until :resume, or their time to live ends`,
    });
  if (properties.destination && health?.state === 'Probation') {
    const until = instant(health.nextProbeAt!);
    obstacles.push({
      kind: 'HeldBack',
      reason: `the endpoint fails and has been held back since ${instant(health.since)} (${causes(health)}): events are kept and deferred, and one of them is tried from ${until} on; what has waited follows when it is taken, or after :reset`,
      until,
    });
  }
  const retryAfter = properties.destination && health ? retryAfterOf(health, now) : undefined;
  if (retryAfter) {
    const until = instant(retryAfter.until);
    obstacles.push({
      kind: 'RetryAfter',
      reason: `the endpoint answered ${retryAfter.status} with Retry-After at ${instant(retryAfter.at)}: events are kept and deferred, and attempted from ${until} on, or after :reset`,
      until,
    });
  }
  const { expirationTimeUtc, deadLettering } = properties;
  if (expirationTimeUtc !== undefined && Date.parse(expirationTimeUtc) <= now)
    obstacles.push({
      kind: 'Expired',
      reason: `expired at ${expirationTimeUtc}: nothing is attempted any more`,
    });
  if (!deadLettering)
    obstacles.push({
      kind: 'DeadLetteringOff',
      reason: 'an event that is given up is dropped, since deadLettering is off',
    });
  return obstacles;
}

/** `ServerError 12, TimedOut 3`, the most frequent first. */
function causes({ failures }: Health): string {
  const counted = Object.entries(failures).sort(([, a], [, b]) => b - a);
  return counted.map(([outcome, count]) => `${outcome} ${count}`).join(', ');
}

const instant = (ms: number): string => new Date(ms).toISOString();
