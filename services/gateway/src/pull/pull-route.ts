/**
 * Pull delivery over HTTP, as Event Grid namespaces have it (Event Grid namespaces, "Subscriber operations"), so that
 * `@azure/eventgrid-namespaces` works as it is: answers are 200 even where every lock is lost, and a failed token carries
 * its error in the shape of both API versions. Served ahead of Express, as publishing is: consumers ask all the time.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parse as parseQuery } from 'node:querystring';
import { encodeOne } from '@gridpost/codec';
import { Event, GridpostError, holderOf, limits, subscriptionPath } from '@gridpost/model';
import type { LeasedDelivery } from '@gridpost/store';
import { type Access, checkOrigin } from '../auth.js';
import { requireConsumer } from '../caller.js';
import type { Context } from '../context.js';
import type { DirectAnswers, Exchange } from '../direct-answers.js';
import { readJson } from '../json-body.js';
import { invalidParameter, type Queried, wholeNumber } from '../query.js';
import { getSubscription } from '../stored.js';
import { schemaCheck } from '../validation.js';
import type { Action, PulledSubscription } from './consumers.js';
import { type Lock, locksOf } from './leases.js';
import { type Operation, type PullTarget, subscriptionNamed } from './pull-target.js';

const checkTokens = schemaCheck<{ readonly lockTokens: readonly string[] }>('lock-tokens.json');

/** `releaseDelayInSeconds` (Event Grid namespaces, "Release"). */
const releaseDelays = [0, 10, 60, 600, 3_600];

const failures = {
  BadToken: 'the lock token is not one that was given out for this subscription',
  TokenLost: 'the lock has run out, or the event was acknowledged, released or rejected before',
} as const;

export interface PullRouteOptions {
  readonly context: Context;
  readonly access: Access;
  readonly answers: DirectAnswers;
}

export class PullRoute {
  readonly #options: PullRouteOptions;

  constructor(options: PullRouteOptions) {
    this.#options = options;
  }

  /** Answers the request, now or later. Never throws. */
  serve(req: IncomingMessage, res: ServerResponse, target: PullTarget): void {
    const { answers, context } = this.#options;
    const exchange: Exchange = { req, res, form: target.form, began: context.clock.elapsed() };
    this.#proceed(exchange, target).catch((error: unknown) => {
      // Whoever has gone reads no answer.
      if (!res.destroyed) answers.refuse(exchange, error);
    });
  }

  async #proceed(exchange: Exchange, target: PullTarget): Promise<void> {
    const { req, res } = exchange;
    const { scope, name } = subscriptionNamed(target);
    await this.#admit(req, scope, name);
    const body = await new Promise((resolve, reject) => readJson(req, res, resolve, reject));
    const subscription = await this.#subscription(scope, name);
    const asked = { query: parseQuery(target.query) };
    const { operation } = target.form;
    if (operation === 'receive') await this.#receive(exchange, subscription, asked);
    else await this.#conclude(exchange, subscription, actionOf(operation, asked), body);
  }

  /** Rejects unless the caller is known and may receive from the subscription, whether or not there is one. */
  async #admit({ headers, method }: IncomingMessage, scope: string, name: string): Promise<void> {
    const { access, context } = this.#options;
    const topic = context.registry.topic(holderOf(scope).holder)?.topic;
    requireConsumer(await access.callerOf(headers, topic, 'consumer'), subscriptionPath(scope, name));
    if (method !== 'POST') {
      throw new GridpostError('MethodNotAllowed', `${method} is not supported here; use POST`, {
        allow: ['POST'],
      });
    }
    checkOrigin(headers);
  }

  /** Rejects as `getSubscription`, and with `WrongDeliveryMode`. */
  async #subscription(scope: string, name: string): Promise<PulledSubscription> {
    const { registry, store } = this.#options.context;
    // One that has just been made elsewhere may not be known yet.
    const value =
      registry.subscriptionAt(scope, name)?.subscription ??
      (await getSubscription(store.resources, scope, name)).value;
    if (value.properties.queue) return value as PulledSubscription;
    throw new GridpostError(
      'WrongDeliveryMode',
      'events of this subscription are pushed to its destination; only one with deliveryMode Queue can be received from',
    );
  }

  async #receive(exchange: Exchange, subscription: PulledSubscription, asked: Queried): Promise<void> {
    const { res } = exchange;
    const max = wholeNumber(asked, 'maxEvents', limits.receiveEvents);
    const waitMs = wholeNumber(asked, 'maxWaitTime', limits.receiveWaitSeconds) * 1_000;
    const receiving = this.#options.context.consumers.receive(subscription, max, waitMs);
    // Whoever has gone has not read what was sent to it.
    res.on('close', () => {
      if (!res.writableFinished) receiving.abandon();
    });
    const deliveries = await receiving.deliveries;
    if (!res.destroyed) this.#accept(exchange, this.#received(subscription, deliveries));
  }

  #received({ incarnation }: PulledSubscription, deliveries: readonly LeasedDelivery[]): Buffer {
    if (deliveries.length === 0) return nothing;
    const { lockTokens } = this.#options.context;
    const heads: string[] = [];
    const bodies: Buffer[] = [];
    let length = end.length;
    let before = '{"value":[';
    const locks = locksOf(deliveries);
    for (let each = 0; each < deliveries.length; each++) {
      const delivery = deliveries[each]!;
      const event = new Event(delivery.frame);
      const job = event.direction?.job;
      const replay = job === undefined ? '' : `,"replay":"${job}"`;
      const token = lockTokens.tokenOf(incarnation, locks[each]!);
      // Of characters that JSON leaves as they are, like a job's id.
      const properties = `{"lockToken":"${token}","deliveryCount":${delivery.state.attempts}${replay}}`;
      const head = `${before}{"brokerProperties":${properties},"event":`;
      const body = encodeOne(event, 'CloudEventSchemaV1_0');
      heads.push(head);
      bodies.push(body);
      length += head.length + body.length;
      before = '},';
    }
    const answer = Buffer.allocUnsafe(length);
    let at = 0;
    for (let each = 0; each < bodies.length; each++) {
      const body = bodies[each]!;
      at += answer.write(heads[each]!, at, 'latin1');
      answer.set(body, at);
      at += body.length;
    }
    answer.write(end, at, 'latin1');
    return answer;
  }

  async #conclude(
    exchange: Exchange,
    subscription: PulledSubscription,
    action: Action,
    body: unknown,
  ): Promise<void> {
    const { lockTokens: tokens, consumers } = this.#options.context;
    const { lockTokens } = checkTokens(body ?? {});
    const locks = lockTokens.map((token) => tokens.lockOf(subscription.incarnation, token));
    const known = locks.filter((lock): lock is Lock => lock !== undefined);
    const done = await consumers.conclude(subscription, known, action);
    const succeededLockTokens: string[] = [];
    const failedLockTokens: object[] = [];
    let at = 0;
    for (let each = 0; each < lockTokens.length; each++) {
      const lockToken = lockTokens[each]!;
      if (locks[each] === undefined) failedLockTokens.push(failure(lockToken, 'BadToken'));
      else if (done[at++]) succeededLockTokens.push(lockToken);
      else failedLockTokens.push(failure(lockToken, 'TokenLost'));
    }
    this.#accept(exchange, JSON.stringify({ failedLockTokens, succeededLockTokens }));
  }

  #accept(exchange: Exchange, body: string | Buffer): void {
    const length = String(Buffer.byteLength(body));
    this.#options.answers.accept(exchange, [...answerHeaders, 'content-length', length], body);
  }
}

/** An answer without events, and how one with events ends. */
const nothing = Buffer.from('{"value":[]}');
const end = '}]}';

const answerHeaders: readonly string[] = [
  ...['content-type', 'application/json; charset=utf-8', 'x-content-type-options', 'nosniff'],
];

function actionOf(operation: Exclude<Operation, 'receive'>, asked: Queried): Action {
  return operation === 'release' ? releaseOf(asked) : { kind: operation };
}

function releaseOf(asked: Queried): Action {
  const max = releaseDelays.at(-1)!;
  const seconds = wholeNumber(asked, 'releaseDelayInSeconds', { min: 0, max, default: 0 });
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
