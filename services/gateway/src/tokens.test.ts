import { createHmac, createPublicKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { GridpostError, Log } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import type { JWTPayload } from 'jose';
import { digestOf } from './keys.js';
import { configurationPath, type Issuer, keysPath, startIssuer } from './testing/issuer.js';
import { Tokens } from './tokens.js';

const audience = 'https://gridpost.example';

async function setup() {
  const clock = new FakeClock();
  const issuer = await startIssuer();
  const lines: object[] = [];
  const log = { warn: (fields: object) => void lines.push(fields) } as unknown as Log;
  const tokens = new Tokens({ issuer: issuer.url, audience }, clock, log);
  const key = await issuer.makeKey('ES256');
  const seconds = Math.floor(clock.now() / 1_000);
  /** Claims of a token that is right for an hour. */
  const claims: JWTPayload = { iss: issuer.url, aud: audience, sub: 'shop', exp: seconds + 3_600 };
  return { clock, issuer, lines, tokens, key, seconds, claims };
}

async function outcomeOf(tokens: Tokens, token: string): Promise<string> {
  try {
    await tokens.check(token, digestOf(token));
    return 'right';
  } catch (error) {
    const { code, message } = error as GridpostError;
    // Of the token, nothing but names of claims may come back.
    for (const part of token.split('.')) if (part.length > 2) expect(message).not.toContain(part);
    return code;
  }
}

describe('a token', () => {
  test.each([
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ])('signed with %s is right', async (alg) => {
    const { tokens, issuer, claims } = await setup();
    const { sign } = await issuer.makeKey(alg);
    expect(await outcomeOf(tokens, await sign(claims))).toBe('right');
  });

  test('may have several audiences', async () => {
    const { tokens, key, claims } = await setup();
    expect(await outcomeOf(tokens, await key.sign({ ...claims, aud: ['other', audience] }))).toBe('right');
  });

  test.each<[string, (issuer: Issuer) => JWTPayload]>([
    ['another audience', () => ({ aud: 'https://other.example' })],
    ['several others', () => ({ aud: ['a', 'b'] })],
    ['no audience', () => ({ aud: undefined as never })],
    ['another issuer', ({ url }) => ({ iss: `${url}/` })],
    ['no issuer', () => ({ iss: undefined as never })],
    ['no expiry', () => ({ exp: undefined as never })],
    ['an expiry that is no number', () => ({ exp: 'never' as never })],
  ])('for %s is wrong', async (_, change) => {
    const { tokens, key, claims, issuer } = await setup();
    expect(await outcomeOf(tokens, await key.sign({ ...claims, ...change(issuer) }))).toBe('Unauthorized');
  });

  test('is right up to its expiry and from its beginning', async () => {
    const { tokens, key, claims, seconds, clock } = await setup();
    const outcome = async (change: JWTPayload) => outcomeOf(tokens, await key.sign({ ...claims, ...change }));
    expect(await outcome({ exp: seconds + 1 })).toBe('right');
    expect(await outcome({ exp: seconds })).toBe('Unauthorized');
    expect(await outcome({ nbf: seconds })).toBe('right');
    expect(await outcome({ nbf: seconds + 1 })).toBe('Unauthorized');
    await clock.advance(1_000);
    expect(await outcome({ exp: seconds + 1 })).toBe('Unauthorized');
    expect(await outcome({ nbf: seconds + 1 })).toBe('right');
  });

  test('without a signature is wrong, whatever it says of itself', async () => {
    const { tokens, claims } = await setup();
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const alg of ['none', 'None', 'NONE', 'ES256', '']) {
      for (const header of [{ alg }, { alg, kid: 'key-1' }])
        expect(await outcomeOf(tokens, `${part(header)}.${part(claims)}.`)).toBe('Unauthorized');
    }
  });

  test('signed with the public key as a shared secret is wrong', async () => {
    const { tokens, claims, issuer } = await setup();
    const { publicJwk } = await issuer.makeKey('RS256', { kid: 'rsa' });
    const pem = createPublicKey({ key: publicJwk as never, format: 'jwk' }).export({
      type: 'spki',
      format: 'pem',
    });
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const secret of [pem, String(pem).trim(), JSON.stringify(publicJwk), publicJwk.n!]) {
      for (const alg of ['HS256', 'RS256']) {
        const signed = `${part({ alg, kid: 'rsa' })}.${part(claims)}`;
        const mac = createHmac('sha256', secret).update(signed).digest('base64url');
        expect(await outcomeOf(tokens, `${signed}.${mac}`)).toBe('Unauthorized');
      }
    }
  });

  test('signed with somebody else’s key of the same name is wrong', async () => {
    const { tokens, issuer, claims } = await setup();
    const other = await issuer.makeKey('ES256', { kid: 'key-1', published: false });
    expect(await outcomeOf(tokens, await other.sign(claims))).toBe('Unauthorized');
  });

  test('that was changed is wrong', async () => {
    const { tokens, key, claims } = await setup();
    const [header, , signature] = (await key.sign(claims)).split('.');
    const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'admin' })).toString('base64url');
    expect(await outcomeOf(tokens, `${header}.${changed}.${signature}`)).toBe('Unauthorized');
  });

  test.each([
    ['nothing', ''],
    ['a word', 'x'],
    ['a long word', 'x'.repeat(9_000)],
    ['dots', '..'],
    ['three words', 'a.b.c'],
    ['five words', 'a.b.c.d.e'],
    ['letters outside ASCII', '\u00e9.\u00e9.\u00e9'],
    ['empty objects', 'e30.e30.e30'],
  ])('like %s is none, and the issuer is not asked', async (_, token) => {
    const { tokens, issuer } = await setup();
    expect(await outcomeOf(tokens, token)).toBe('Unauthorized');
    expect(issuer.asked).toEqual([]);
  });
});

describe('a token that was right', () => {
  test('is remembered until it expires', async () => {
    const { tokens, key, claims, clock, seconds } = await setup();
    const token = await key.sign({ ...claims, exp: seconds + 10 });
    const digest = digestOf(token);
    expect(tokens.known(digest)).toBeUndefined();
    await tokens.check(token, digest);
    expect(tokens.known(digest)).toEqual({ kind: 'token', name: 'shop' });
    await clock.advance(9_999);
    expect(tokens.known(digest)).toEqual({ kind: 'token', name: 'shop' });
    await clock.advance(1);
    expect(tokens.known(digest)).toBeUndefined();
  });

  test('is all that is remembered', async () => {
    const { tokens, key, claims } = await setup();
    const token = await key.sign({ ...claims, aud: 'other' });
    expect(await outcomeOf(tokens, token)).toBe('Unauthorized');
    expect(tokens.known(digestOf(token))).toBeUndefined();
  });
});

describe('the issuer’s keys', () => {
  const once = [configurationPath, keysPath];

  test('are fetched once for many tokens, and again after ten minutes', async () => {
    const { tokens, key, claims, issuer, clock } = await setup();
    const check = async (sub: string) => outcomeOf(tokens, await key.sign({ ...claims, sub }));
    expect(await Promise.all(['a', 'b', 'c'].map(check))).toEqual(['right', 'right', 'right']);
    expect(issuer.asked).toEqual(once);
    await clock.advance(599_999);
    expect(await check('d')).toBe('right');
    expect(issuer.asked).toEqual(once);
    await clock.advance(1);
    expect(await check('e')).toBe('right');
    expect(issuer.asked).toEqual([...once, ...once]);
  });

  test('may change: an unknown one is asked for, at most every five seconds', async () => {
    const { tokens, key, claims, issuer, clock } = await setup();
    expect(await outcomeOf(tokens, await key.sign(claims))).toBe('right');
    issuer.forgetKeys();
    const next = await issuer.makeKey('RS256', { kid: 'next' });
    const token = await next.sign(claims);
    await clock.advance(4_999);
    expect(await outcomeOf(tokens, token)).toBe('Unauthorized');
    expect(issuer.asked).toHaveLength(2);
    await clock.advance(1);
    expect(await outcomeOf(tokens, token)).toBe('right');
    expect(issuer.asked).toHaveLength(4);
    // The one that is gone is wrong now.
    expect(await outcomeOf(tokens, await key.sign({ ...claims, sub: 'late' }))).toBe('Unauthorized');
    const made = await issuer.makeKey('ES256', { kid: 'made-up', published: false });
    for (let i = 0; i < 20; i++)
      expect(await outcomeOf(tokens, await made.sign({ ...claims, sub: `${i}` }))).toBe('Unauthorized');
    expect(issuer.asked).toHaveLength(4);
  });

  test.each<[string, string, (issuer: Issuer) => (res: import('node:http').ServerResponse) => void]>([
    ['an error', configurationPath, () => (res) => res.writeHead(500).end('x'.repeat(100))],
    ['an error', keysPath, () => (res) => res.writeHead(503).end()],
    [
      'a redirect',
      keysPath,
      ({ url }) =>
        (res) =>
          res.writeHead(302, { location: `${url}/elsewhere` }).end(),
    ],
    ['what is no JSON', keysPath, () => (res) => res.end('<html>')],
    ['null', configurationPath, () => (res) => res.end('null')],
    ['no set of keys', keysPath, () => (res) => res.end('{"keys":1}')],
    ['too much', keysPath, () => (res) => res.end(`{"keys":[],"x":"${'x'.repeat(262_144)}"}`)],
    ['a cut connection', keysPath, () => (res) => res.destroy()],
    [
      'another issuer’s configuration',
      configurationPath,
      ({ url }) =>
        (res) =>
          res.end(JSON.stringify({ issuer: `${url}2`, jwks_uri: `${new URL(keysPath, url)}` })),
    ],
    [
      'no address of keys',
      configurationPath,
      ({ url }) =>
        (res) =>
          res.end(JSON.stringify({ issuer: url, jwks_uri: 7 })),
    ],
    [
      'an address of keys that is no web address',
      configurationPath,
      ({ url }) =>
        (res) =>
          res.end(JSON.stringify({ issuer: url, jwks_uri: 'data:application/json,{"keys":[]}' })),
    ],
  ])('cannot be had from %s at %s; tokens are then unknown, not wrong', async (_, path, other) => {
    const { tokens, key, claims, issuer, clock, lines } = await setup();
    issuer.instead.set(path, other(issuer));
    const token = await key.sign(claims);
    expect(await outcomeOf(tokens, token)).toBe('IssuerUnavailable');
    expect(lines).toEqual([expect.objectContaining({ issuer: issuer.url, error: expect.any(String) })]);
    const asked = issuer.asked.length;
    issuer.instead.clear();
    await clock.advance(4_999);
    expect(await outcomeOf(tokens, token)).toBe('IssuerUnavailable');
    expect(issuer.asked).toHaveLength(asked);
    await clock.advance(1);
    expect(await outcomeOf(tokens, token)).toBe('right');
  });

  test('are waited for three seconds', async () => {
    const { tokens, key, claims, issuer, clock } = await setup();
    issuer.instead.set(configurationPath, () => undefined);
    const token = await key.sign(claims);
    const reached = issuer.nextRequest();
    const outcome = outcomeOf(tokens, token);
    await reached;
    await clock.advance(3_000);
    expect(await outcome).toBe('IssuerUnavailable');
    expect(clock.pending).toBe(0);
  });

  test('serve on for an hour without the issuer', async () => {
    const { tokens, key, claims, seconds, issuer, clock } = await setup();
    const check = async (sub: string) =>
      outcomeOf(tokens, await key.sign({ ...claims, sub, exp: seconds + 10_000 }));
    expect(await check('a')).toBe('right');
    issuer.instead.set(configurationPath, (res) => res.writeHead(500).end());
    await clock.advance(3_599_999);
    expect(await check('b')).toBe('right');
    // Whether this one's key is new cannot be told.
    const next = await issuer.makeKey('ES256', { kid: 'next' });
    expect(await outcomeOf(tokens, await next.sign({ ...claims, exp: seconds + 10_000 }))).toBe(
      'IssuerUnavailable',
    );
    await clock.advance(1);
    expect(await check('c')).toBe('IssuerUnavailable');
    issuer.instead.clear();
    await clock.advance(5_000);
    expect(await check('d')).toBe('right');
    expect(clock.pending).toBe(0);
  });
});
