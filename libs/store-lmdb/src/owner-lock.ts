/**
 * The lock that makes one process the owner of a data directory: a Unix socket that listens in it. The kernel ends it
 * with the process, however that ends; what stays is a name that refuses connections, which the next opener removes.
 * Two processes that wrote to one LMDB environment have lost acknowledged writes, so a second opener is refused.
 */
import { createHash } from 'node:crypto';
import { realpathSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `sun_path` holds 108 bytes on Linux and 104 on macOS and BSD, the final zero included. */
const socketPathBytesMax = 103;

export interface OwnerLock {
  release(): Promise<void>;
}

/** Where the socket of a directory is: in it, or under a name derived from it where that path is too long. */
export function socketPath(directory: string): string {
  const inside = join(directory, 'owner.sock');
  if (Buffer.byteLength(inside) <= socketPathBytesMax) return inside;
  const digest = createHash('sha256').update(realpathSync(directory)).digest('hex').slice(0, 32);
  return join(tmpdir(), `gridpost-${digest}.sock`);
}

/** Throws if another process owns the directory, which must exist. */
export async function lockDirectory(directory: string): Promise<OwnerLock> {
  const path = socketPath(directory);
  for (let tries = 0; tries < 10; tries++) {
    const server = await listen(path);
    if (server) return { release: () => new Promise((resolve) => server.close(() => resolve())) };
    if (!(await isStale(path))) break;
    // Renamed before it is removed, and looked at again: if another opener has taken the name over in between, what was
    // renamed answers, and gets its name back.
    const aside = `${path}.${process.pid}`;
    try {
      renameSync(path, aside);
    } catch {
      continue;
    }
    if (!(await isStale(aside))) {
      renameSync(aside, path);
      break;
    }
    rmSync(aside, { force: true });
  }
  throw new Error(
    `the data directory ${directory} is in use by another process (its socket ${path} answers): ` +
      'stop that process, or give this one a directory of its own',
  );
}

/** Undefined if the name is taken. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(path, () => resolve(server));
  });
}

/** Whether nobody listens at this name any more. */
function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code === 'ECONNREFUSED' || code === 'ENOENT');
    });
  });
}
