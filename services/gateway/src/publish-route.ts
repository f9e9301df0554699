/**
 * `POST /topics/{topic}:publish`, ahead of Express: per event it is the whole of the gateway's work, and Express costs
 * more than twice the rest of the request (docs/architecture.md). A request is checked in the order in which checks are cheap, its
 * body is not asked for before all that can be refused without it has been, and it is answered 200 when its events are
 * durable, or in Event Grid's envelope.
 *
 * What the bytes mean is the codec's business, grouping and storing the publisher's.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type DecodedRequest, decodeRequest } from '@gridpost/codec';
import type { Publisher } from '@gridpost/ingest';
import type { Metrics } from '@gridpost/metrics';
import { type Clock, GridpostError, type Log, limits, type Topic } from '@gridpost/model';
import { answerError, askForBody } from './answer.js';
import type { Access } from './auth.js';
import { readBody } from './body.js';
import { catalogued, envelopeAnswer, requestIdHeader } from './problem.js';
import type { PublishCounts } from './publish-counts.js';
import { RouteTimes } from './route-times.js';
import type { TopicLookup } from './topic-lookup.js';

export const publishPath = '/topics/{topic}:publish';
const prefix = '/topics/';
const suffix = ':publish';

/** Event Grid's SDKs take 200 only, and want an object (Event Grid SDKs). */
const acceptedBody = '{}';

export interface PublishRouteOptions {
  readonly topics: TopicLookup;
  readonly access: Access;
  readonly publisher: Publisher;
  readonly counts: PublishCounts;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether new events are no longer taken. */
  readonly draining: () => boolean;
}

export class PublishRoute {
  readonly #options: PublishRouteOptions;
  readonly #postTimes: RouteTimes;

  constructor(options: PublishRouteOptions) {
    this.#options = options;
    this.#postTimes = new RouteTimes(options.metrics, 'POST', publishPath);
  }

  /**
   * The topic's name, still percent-encoded, if the request's target is this route's; undefined if it is another's.
   * Any query, such as `api-version`, is ignored (Event Grid SDKs).
   */
  nameIn(target: string): string | undefined {
    const query = target.indexOf('?');
    const end = (query === -1 ? target.length : query) - suffix.length;
    if (end <= prefix.length || !target.startsWith(prefix) || !target.startsWith(suffix, end))
      return undefined;
    const further = target.indexOf('/', prefix.length);
    return further === -1 || further > end ? target.slice(prefix.length, end) : undefined;
  }

  /** Answers the request, now or later. Never throws. `name` is what `nameIn` found. */
  serve(req: IncomingMessage, res: ServerResponse, name: string): void {
    const exchange = new Exchange(req, res, this.#options.clock.elapsed());
    try {
      if (req.method !== 'POST') {
        throw new GridpostError('MethodNotAllowed', `${req.method} is not supported here; use POST`, {
          allow: ['POST'],
        });
      }
      if (this.#options.draining()) {
        throw new GridpostError('Draining', 'this process is shutting down; nothing was stored');
      }
      this.#options.access.requireCredential(req.headers);
      const registered = this.#options.topics.known(name);
      if (registered) this.#admit(exchange, registered.topic);
      else this.#seek(exchange, name);
    } catch (error) {
      this.#refuse(exchange, error);
    }
  }

  #seek(exchange: Exchange, encoded: string): void {
    const name = decoded(encoded);
    this.#options.topics.seek(name).then(
      (registered) => {
        try {
          if (!registered) {
            throw new GridpostError(
              'TopicNotFound',
              `there is no topic ${JSON.stringify(name.slice(0, 64))}`,
            );
          }
          this.#admit(exchange, registered.topic);
        } catch (error) {
          this.#refuse(exchange, error);
        }
      },
      (error: unknown) => {
        // Nothing has been given to the store, whatever kept it from answering.
        this.#refuse(
          exchange,
          new GridpostError(
            'StoreUnavailable',
            'the store could not be asked for the topic; nothing was stored',
            {
              cause: error,
            },
          ),
        );
      },
    );
  }

  /** Throws what can be refused by the headers alone; else has the body read and its events published. */
  #admit(exchange: Exchange, topic: Topic): void {
    const { req, res } = exchange;
    this.#options.access.checkPublish(req.headers, topic);
    exchange.topic = topic;
    const encoding = req.headers['content-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw new GridpostError(
        'UnsupportedContentType',
        'the body is compressed (content-encoding); send it as it is',
      );
    }
    if (Number(req.headers['content-length']) > limits.requestBytesMax) throw tooLarge();
    askForBody(req, res);
    readBody(
      req,
      limits.requestBytesMax,
      (body) => this.#publish(exchange, topic, body),
      () => this.#refuse(exchange, tooLarge()),
    );
  }

  #publish(exchange: Exchange, topic: Topic, body: Buffer): void {
    const { counts, publisher } = this.#options;
    let events: DecodedRequest['events'];
    try {
      ({ events } = decodeRequest(exchange.req.rawHeaders, body));
      exchange.events = events.length;
    } catch (error) {
      this.#refuse(exchange, error);
      return;
    }
    publisher.publish(topic, events).then(
      () => {
        counts.of(topic).accepted.add(events.length);
        this.#accept(exchange);
      },
      (error: unknown) => this.#refuse(exchange, error),
    );
  }

  #accept({ res, began }: Exchange): void {
    res.writeHead(200, [
      'content-type',
      'application/json; charset=utf-8',
      'content-length',
      '2',
      requestIdHeader,
      randomUUID(),
    ]);
    res.end(acceptedBody);
    this.#postTimes.observe(200, this.#options.clock.elapsed() - began);
  }

  #refuse(exchange: Exchange, thrown: unknown): void {
    const { clock, counts, log, metrics } = this.#options;
    const { req, res, began, topic, events } = exchange;
    const error = catalogued(thrown);
    const requestId = randomUUID();
    if (topic) {
      const count = counts.of(topic);
      (error.code === 'OutcomeUnknown' ? count.unknown : count.refused).add(events ?? 1);
    }
    if (error.code === 'Internal') {
      const cause = error.cause instanceof Error ? error.cause : error;
      log.error({ requestId, route: publishPath, topic: topic?.name, error: cause.stack }, 'request failed');
    }
    answerError(req, res, clock, envelopeAnswer(error, requestId));
    const times =
      req.method === 'POST' ? this.#postTimes : new RouteTimes(metrics, req.method ?? '', publishPath);
    times.observe(error.status, clock.elapsed() - began);
  }
}

/** One publish request from its headers to its answer. */
class Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly began: number;
  /** Once the request is known to be allowed to publish to it. */
  topic: Topic | undefined;
  /** Once the body has been decoded. */
  events: number | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, began: number) {
    this.req = req;
    this.res = res;
    this.began = began;
    this.topic = undefined;
    this.events = undefined;
  }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw new GridpostError('InvalidName', 'the topic in the path has a broken percent escape');
  }
}

function tooLarge(): GridpostError {
  return new GridpostError(
    'TooLarge',
    `the body is larger than ${limits.requestBytesMax} bytes; send fewer events in one request`,
  );
}
