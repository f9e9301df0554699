/** Endpoints beside the driver's sink: one that answers, and the three ways in which an endpoint is dead. */
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:http';
import { freePort } from '@gridpost/model/testing';

export interface Endpoint {
  readonly url: string;
  close(): Promise<void>;
}

export type Manner = 'answering' | 'refusing' | 'failing' | 'hanging';

/**
 * `answering`: 204 to everything. `refusing`: nothing listens there. `failing`: 503 to everything. `hanging`: takes
 * the request and never answers.
 */
export async function openEndpoint(manner: Manner): Promise<Endpoint> {
  if (manner === 'refusing') {
    return { url: `http://127.0.0.1:${await freePort()}/`, close: async () => {} };
  }
  const server = createServer((request, response) => {
    request.resume();
    if (manner !== 'hanging') response.writeHead(manner === 'answering' ? 204 : 503).end();
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
