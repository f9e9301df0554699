/**
 * The product's HTTP interface in the words of the tests. It checks nothing by itself except where a name says so:
 * what an answer should be is the test's business.
 */
import { type Answer, type Call, call } from './http.js';
import { readMetrics, type Scrape } from './metrics.js';
import { until } from './waiting.js';

export const mediaTypes = {
  structured: 'application/cloudevents+json',
  batch: 'application/cloudevents-batch+json',
} as const;

/** An event with what CloudEvents requires, and whatever is given. */
export function eventOf(attributes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { specversion: '1.0', id: `event-${nextId++}`, source: '/test', type: 'test.event', ...attributes };
}
let nextId = 1;

/** Everything of a subscription that a test may want to say; the rest is the product's default. */
export interface SubscriptionWish {
  readonly url: string;
  readonly filter?: Readonly<Record<string, unknown>>;
  readonly contentMode?: 'structured' | 'binary';
  readonly attemptTimeoutInSeconds?: number;
  readonly properties?: Readonly<Record<string, unknown>>;
}

export interface DeadLetterView {
  readonly deadLetterReason: string;
  readonly [key: string]: unknown;
}

export interface JobView {
  readonly id: string;
  readonly status: string;
  readonly done: number;
  readonly failed: number;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly [key: string]: unknown;
}

export class Api {
  readonly url: string;
  readonly #key: string | undefined;

  constructor(url: string, adminKey?: string) {
    this.url = url;
    this.#key = adminKey;
  }

  /** A request with the admin key, if there is one. Objects are sent as JSON. */
  send(method: string, path: string, body?: unknown, headers: Call['headers'] = {}): Promise<Answer> {
    const credential = this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` };
    if (body === undefined) return call(this.url + path, { method, headers: { ...credential, ...headers } });
    const sent = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return call(this.url + path, {
      method,
      headers: { ...credential, 'content-type': 'application/json', ...headers },
      body: sent,
    });
  }

  async putTopic(topic: string, properties: Readonly<Record<string, unknown>> = {}): Promise<void> {
    expectStatus(await this.send('PUT', `/topics/${topic}`, { properties }), 200, 201);
  }

  async putSubscription(topic: string, name: string, wish: SubscriptionWish): Promise<void> {
    expectStatus(await this.send('PUT', subscriptionPath(topic, name), subscriptionBody(wish)), 200, 201);
  }

  async deleteSubscription(topic: string, name: string): Promise<void> {
    expectStatus(await this.send('DELETE', subscriptionPath(topic, name)), 200, 204);
  }

  /** Publishes one event as it stands, structured. */
  publish(topic: string, event: unknown, headers: Call['headers'] = {}): Promise<Answer> {
    return this.send('POST', publishPath(topic), event, {
      'content-type': mediaTypes.structured,
      ...headers,
    });
  }

  publishBatch(topic: string, events: unknown, headers: Call['headers'] = {}): Promise<Answer> {
    return this.send('POST', publishPath(topic), events, { 'content-type': mediaTypes.batch, ...headers });
  }

  /** Publishes one event in binary mode: attributes as headers, written as they are. */
  publishBinary(topic: string, headers: Call['headers'], data: string | Buffer): Promise<Answer> {
    return this.send('POST', publishPath(topic), data, headers);
  }

  /** Publishes and insists that it was accepted. */
  async accept(topic: string, event: unknown): Promise<void> {
    expectStatus(await this.publish(topic, event), 200);
  }

  async deadLetters(topic: string, name: string): Promise<DeadLetterView[]> {
    const answer = await this.send('GET', `${subscriptionPath(topic, name)}/deadletters`);
    expectStatus(answer, 200);
    return answer.json<{ value: DeadLetterView[] }>().value;
  }

  /** Resolves with the subscription's dead letters when there are at least `count`. */
  deadLettered(topic: string, name: string, count: number, withinMs?: number): Promise<DeadLetterView[]> {
    return until(
      `${count} dead letters of ${name}`,
      async () => {
        const held = await this.deadLetters(topic, name);
        return held.length >= count && held;
      },
      { everyMs: 100, ...(withinMs === undefined ? {} : { withinMs }) },
    );
  }

  /** Begins a job and insists that it was accepted. */
  async begin(path: string, body: unknown = {}): Promise<JobView> {
    const answer = await this.send('POST', path, body);
    expectStatus(answer, 202);
    return answer.json<JobView>();
  }

  async job(id: string): Promise<JobView> {
    const answer = await this.send('GET', `/jobs/${id}`);
    expectStatus(answer, 200);
    return answer.json<JobView>();
  }

  /** Resolves with the job as soon as `condition` holds for it. */
  jobUntil(id: string, condition: (job: JobView) => boolean, withinMs = 60_000): Promise<JobView> {
    return until(
      `job ${id}`,
      async () => {
        const job = await this.job(id);
        return condition(job) && job;
      },
      { everyMs: 50, withinMs },
    );
  }

  /** Resolves when the job is over. */
  jobOver(id: string, withinMs?: number): Promise<JobView> {
    return this.jobUntil(id, ({ endedAt }) => endedAt !== undefined, withinMs);
  }

  redrive(topic: string, name: string, body: unknown = {}): Promise<Answer> {
    return this.send('POST', `${subscriptionPath(topic, name)}/deadletters:redrive`, body);
  }

  async metrics(): Promise<Scrape> {
    const answer = await this.send('GET', '/metrics');
    expectStatus(answer, 200);
    return readMetrics(answer.body.toString());
  }
}

export const subscriptionPath = (topic: string, name: string): string =>
  `/topics/${topic}/eventsubscriptions/${name}`;

export const publishPath = (topic: string): string => `/topics/${topic}:publish`;

export function subscriptionBody(wish: SubscriptionWish): Record<string, unknown> {
  const { url, filter, contentMode, attemptTimeoutInSeconds, properties } = wish;
  return {
    properties: {
      destination: {
        endpointType: 'WebHook',
        properties: {
          endpointUrl: url,
          ...(contentMode === undefined ? {} : { contentMode }),
          ...(attemptTimeoutInSeconds === undefined ? {} : { attemptTimeoutInSeconds }),
        },
      },
      ...(filter === undefined ? {} : { filter }),
      ...properties,
    },
  };
}

/** Throws, with the answer's body, unless its status is one of these. */
export function expectStatus(answer: Answer, ...statuses: number[]): void {
  if (statuses.includes(answer.status)) return;
  throw new Error(`status ${answer.status} instead of ${statuses.join(' or ')}: ${answer.body.toString()}`);
}
