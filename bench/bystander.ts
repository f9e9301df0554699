/**
 * A publisher at a steady rate and the endpoint of what it publishes, as a process of its own, so that nothing but the router
 * keeps it waiting. Each publish begins at its instant whether or not those before it are answered, and is timed from then.
 * Arguments: URL to publish to, port of the endpoint, events per second. `GET /window` there answers with what was seen since
 * the last such request.
 */
import { Agent, createServer, request } from 'node:http';
import { quantile } from './statistics.js';
import { eventType } from './subjects.js';

/** Milliseconds. */
export interface Times {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Window {
  /** Begin of a publish to its answer. */
  readonly publish: Times;
  /** Begin of a publish to the receipt of its event. */
  readonly delivery: Times;
  /** Publishes that were not answered 200. */
  readonly refused: number;
  /** Published and not received yet. */
  readonly open: number;
}

const [publish, port, rate] = process.argv.slice(2) as [string, string, string];
const agent = new Agent({ keepAlive: true });
const begun = new Map<string, number>();
let published: number[] = [];
let delivered: number[] = [];
let refused = 0;
let number = 0;

function publishOne(began: number): void {
  const id = String(++number);
  begun.set(id, began);
  const headers = { 'content-type': 'application/cloudevents+json' };
  const sent = request(publish, { method: 'POST', headers, agent }, (response) => {
    response.resume().on('end', () => {
      if (response.statusCode === 200) published.push(performance.now() - began);
      else refuse(id);
    });
  });
  sent.on('error', () => refuse(id));
  sent.end(
    JSON.stringify({ specversion: '1.0', id, source: '/bystander', type: eventType, data: { number } }),
  );
}

function refuse(id: string): void {
  refused++;
  begun.delete(id);
}

/** Of an event that comes again, the first receipt counts. */
function receive(id: string): void {
  const began = begun.get(id);
  if (began !== undefined) delivered.push(performance.now() - began);
  begun.delete(id);
}

function timesOf(values: readonly number[]): Times {
  if (values.length === 0) return { count: 0, p50: Number.NaN, p99: Number.NaN, max: Number.NaN };
  return {
    count: values.length,
    p50: quantile(values, 0.5),
    p99: quantile(values, 0.99),
    max: quantile(values, 1),
  };
}

function takeWindow(): Window {
  const window = { publish: timesOf(published), delivery: timesOf(delivered), refused, open: begun.size };
  published = [];
  delivered = [];
  refused = 0;
  return window;
}

const server = createServer((incoming, response) => {
  if (incoming.url === '/window') {
    response.end(JSON.stringify(takeWindow()));
    return;
  }
  const parts: Buffer[] = [];
  incoming.on('data', (part: Buffer) => parts.push(part));
  incoming.on('end', () => {
    response.writeHead(204).end();
    receive(String((JSON.parse(Buffer.concat(parts).toString()) as { readonly id: string }).id));
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));

const everyMs = 1_000 / Number(rate);
let next = performance.now() + everyMs;
setInterval(() => {
  for (const now = performance.now(); next <= now; next += everyMs) publishOne(next);
}, 5);
