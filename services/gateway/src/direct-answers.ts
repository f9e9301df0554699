/**
 * The answers of what is served ahead of Express: 200, or refused in Event Grid's envelope; each with an id, each timed by its
 * route. Which it is, is decided by the routes themselves.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metrics } from '@gridpost/metrics';
import type { Clock, GridpostError, Log } from '@gridpost/model';
import { answerWhole } from './answer.js';
import { catalogued, envelopeAnswer, requestIdHeader } from './problem.js';
import { RouteTimes } from './route-times.js';

export interface DirectForm {
  /** As in the OpenAPI document; also the label in metrics. */
  readonly route: string;
  /** On every answer. */
  readonly headers: Readonly<Record<string, string>>;
}

/** One request from its headers to its answer. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly form: DirectForm;
  /** By `Clock.elapsed`. */
  readonly began: number;
}

export interface DirectAnswersOptions {
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

export class DirectAnswers {
  readonly #options: DirectAnswersOptions;
  readonly #postTimes = new Map<string, RouteTimes>();

  constructor(options: DirectAnswersOptions) {
    this.#options = options;
  }

  /** Answers 200. `headers`: names and values in turn, the content's length among them. */
  accept(exchange: Exchange, headers: readonly string[], body: string | Buffer): void {
    const { res } = exchange;
    res.writeHead(200, [...headers, requestIdHeader, randomUUID()]);
    res.end(body);
    this.time(exchange, 200);
  }

  /** Answers what was thrown, which is returned as clients see it. `noted` is logged beside a failure of our own. */
  refuse(exchange: Exchange, thrown: unknown, noted: object = {}): GridpostError {
    const { req, res, form } = exchange;
    const { clock, log } = this.#options;
    const error = catalogued(thrown);
    const requestId = randomUUID();
    if (error.code === 'Internal') {
      const cause = error.cause instanceof Error ? error.cause : error;
      log.error({ requestId, route: form.route, ...noted, error: cause.stack }, 'request failed');
    }
    answerWhole(req, res, clock, envelopeAnswer(error, requestId, form.headers));
    this.time(exchange, error.status);
    return error;
  }

  /** To be called once an answer has been given in another way. */
  time({ req, form, began }: Exchange, status: number): void {
    this.#timesOf(req.method!, form.route).observe(status, this.#options.clock.elapsed() - began);
  }

  #timesOf(method: string, route: string): RouteTimes {
    if (method !== 'POST') return new RouteTimes(this.#options.metrics, method, route);
    let times = this.#postTimes.get(route);
    if (!times) this.#postTimes.set(route, (times = new RouteTimes(this.#options.metrics, method, route)));
    return times;
  }
}
