import { describe, expect, test } from '@jest/globals';
import { targetOf } from './url.js';

describe('a store’s URL', () => {
  test.each([
    ['redis://localhost', { kind: 'redis', addresses: [{ host: 'localhost', port: 6379 }], database: 0 }],
    ['redis://h:1/5', { addresses: [{ host: 'h', port: 1 }], database: 5, place: 'redis://h:1/5' }],
    ['redis://h/', { addresses: [{ host: 'h', port: 6379 }], database: 0 }],
    ['redis://[::1]:7000', { addresses: [{ host: '::1', port: 7000 }], place: 'redis://[::1]:7000' }],
    ['redis://:p%40ss%2F@h', { username: undefined, password: 'p@ss/', place: 'redis://h' }],
    ['redis://user:a:b@h', { username: 'user', password: 'a:b', place: 'redis://h' }],
    ['redis://user:a@b@h', { username: 'user', password: 'a@b', place: 'redis://h' }],
    ['rediss://h', { tls: {}, place: 'rediss://h' }],
    [
      'redis-cluster://u:p@a:1,b:2,c',
      {
        kind: 'redis-cluster',
        addresses: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
          { host: 'c', port: 6379 },
        ],
        password: 'p',
        place: 'redis-cluster://a:1,b:2,c',
      },
    ],
    [
      'redis-sentinel://:p@a,b:2/main/3?sentinelPassword=s%2Fp',
      {
        kind: 'redis-sentinel',
        addresses: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 2 },
        ],
        primary: 'main',
        database: 3,
        password: 'p',
        sentinelPassword: 's/p',
        place: 'redis-sentinel://a,b:2/main/3',
      },
    ],
    ['rediss-sentinel://a/main', { kind: 'redis-sentinel', tls: {} }],
    ['rediss-cluster://a', { kind: 'redis-cluster', tls: {} }],
  ])('%s', (url, expected) => {
    expect(targetOf(url)).toMatchObject(expected);
  });

  test.each([
    ['', 'expected redis://'],
    ['localhost:6379', 'expected redis://'],
    ['http://h', 'expected redis://'],
    ['redis:/h', 'expected redis://'],
    ['redis://h#x', 'expected redis://'],
    ['redis://', 'is not host:port'],
    ['redis://h:0', 'port 0'],
    ['redis://h:65536', 'port 65536'],
    ['redis://h:port', 'is not host:port'],
    ['redis://h o', 'is not host:port'],
    ['redis://a,b', 'one host'],
    ['redis-cluster://a,,b', 'is not host:port'],
    ['redis://h/x', 'number of a database'],
    ['redis://h/1/2', 'number of a database'],
    ['redis-cluster://h/1', 'database 0 only'],
    ['redis-sentinel://h', 'name of the primary'],
    ['redis-sentinel://h/', 'name of the primary'],
    ['redis-sentinel://h/a b', 'name of the primary'],
    ['redis-sentinel://h/main/x', 'number of a database'],
    ['redis://h?db=1', 'parameter "db" is unknown'],
    ['redis://h?ca=x', 'needs a rediss scheme'],
    ['redis://h?sentinelPassword=x', 'needs redis-sentinel://'],
    ['rediss://h?ca=/nowhere/ca.pem', 'ENOENT'],
    ['redis://user@h', 'a user without a password'],
    ['redis://%zz:p@h', 'percent-encoded'],
  ])('%s is refused', (url, reason) => {
    expect(() => targetOf(url)).toThrow(reason);
    expect(() => targetOf(url)).toThrow(RangeError);
  });

  test.each(['redis://u:secret@h:x', 'redis://u:secret@h/db', 'redis://:%zzsecret@h', 'http://:secret@h'])(
    'a refusal of %s keeps the password to itself',
    (url) => {
      try {
        targetOf(url);
        throw new Error('it was not refused');
      } catch (error) {
        expect((error as Error).message).toContain('not valid');
        expect((error as Error).message).not.toContain('secret');
      }
    },
  );
});
