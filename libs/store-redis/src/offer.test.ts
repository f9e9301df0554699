import type { Durability } from '@gridpost/model';
import { describe, expect, test } from '@jest/globals';
import { confirmationOf, type Offer, offerOf, shortfall } from './offer.js';

const plain: Offer = {
  version: '7.0.15',
  cluster: false,
  replica: false,
  replicas: 0,
  appendOnly: true,
  fsync: 'everysec',
  syncsDuringRewrite: true,
  evictionPolicy: 'noeviction',
  waitsForDisk: false,
  dataBytes: 0,
  usedBytes: 0,
  memoryBytesMax: 0,
};

describe('what a server offers', () => {
  test('is read from INFO and CONFIG', () => {
    const info = [
      '# Server',
      'redis_version:7.0.15',
      'role:master',
      'connected_slaves:2',
      'used_memory:1000000',
      'used_memory_startup:100000',
      'mem_clients_normal:50000',
      'mem_aof_buffer:1000',
      'mem_not_counted_for_evict:2000',
      'maxmemory:5000000',
      'cluster_enabled:0',
      'aof_enabled:0',
    ].join('\r\n');
    const config = new Map([
      ['appendonly', 'yes'],
      ['appendfsync', 'always'],
      ['no-appendfsync-on-rewrite', 'no'],
      ['maxmemory-policy', 'noeviction'],
    ]);
    expect(offerOf(info, config, true)).toEqual({
      ...plain,
      replicas: 2,
      fsync: 'always',
      waitsForDisk: true,
      dataBytes: 849_000,
      usedBytes: 998_000,
      memoryBytesMax: 5_000_000,
    });
  });

  test('shows in part where CONFIG is not allowed', () => {
    const info = 'redis_version:7.2.4\r\naof_enabled:1\r\nmaxmemory_policy:volatile-lru\r\nrole:slave';
    expect(offerOf(info, new Map(), false)).toMatchObject({
      appendOnly: true,
      fsync: undefined,
      syncsDuringRewrite: undefined,
      evictionPolicy: 'volatile-lru',
      replica: true,
    });
  });

  const always = { fsync: 'always' };
  test.each<[Durability, Partial<Offer>, string | undefined]>([
    ['memory', { appendOnly: false }, undefined],
    ['process', {}, undefined],
    ['process', { fsync: 'no' }, undefined],
    ['process', { appendOnly: false }, 'set appendonly yes'],
    ['disk', always, undefined],
    ['disk', {}, 'set appendfsync always'],
    ['disk', { waitsForDisk: true }, undefined],
    ['disk', { waitsForDisk: true, fsync: 'no' }, 'set appendfsync always'],
    ['disk', { fsync: undefined }, '+config|get'],
    ['disk', { ...always, appendOnly: false }, 'set appendonly yes'],
    ['disk', { ...always, syncsDuringRewrite: false }, 'no-appendfsync-on-rewrite no'],
    ['replicated', { ...always, replicas: 1 }, undefined],
    ['replicated', always, 'needs a replica'],
    ['replicated', { replicas: 1 }, 'set appendfsync always'],
    ['memory', { evictionPolicy: 'allkeys-lru' }, 'set it to noeviction'],
    ['memory', { version: '6.2.7' }, 'version 7.0 or later'],
    ['memory', { version: 'unknown' }, 'version 7.0 or later'],
    ['memory', { version: '8.0.1' }, undefined],
    ['memory', { replica: true }, 'read-only replica'],
    ['memory', { cluster: true }, 'redis-cluster://'],
  ])('for %s with %j: %s', (durability, difference, reason) => {
    const found = shortfall({ ...plain, ...difference }, durability, false);
    if (reason === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(reason);
  });

  test('must be a cluster where one is expected', () => {
    expect(shortfall(plain, 'memory', true)).toContain('not a node of a cluster');
    expect(shortfall({ ...plain, cluster: true }, 'memory', true)).toBeUndefined();
  });

  test.each<[Durability, Partial<Offer>, { replicas: number; disk: boolean }]>([
    ['process', { replicas: 2 }, { replicas: 0, disk: false }],
    ['disk', always, { replicas: 0, disk: false }],
    ['disk', { waitsForDisk: true }, { replicas: 0, disk: true }],
    ['replicated', { ...always, replicas: 2 }, { replicas: 2, disk: false }],
    ['replicated', { waitsForDisk: true, replicas: 1 }, { replicas: 1, disk: true }],
  ])('needs this confirmation for %s with %j: %j', (durability, difference, expected) => {
    expect(confirmationOf({ ...plain, ...difference }, durability)).toEqual(expected);
  });
});
