/**
 * Pull delivery over HTTP, as Event Grid namespaces have it (Event Grid namespaces, "Subscriber operations"), so that
 * `@azure/eventgrid-namespaces` works as it is: answers are 200 even where every lock is lost, and a failed token carries
 * its error in the shape of both API versions.
 */
import { encodeDelivery } from '@gridpost/codec';
import { Event, GridpostError, limits } from '@gridpost/model';
import type { LeasedDelivery } from '@gridpost/store';
import type { Request, Response } from 'express';
import type { Context } from '../context.js';
import { invalidParameter, wholeNumber } from '../query.js';
import { parameter, type Route, scopeOf, scopePaths } from '../route.js';
import { getSubscription } from '../stored.js';
import { schemaCheck } from '../validation.js';
import { type Action, lockOf, type PulledSubscription } from './consumers.js';
import type { Lock } from './lock-token.js';

const checkTokens = schemaCheck<{ readonly lockTokens: readonly string[] }>('lock-tokens.json');

/** `releaseDelayInSeconds` (Event Grid namespaces, "Release"). */
const releaseDelays = [0, 10, 60, 600, 3_600];

const failures = {
  BadToken: 'the lock token is not one that was given out for this subscription',
  TokenLost: 'the lock has run out, or the event was acknowledged, released or rejected before',
} as const;

export function pullRoutes(context: Context): Route[] {
  const { consumers, lockTokens: tokens } = context;

  async function receive(req: Request, res: Response): Promise<void> {
    const subscription = await pulledSubscription(req);
    const max = wholeNumber(req, 'maxEvents', limits.receiveEvents);
    const waitMs = wholeNumber(req, 'maxWaitTime', limits.receiveWaitSeconds) * 1_000;
    const receiving = consumers.receive(subscription, max, waitMs);
    // Whoever has gone has not read what was sent to it.
    res.on('close', () => {
      if (!res.writableFinished) receiving.abandon();
    });
    const deliveries = await receiving.deliveries;
    if (res.destroyed) return;
    res.set('content-type', 'application/json; charset=utf-8').send(answer(subscription, deliveries));
  }

  function answer({ incarnation }: PulledSubscription, deliveries: readonly LeasedDelivery[]): Buffer {
    const parts: Buffer[] = [];
    let before = '{"value":[';
    for (const delivery of deliveries) {
      const event = new Event(delivery.frame);
      const job = event.direction?.job;
      const replay = job === undefined ? '' : `,"replay":"${job}"`;
      // A token is of characters that JSON leaves as they are, and so is a job's id.
      const properties = `{"lockToken":"${tokens.tokenOf(incarnation, lockOf(delivery))}","deliveryCount":${delivery.state.attempts}${replay}}`;
      parts.push(
        Buffer.from(`${before}{"brokerProperties":${properties},"event":`, 'latin1'),
        encodeDelivery(event, 'structured').body!,
      );
      before = '},';
    }
    parts.push(Buffer.from(deliveries.length === 0 ? '{"value":[]}' : '}]}'));
    return Buffer.concat(parts);
  }

  function operation(actionOf: (req: Request) => Action): Route['handle'] {
    return async (req, res) => {
      const subscription = await pulledSubscription(req);
      const action = actionOf(req);
      const { lockTokens } = checkTokens(req.body ?? {});
      const locks = lockTokens.map((token) => tokens.lockOf(subscription.incarnation, token));
      const known = locks.filter((lock): lock is Lock => lock !== undefined);
      const done = await consumers.conclude(subscription, known, action);
      const succeededLockTokens: string[] = [];
      const failedLockTokens: object[] = [];
      let at = 0;
      for (const [index, lockToken] of lockTokens.entries()) {
        if (locks[index] === undefined) failedLockTokens.push(failure(lockToken, 'BadToken'));
        else if (done[at++]) succeededLockTokens.push(lockToken);
        else failedLockTokens.push(failure(lockToken, 'TokenLost'));
      }
      res.json({ failedLockTokens, succeededLockTokens });
    };
  }

  /** Throws as `getSubscription`, and `WrongDeliveryMode`. */
  async function pulledSubscription(req: Request): Promise<PulledSubscription> {
    const scope = scopeOf(req);
    const name = parameter(req, 'name');
    const { registry, store } = context;
    // Consumers ask all the time. One that has just been made elsewhere may not be known yet.
    const value =
      registry.subscriptionAt(scope, name)?.subscription ??
      (await getSubscription(store.resources, scope, name)).value;
    if (value.properties.queue) return value as PulledSubscription;
    throw new GridpostError(
      'WrongDeliveryMode',
      'events of this subscription are pushed to its destination; only one with deliveryMode Queue can be received from',
    );
  }

  return scopePaths.flatMap((scope): Route[] => {
    const one = `${scope}/eventsubscriptions/{name}`;
    const post = (name: string, handle: Route['handle']): Route => ({
      ...{ method: 'POST', path: `${one}:${name}`, handle },
      role: 'consumer',
    });
    return [
      post('receive', receive),
      post(
        'acknowledge',
        operation(() => ({ kind: 'acknowledge' })),
      ),
      post('release', operation(releaseOf)),
      post(
        'reject',
        operation(() => ({ kind: 'reject' })),
      ),
      post(
        'renewLock',
        operation(() => ({ kind: 'renewLock' })),
      ),
    ];
  });
}

function releaseOf(req: Request): Action {
  const max = releaseDelays.at(-1)!;
  const seconds = wholeNumber(req, 'releaseDelayInSeconds', { min: 0, max, default: 0 });
  if (releaseDelays.includes(seconds)) return { kind: 'release', delayMs: seconds * 1_000 };
  throw invalidParameter(
    'releaseDelayInSeconds',
    `saw ${seconds}, expected one of ${releaseDelays.join(', ')}`,
  );
}

/** In the shapes of API version 2023-11-01 and 2024-06-01 together. */
function failure(lockToken: string, code: keyof typeof failures): object {
  const description = failures[code];
  return {
    lockToken,
    error: { code, message: description },
    errorCode: code,
    errorDescription: description,
  };
}
