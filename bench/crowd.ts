/**
 * The endpoints of a crowd of subscriptions, each at a loopback address of its own, as one process of their own:
 * all fail, or all work. Argument: port.
 * They fail at first, with 500. `POST /working` and `POST /failing` change that; `GET /counts` answers with what came.
 */
import { createServer } from 'node:http';

export interface Counts {
  /** Requests that were refused. */
  readonly failed: number;
  /** Requests that were taken. */
  readonly taken: number;
}

let works = false;
let failed = 0;
let taken = 0;

const server = createServer((request, response) => {
  const { url = '' } = request;
  request.resume();
  if (url === '/working' || url === '/failing') {
    works = url === '/working';
    response.end();
  } else if (url === '/counts') {
    const counts: Counts = { failed, taken };
    response.end(JSON.stringify(counts));
  } else if (works) {
    taken++;
    response.writeHead(204).end();
  } else {
    failed++;
    response.writeHead(500).end();
  }
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2]), () => console.log('ready'));
