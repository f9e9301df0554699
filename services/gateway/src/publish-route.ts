/**
 * Publishing, ahead of Express: per event it is the whole of the gateway's work, and Express costs more than twice the
 * rest of the request (docs/architecture.md). A request is checked in the order in which checks are cheap, its body is not
 * asked for before all that can be refused without it has been, and it is answered 200 when its events are durable, or in
 * Event Grid's envelope.
 *
 * Where requests may be sent is `publish-target.ts`'s business, what their bytes mean `published-events.ts`'s, grouping
 * and storing the publisher's.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Publisher } from '@gridpost/ingest';
import {
  type Clock,
  domainScope,
  type Event,
  GridpostError,
  type InputSchema,
  limits,
  type Topic,
} from '@gridpost/model';
import { answerWhole, askForBody } from './answer.js';
import type { Access } from './auth.js';
import { readBody } from './body.js';
import { type Credential, credentialOf } from './credential.js';
import type { DirectAnswers, Exchange } from './direct-answers.js';
import { requestIdHeader } from './problem.js';
import type { PublishCounts } from './publish-counts.js';
import { nowhere, type PublishForm, type PublishTarget, scopeNamed } from './publish-target.js';
import { publishedEvents } from './published-events.js';
import type { PublishQuotas } from './quotas/publish-quotas.js';
import type { TopicLookup } from './topic-lookup.js';

/** What `OPTIONS` calls them (Event Grid, "Get the type of schema supported by a topic"). */
const schemaNames: Readonly<Record<InputSchema, string>> = {
  EventGridSchema: 'EventGridEvent',
  CustomEventSchema: 'CustomInputEvent',
  CloudEventSchemaV1_0: 'CloudEventV10',
};

/** How many events of an accepted request were stored before; absent for none. */
const duplicatesHeader = 'gridpost-duplicates';

export interface PublishRouteOptions {
  readonly topics: TopicLookup;
  readonly access: Access;
  readonly publisher: Publisher;
  readonly counts: PublishCounts;
  readonly quotas: PublishQuotas;
  readonly answers: DirectAnswers;
  readonly clock: Clock;
  /** Whether new events are no longer taken. */
  readonly draining: () => boolean;
}

export class PublishRoute {
  readonly #options: PublishRouteOptions;

  constructor(options: PublishRouteOptions) {
    this.#options = options;
  }

  /** Answers the request, now or later. Never throws. */
  serve(req: IncomingMessage, res: ServerResponse, { form, name }: PublishTarget): void {
    const { access, clock, draining, topics } = this.#options;
    const exchange = new Publishing(req, res, form, clock.elapsed());
    try {
      if (form === nowhere) throw noRoute();
      if (req.method !== 'POST') checkMethod(req.method!, form);
      if (draining()) {
        throw new GridpostError('Draining', 'this process is shutting down; nothing was stored');
      }
      const credential = credentialOf(req.headers, req.url);
      access.requireCredential(credential, req.headers);
      const registered = topics.known(form.holder === 'domain' ? domainScope(name) : name);
      if (registered) this.#admit(exchange, credential, registered.topic);
      else this.#go(exchange, this.#seek(form, name), (topic) => this.#admit(exchange, credential, topic));
    } catch (error) {
      this.#refuse(exchange, error);
    }
  }

  /** Goes on with what is promised, or refuses. */
  #go<T>(exchange: Publishing, promised: Promise<T>, next: (value: T) => void): void {
    promised.then(next).catch((error: unknown) => this.#refuse(exchange, error));
  }

  async #seek(form: PublishForm, encoded: string): Promise<Topic> {
    const name = decoded(encoded, form);
    const scope = scopeNamed(form, name);
    try {
      const registered = scope === undefined ? undefined : await this.#options.topics.seek(scope);
      if (registered) return registered.topic;
    } catch (cause) {
      // Nothing has been given to the store, whatever kept it from answering.
      throw new GridpostError(
        'StoreUnavailable',
        `the store could not be asked for the ${form.holder}; nothing was stored`,
        { cause },
      );
    }
    throw new GridpostError(
      form.holder === 'domain' ? 'DomainNotFound' : 'TopicNotFound',
      `there is no ${form.holder} ${JSON.stringify(name.slice(0, 64))}`,
    );
  }

  #admit(exchange: Publishing, credential: Credential, topic: Topic): void {
    const checked = this.#options.access.checkPublish(credential, topic, exchange.req.headers);
    if (checked) this.#go(exchange, checked, () => this.#receive(exchange, topic));
    else this.#receive(exchange, topic);
  }

  /** Throws what can be refused by the headers alone; else has the body read and its events published. */
  #receive(exchange: Publishing, topic: Topic): void {
    const { req, res, form } = exchange;
    if (req.method === 'OPTIONS') {
      this.#describe(exchange, topic);
      return;
    }
    exchange.topic = topic;
    const { inputSchema } = topic.properties;
    if (inputSchema !== 'CloudEventSchemaV1_0' && !form.anySchema) {
      throw new GridpostError(
        'InvalidEvent',
        `the topic takes ${inputSchema}, and :publish takes CloudEvents only; send to /topics/${topic.name}/api/events`,
      );
    }
    const encoding = req.headers['content-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw new GridpostError(
        'UnsupportedContentType',
        'the body is compressed (content-encoding); send it as it is',
      );
    }
    const length = Number(req.headers['content-length'] ?? 0);
    if (length > limits.requestBytesMax) throw tooLarge();
    this.#options.quotas.check(topic, 1, length);
    askForBody(req, res);
    readBody(
      req,
      limits.requestBytesMax,
      (body) => this.#publish(exchange, topic, body),
      () => this.#refuse(exchange, tooLarge()),
    );
  }

  #publish(exchange: Publishing, topic: Topic, body: Buffer): void {
    const { clock, counts, publisher, quotas } = this.#options;
    let events: readonly Event[];
    try {
      events = publishedEvents(topic, exchange.form.rules, exchange.req.rawHeaders, body, clock);
      exchange.events = events.length;
      quotas.take(topic, events.length, body.length);
    } catch (error) {
      this.#refuse(exchange, error);
      return;
    }
    publisher.publish(topic, events).then(
      ({ duplicates }) => {
        const count = counts.of(topic);
        count.accepted.add(events.length - duplicates);
        if (duplicates > 0) count.duplicate.add(duplicates);
        this.#accept(exchange, duplicates);
      },
      (error: unknown) => this.#refuse(exchange, error),
    );
  }

  #accept(exchange: Publishing, duplicates: number): void {
    const { headers, body } = exchange.form.accepted;
    this.#options.answers.accept(
      exchange,
      duplicates > 0 ? [...headers, duplicatesHeader, String(duplicates)] : headers,
      body,
    );
  }

  /** Answers `OPTIONS`. */
  #describe(exchange: Publishing, topic: Topic): void {
    const { req, res, form } = exchange;
    const { answers, clock } = this.#options;
    const headers = {
      ...form.headers,
      allow: form.allow.join(', '),
      'aeg-input-event-schema': schemaNames[topic.properties.inputSchema],
      [requestIdHeader]: randomUUID(),
    };
    answerWhole(req, res, clock, { status: 200, headers, body: Buffer.alloc(0) });
    answers.time(exchange, 200);
  }

  #refuse(exchange: Publishing, thrown: unknown): void {
    const { answers, counts } = this.#options;
    const { topic, events } = exchange;
    const { code } = answers.refuse(exchange, thrown, { topic: topic?.name });
    if (!topic) return;
    const count = counts.of(topic);
    (code === 'OutcomeUnknown' ? count.unknown : count.refused).add(events ?? 1);
  }
}

/** One publish request. */
class Publishing implements Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly form: PublishForm;
  readonly began: number;
  /** Once the request is known to be allowed to publish to it. */
  topic: Topic | undefined;
  /** Once the body has been decoded. */
  events: number | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, form: PublishForm, began: number) {
    this.req = req;
    this.res = res;
    this.form = form;
    this.began = began;
    this.topic = undefined;
    this.events = undefined;
  }
}

/** Throws unless a method other than POST is one of the form's. Event Grid's own form knows no HEAD at all. */
function checkMethod(method: string, form: PublishForm): void {
  if (form.allow.includes(method)) return;
  if (method === 'HEAD' && form.allow.includes('OPTIONS')) throw noRoute();
  throw new GridpostError(
    'MethodNotAllowed',
    `${method} is not supported here; use ${form.allow.join(' or ')}`,
    { allow: form.allow },
  );
}

function noRoute(): GridpostError {
  return new GridpostError(
    'RouteNotFound',
    'there is nothing at this path; events are sent to /topics/{topic}/api/events or /domains/{domain}/api/events',
  );
}

function decoded(name: string, { holder }: PublishForm): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw new GridpostError('InvalidName', `the ${holder} in the path has a broken percent escape`);
  }
}

function tooLarge(): GridpostError {
  return new GridpostError(
    'TooLarge',
    `the body is larger than ${limits.requestBytesMax} bytes; send fewer events in one request`,
  );
}
