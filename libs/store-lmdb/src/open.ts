/** Opening: the directory is locked, the environment opened, and its format checked before anything is written. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Clock, type Durability, systemClock } from '@gridpost/model';
import type { Store, StoreLimits } from '@gridpost/store';
import { open, type RootDatabase } from 'lmdb';
import { formatVersion, metaKey, tableNames } from './layout.js';
import { lockDirectory } from './owner-lock.js';
import { pageBytes } from './pieces.js';
import { LmdbStore } from './store.js';

export interface LmdbStoreOptions {
  /** Where the data is, created if need be. Exactly one process can have it open. */
  readonly directory: string;
  readonly limits: StoreLimits;
  /** The class asked for. The store is always as durable as `disk`; `replicated` is more than it can be. */
  readonly durability: Durability;
  /** The embedded store has one partition. */
  readonly partitions: number;
  /** For tests. Default the system's. */
  readonly clock?: Clock;
  /** How long a caller waits for the disk. Default 2,000. */
  readonly commitTimeoutMs?: number;
  /** Newest entries kept in memory for their reader, in bytes. Default 16 MiB. */
  readonly tailBytesMax?: number;
}

/**
 * Opens the embedded store. Throws an `Error` that says what to do if it cannot be as durable as asked, if another
 * process has it open, if it was written by a newer version, or if its number of partitions is another.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  const { durability, partitions, limits, clock = systemClock } = options;
  if (durability === 'replicated') {
    throw new Error(
      'the embedded store has one copy on one disk and cannot be replicated: ask for the durability "disk", or use Redis',
    );
  }
  if (partitions !== 1) throw new Error(`the embedded store has 1 partition, not ${partitions}`);
  const directory = resolve(options.directory);
  mkdirSync(directory, { recursive: true });
  const lock = await lockDirectory(directory);
  let root: RootDatabase<Buffer, Buffer> | undefined;
  try {
    root = open<Buffer, Buffer>({
      path: join(directory, 'data'),
      encoding: 'binary',
      keyEncoding: 'binary',
      cache: false,
      pageSize: pageBytes,
      maxDbs: tableNames.length,
      // Address space, not memory. LMDB maps anew what outgrows it, which costs a pause.
      mapSize: Math.max(2 * limits.bytesMax, 2 ** 26),
      noMemInit: true,
      // A commit is on disk when it is answered; with the default it would not be.
      overlappingSync: false,
      // Commits are gathered by `commits.ts`.
      eventTurnBatching: false,
    });
    await checkFormat(root, directory, partitions);
    return new LmdbStore({
      root,
      lock,
      directory,
      limits,
      clock,
      commitTimeoutMs: options.commitTimeoutMs ?? 2_000,
      tailBytesMax: options.tailBytesMax ?? 16 * 2 ** 20,
    });
  } catch (error) {
    await root?.close();
    await lock.release();
    throw error;
  }
}

async function checkFormat(
  root: RootDatabase<Buffer, Buffer>,
  directory: string,
  partitions: number,
): Promise<void> {
  const meta = root.openDB<Buffer, Buffer>({
    name: 'meta',
    encoding: 'binary',
    keyEncoding: 'binary',
    cache: false,
  });
  const stored = meta.get(metaKey.store);
  if (!stored) {
    await meta.put(metaKey.store, Buffer.from(JSON.stringify({ format: formatVersion, partitions })));
    return;
  }
  const found = JSON.parse(stored.toString()) as { format: number; partitions: number };
  if (found.format !== formatVersion) {
    throw new Error(
      `the store in ${directory} has format ${found.format}, this version of Gridpost reads format ${formatVersion}: ` +
        'open it with the version that wrote it',
    );
  }
  if (found.partitions !== partitions) {
    throw new Error(
      `the store in ${directory} has ${found.partitions} partitions, not ${partitions}: they are fixed`,
    );
  }
}
