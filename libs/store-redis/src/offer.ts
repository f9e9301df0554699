/**
 * What a Redis server offers, read from its own words, and whether that is enough. Pure; asking is `link.ts`'s business.
 *
 * Sources: redis.conf on `appendfsync`, `maxmemory-policy`, `no-appendfsync-on-rewrite`; `aof.c` for what `everysec`
 * writes before it answers. Durability classes are `@gridpost/model`'s; `DESIGN.md` says what each rests on here.
 */
import { atLeast, type Durability } from '@gridpost/model';

export interface Offer {
  readonly version: string;
  readonly cluster: boolean;
  readonly replica: boolean;
  readonly replicas: number;
  readonly appendOnly: boolean;
  /** `always`, `everysec` or `no`; undefined where the user may not ask. */
  readonly fsync: string | undefined;
  /** Undefined where the user may not ask: nothing else tells. */
  readonly syncsDuringRewrite: boolean | undefined;
  readonly evictionPolicy: string;
  /** Whether `WAITAOF` is known (Redis 7.2). */
  readonly waitsForDisk: boolean;
  /** What the data take: neither the server's own start-up share nor buffers of clients. */
  readonly dataBytes: number;
  /** What counts against `maxmemory`. */
  readonly usedBytes: number;
  /** 0: no limit. */
  readonly memoryBytesMax: number;
}

/** How a write is made as durable as asked, once it is executed. */
export interface Confirmation {
  /** Replicas that must have it: all that are connected. 0: none. */
  readonly replicas: number;
  /** Whether the server's own disk must be waited for (`WAITAOF`); otherwise its reply says it. */
  readonly disk: boolean;
}

const versionMin = 7;

export function offerOf(info: string, config: ReadonlyMap<string, string>, waitsForDisk: boolean): Offer {
  const fields = new Map<string, string>();
  for (const line of info.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  const number = (name: string): number => Number(fields.get(name) ?? 0) || 0;
  const used = number('used_memory');
  const buffers = number('mem_clients_normal') + number('mem_aof_buffer');
  const rewriting = config.get('no-appendfsync-on-rewrite');
  return {
    version: fields.get('redis_version') ?? 'unknown',
    cluster: fields.get('cluster_enabled') === '1',
    replica: fields.get('role') === 'slave',
    replicas: number('connected_slaves'),
    appendOnly: (config.get('appendonly') ?? (fields.get('aof_enabled') === '1' ? 'yes' : 'no')) === 'yes',
    fsync: config.get('appendfsync'),
    syncsDuringRewrite: rewriting === undefined ? undefined : rewriting === 'no',
    evictionPolicy: config.get('maxmemory-policy') ?? fields.get('maxmemory_policy') ?? 'unknown',
    waitsForDisk,
    dataBytes: Math.max(0, used - number('used_memory_startup') - buffers),
    usedBytes: Math.max(0, used - number('mem_not_counted_for_evict')),
    memoryBytesMax: number('maxmemory'),
  };
}

/** Why the server cannot be used for this class, and what to set; undefined if it can. `cluster`: one is expected. */
export function shortfall(offer: Offer, durability: Durability, cluster: boolean): string | undefined {
  const { version, evictionPolicy } = offer;
  if (!(Number.parseInt(version, 10) >= versionMin)) {
    return `it runs Redis ${version}: version ${versionMin}.0 or later is needed`;
  }
  if (offer.cluster && !cluster) return 'it is a node of a cluster: use a redis-cluster:// URL';
  if (!offer.cluster && cluster) return 'it is not a node of a cluster: use a redis:// URL';
  if (offer.replica)
    return 'it is a read-only replica: connect to the primary, or use a redis-sentinel:// URL';
  if (evictionPolicy !== 'noeviction') {
    return `its maxmemory-policy is ${evictionPolicy}, under which it may drop accepted events: set it to noeviction`;
  }
  if (atLeast(durability, 'process') && !offer.appendOnly) {
    return `durability ${durability} needs its append-only file: set appendonly yes, or choose durability memory`;
  }
  if (atLeast(durability, 'disk')) return diskShortfall(offer, durability);
  return undefined;
}

function diskShortfall(offer: Offer, durability: Durability): string | undefined {
  const { fsync, syncsDuringRewrite } = offer;
  // WAITAOF waits for the next sync; with `no` there is none.
  if (fsync !== 'always' && (!offer.waitsForDisk || fsync === 'no')) {
    return fsync === undefined
      ? `durability ${durability} cannot be checked: allow the user CONFIG GET (ACL +config|get)`
      : `durability ${durability} needs every write on disk: set appendfsync always (it is ${fsync}), or use Redis 7.2 or later`;
  }
  if (syncsDuringRewrite === false) {
    return `durability ${durability} is suspended while its file is rewritten: set no-appendfsync-on-rewrite no`;
  }
  if (durability === 'replicated' && offer.replicas < 1) {
    return 'durability replicated needs a replica, and none is connected';
  }
  return undefined;
}

/** What must follow an executed write. The offer must meet the class. */
export function confirmationOf(offer: Offer, durability: Durability): Confirmation {
  return {
    replicas: durability === 'replicated' ? offer.replicas : 0,
    disk: atLeast(durability, 'disk') && offer.fsync !== 'always',
  };
}
