/** The one place that names the adapters: from a store's URL to a store. */
import type { Store, StoreLimits } from '@gridpost/store';
import { openLmdbStore } from '@gridpost/store-lmdb';
import { openRedisStore } from '@gridpost/store-redis';
import type { Configuration } from './config/configuration.js';

/** Rejects with a sentence for the operator: the store cannot be opened, or does not offer the durability asked for. */
export function openStore(configuration: Configuration): Promise<Store> {
  const limits = limitsOf(configuration);
  const { store, durability, partitions } = configuration;
  if (store.startsWith('lmdb:')) {
    return openLmdbStore({ directory: store.slice('lmdb:'.length), durability, limits, partitions: 1 });
  }
  return openRedisStore({
    url: store,
    durability,
    limits,
    ...(partitions === undefined ? {} : { partitions }),
  });
}

export function limitsOf(configuration: Configuration): StoreLimits {
  const { storeBytesMax: bytesMax, subscriptionShare, attemptLogBytesMax } = configuration;
  return { bytesMax, subscriptionShare, attemptLogBytesMax };
}
