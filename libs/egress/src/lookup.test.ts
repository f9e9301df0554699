import type { LookupFunction } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { AddressNotAllowed } from './address-not-allowed.js';
import { checkedLookup, sharedLookup } from './lookup.js';

type Callback = Parameters<LookupFunction>[2];

test('a name is looked up once for all who wait for it, and again afterwards', () => {
  const asked: Callback[] = [];
  const lookup = sharedLookup((_, __, callback) => void asked.push(callback));
  const answers: unknown[] = [];
  const note: Callback = (...given) => void answers.push(given);
  lookup('a.test', { all: true }, note);
  lookup('a.test', { all: true }, note);
  lookup('b.test', { all: true }, note);
  lookup('a.test', { all: false }, note);
  expect(asked).toHaveLength(3);
  asked[0]!(null, '127.0.0.1', 4);
  expect(answers).toEqual([
    [null, '127.0.0.1', 4],
    [null, '127.0.0.1', 4],
  ]);
  lookup('a.test', { all: true }, note);
  expect(asked).toHaveLength(4);
});

describe('of what a name resolves to', () => {
  const found = [
    { address: '10.0.0.1', family: 4 },
    { address: '8.8.8.8', family: 4 },
    { address: '2606:4700::1', family: 6 },
  ];

  function looked(all: boolean, ...args: Parameters<Callback>): Promise<unknown[]> {
    const lookup = checkedLookup(
      (_, { all: asked }, callback) => {
        expect(asked).toBe(true);
        callback(...args);
      },
      (_, address) => !address.startsWith('10.'),
    );
    return new Promise((resolve) => lookup('a.test', { all }, (...answer) => resolve(answer)));
  }

  test('all that is allowed is given, in its order', async () => {
    expect(await looked(true, null, found)).toEqual([null, found.slice(1)]);
  });

  test('the first that is allowed is given to who wants one', async () => {
    expect(await looked(false, null, found)).toEqual([null, '8.8.8.8', 4]);
  });

  test.each([true, false])('nothing is given if nothing is allowed (all: %s)', async (all) => {
    expect(await looked(all, null, found.slice(0, 1))).toEqual([new AddressNotAllowed(), '']);
    expect(await looked(all, null, [])).toEqual([new AddressNotAllowed(), '']);
    expect(await looked(all, null, '10.0.0.1', 4)).toEqual([new AddressNotAllowed(), '']);
  });

  test('a failure is given as it is', async () => {
    const error = Object.assign(new Error('no'), { code: 'ENOTFOUND' });
    expect((await looked(true, error, '', 4))[0]).toBe(error);
  });
});
