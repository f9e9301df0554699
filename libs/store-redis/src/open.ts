/** Opens a store on Redis: checks what is asked against what is there, and puts the parts together. */
import { type Clock, type Durability, GridpostError, systemClock } from '@gridpost/model';
import type { Store, StoreLimits } from '@gridpost/store';
import { Condition } from './condition.js';
import { Founding } from './founding.js';
import { checkPrefix, configKey } from './keys.js';
import { Link } from './link.js';
import { type Offer, shortfall } from './offer.js';
import { RedisStore } from './store.js';
import { targetOf } from './url.js';
import { Writer } from './writer.js';

const partitionsMax = 1_024;
/** The watch has a margin of 150 ms. */
const timeoutMsMin = 300;

export interface RedisStoreOptions {
  /** `redis://`, `rediss://`, `redis-cluster://h:p,h:p` or `redis-sentinel://h:p,h:p/primary`; see `url.ts`. */
  readonly url: string;
  /** The class that `append` resolves in. A server that does not offer it is refused. */
  readonly durability: Durability;
  readonly limits: StoreLimits;
  /** When the store is first opened: 1 to 1,024, default 8, on a cluster 32. Afterwards what was recorded then holds. */
  readonly partitions?: number;
  /** What all keys begin with, so that stores can share a server. 1 to 64 of `A-Za-z0-9_.-`, default `gp`. */
  readonly prefix?: string;
  /** Times watch, looks and deadlines of this process. The store's own clock is the server's. */
  readonly clock?: Clock;
  /** Longest a call may stay unanswered, in ms, at least 300. Default 2,000. */
  readonly commandTimeoutMs?: number;
}

/**
 * Rejects with a `RangeError` for an option that cannot be right, and with a `GridpostError` `StoreUnavailable` where the
 * server cannot be reached, refuses the credentials, or does not offer what is needed: one sentence that says what to
 * set. Several processes may open the same store. Credentials appear in no message.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const { url, durability, limits, prefix = 'gp', clock = systemClock, commandTimeoutMs = 2_000 } = options;
  const target = targetOf(url);
  const cluster = target.kind === 'redis-cluster';
  const partitions = options.partitions ?? (cluster ? 32 : 8);
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > partitionsMax) {
    throw new RangeError(`${partitions} partitions: expected 1 to ${partitionsMax}`);
  }
  if (!(commandTimeoutMs >= timeoutMsMin)) {
    throw new RangeError(`a command timeout of ${commandTimeoutMs} ms: expected ${timeoutMsMin} or more`);
  }
  const config = configKey(checkPrefix(prefix));
  const judge = (offer: Offer) => {
    const reason = shortfall(offer, durability, cluster);
    return reason === undefined ? undefined : `Redis at ${target.place} cannot be used: ${reason}`;
  };
  const newLink = () => new Link({ target, clock, timeoutMs: commandTimeoutMs, judge });
  const link = newLink();
  // Waiting for a disk or a replica blocks a connection; nothing else should wait with it.
  const writeLink = Writer.blocks(durability) ? newLink() : link;
  try {
    await Promise.all([link.connect(), writeLink === link ? undefined : writeLink.connect()]);
    const condition = new Condition(writeLink === link ? [link] : [link, writeLink], limits, clock);
    await condition.refresh();
    if (condition.shortfall !== undefined) throw new GridpostError('StoreUnavailable', condition.shortfall);
    const founding = new Founding(link, config, clock);
    const info = {
      kind: target.kind,
      place: target.place,
      partitions: await founding.open(partitions),
      durability,
    };
    const writer = new Writer({ link: writeLink, durability, clock, timeoutMs: commandTimeoutMs });
    return new RedisStore({ info, prefix, limits, clock, link, writeLink, writer, condition, founding });
  } catch (error) {
    await Promise.all([link.close(), writeLink.close()]);
    throw error;
  }
}
