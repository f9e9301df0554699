/** A job as it is shown: what it is about, how far it has come, and when it may be done. */
import { isOver, type Job, topicPath } from '@gridpost/model';

export function jobView(job: Job): object {
  const { id, task, status, topic, subscription, ratePerSecond, total, progress } = job;
  const { done, failed } = progress;
  const rate = rateOf(job);
  const left = total.count - done - failed;
  const endsAt =
    rate === undefined || isOver(job) || left < 0 ? undefined : job.updatedAt + (left / rate) * 1_000;
  const selection = task.kind === 'replay' ? task : task.letters;
  return {
    id,
    kind: task.kind,
    status,
    topic: `/${topicPath(topic)}`,
    subscription: subscription.name,
    ...(task.kind === 'redrive' && task.target ? { target: task.target.name } : {}),
    ...('reason' in selection ? { reason: selection.reason } : {}),
    ...instants({ from: selection.from, to: selection.to }),
    ratePerSecond,
    total,
    done,
    failed,
    ...(rate === undefined ? {} : { rate }),
    ...(job.waitingFor === undefined || isOver(job) ? {} : { waitingFor: job.waitingFor }),
    ...(job.error === undefined ? {} : { error: job.error }),
    ...instants({
      createdAt: job.createdAt,
      startedAt: job.startedAt,
      estimatedEndAt: endsAt,
      endedAt: job.endedAt,
    }),
  };
}

/** Handled per second since it began, to a tenth; undefined before it has handled any. */
function rateOf({ progress: { done, failed }, startedAt, updatedAt, endedAt }: Job): number | undefined {
  if (startedAt === undefined || done + failed === 0) return undefined;
  const seconds = Math.max(1, ((endedAt ?? updatedAt) - startedAt) / 1_000);
  return Math.max(0.1, Math.round(((done + failed) / seconds) * 10) / 10);
}

function instants(given: Readonly<Record<string, number | undefined>>): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [name, ms] of Object.entries(given))
    if (ms !== undefined) shown[name] = new Date(ms).toISOString();
  return shown;
}
