/**
 * A consumer of a queue subscription, as a process of its own so that its CPU time is nobody's: receives and acknowledges
 * in batches, and passes what it has acknowledged to the driver's sink, whose ledger then accounts for it.
 * Arguments: URL of the subscription, URL of the sink, consumers at once.
 */
import { Agent, request } from 'node:http';

const eventsPerRequest = 100;

interface Received {
  readonly value: readonly {
    readonly brokerProperties: { readonly lockToken: string };
    readonly event: unknown;
  }[];
}

const [subscription, sink, consumers] = process.argv.slice(2) as [string, string, string];
const agent = new Agent({ keepAlive: true });

async function consume(): Promise<never> {
  for (;;) {
    const url = `${subscription}:receive?maxEvents=${eventsPerRequest}&maxWaitTime=10`;
    const { value } = JSON.parse(await post(url)) as Received;
    if (value.length === 0) continue;
    const lockTokens = value.map(({ brokerProperties }) => brokerProperties.lockToken);
    await post(`${subscription}:acknowledge`, { lockTokens });
    await post(
      sink,
      value.map(({ event }) => event),
    );
  }
}

function post(url: string, body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request(url, { method: 'POST', headers, agent }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        if (response.statusCode! < 300) resolve(text);
        else reject(new Error(`POST ${url} was answered ${response.statusCode}: ${text}`));
      });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

console.log('ready');
await Promise.all(Array.from({ length: Number(consumers) }, consume));
