/**
 * A router of a few lines, to test the tests: it delivers each published event to every endpoint once, or does to
 * chosen events what a broken router would.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { call } from './http.js';
import { atEnd } from './teardown.js';

/** What becomes of an event by its id. `phantom`: delivered and answered 400. `unanswered`: delivered, no answer. */
export type Defect =
  | 'lose'
  | 'duplicate'
  | 'rename'
  | 'corrupt'
  | 'invent'
  | 'phantom'
  | 'unanswered'
  | 'refuse';

export interface PlainRouter {
  readonly url: string;
  /** Resolves when everything accepted so far has been delivered. */
  drained(): Promise<void>;
}

export async function startPlainRouter(
  endpoints: readonly string[],
  defectOf: (id: string) => Defect | undefined = () => undefined,
): Promise<PlainRouter> {
  const flights = new Set<Promise<unknown>>();
  let messages = 0;

  const post = (url: string, message: string, body: Buffer): void => {
    const flight: Promise<unknown> = call(url, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json', 'webhook-id': message },
      body,
    }).finally(() => flights.delete(flight));
    flights.add(flight);
  };

  function deliver(id: string, body: Buffer, defect: Defect | undefined): void {
    for (const url of endpoints) {
      const message = `msg_${messages++}`;
      const text = body.toString();
      const sent =
        defect === 'corrupt'
          ? Buffer.from(text.replace('"twice":1,', ''))
          : defect === 'invent'
            ? Buffer.from(text.replace(`"id":"${id}"`, `"id":"${id}-again"`))
            : body;
      post(url, message, sent);
      if (defect === 'invent') post(url, `${message}-own`, body);
      if (defect === 'duplicate') post(url, message, body);
      if (defect === 'rename') post(url, `${message}-again`, body);
    }
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { id } = JSON.parse(body.toString()) as { id: string };
      const defect = defectOf(id);
      if (defect !== 'lose' && defect !== 'refuse') deliver(id, body, defect);
      if (defect === 'unanswered') request.socket.destroy();
      else response.writeHead(defect === 'phantom' || defect === 'refuse' ? 400 : 200).end();
    });
  });
  // As with the sink: publishers keep their connections.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async drained() {
      while (flights.size > 0) await Promise.all(flights);
    },
  };
}
