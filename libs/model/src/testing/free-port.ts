/**
 * Ports for servers that come back on the one they had. Port zero is not for them: between two runs of the server the
 * system may give its port to anybody, also to a client that tries to reach it.
 */
import { createServer } from 'node:net';

/** Below what systems give out by themselves: 32768 and up on Linux, 49152 and up elsewhere. */
const first = 10_000;
const last = 32_000;
/**
 * Each worker of a run of jest has ports of its own, so that none is chosen twice before it is listened on; and other ones
 * than most runs beside it, which are told by the process that began them.
 */
const workers = 8;
const runs = 16;
const lanes = workers * runs;
const lane = workers * (process.ppid % runs) + (Number(process.env.JEST_WORKER_ID ?? 0) % workers);

let next = first + lane + lanes * Math.floor((Math.random() * (last - first)) / lanes);

/** A port of 127.0.0.1 that nobody listens on now, and that nobody gets who does not ask for it. */
export async function freePort(): Promise<number> {
  for (let tries = (last - first) / lanes; tries > 0; tries--) {
    const port = next;
    next = next + lanes < last ? next + lanes : first + lane;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port is free between ${first} and ${last}`);
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
