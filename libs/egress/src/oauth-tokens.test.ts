import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OAuth2Credentials } from '@gridpost/model';
import { type Answer, answer, Endpoint, FakeClock, makeCertificate } from '@gridpost/model/testing';
import { plainConnector } from './connector.js';
import { Egress } from './egress.js';
import { OAuthTokens } from './oauth-tokens.js';
import { TokenUnavailable } from './token-unavailable.js';

let clock: FakeClock;
let server: Endpoint;
let tokens: OAuthTokens;
beforeEach(async () => {
  clock = new FakeClock();
  server = await new Endpoint().listen();
  tokens = new OAuthTokens(clock, (tls) => plainConnector(5_000, tls));
});
afterEach(async () => {
  await tokens.close();
  await server.close();
  expect(clock.pending).toBe(0);
});

const secret = 'a secret/with: odd+characters %';
const credentials = (more: Partial<OAuth2Credentials> = {}): OAuth2Credentials => ({
  type: 'oauth2',
  tokenUrl: `${server.url}/token`,
  clientId: 'my client',
  clientSecret: secret,
  clientAuthentication: 'basic',
  ...more,
});

/** A new token each time: `token-1`, `token-2` and so on. */
const issuing =
  (fields: object = { expires_in: 3_600 }): Answer =>
  (_, response) => {
    const access_token = `token-${server.received.length}`;
    response.end(JSON.stringify({ access_token, token_type: 'Bearer', ...fields }));
  };

describe('a token', () => {
  test('is asked for by HTTP Basic, with both parts form-encoded', async () => {
    server.reply(issuing());
    const source = tokens.of(credentials({ scope: 'a b', audience: 'https://api' }));
    expect(await source.obtain()).toBe('token-1');
    const [{ method, path, headers, body }] = server.received as [(typeof server.received)[0]];
    expect([method, path, headers['content-type'], headers.accept]).toEqual([
      'POST',
      '/token',
      'application/x-www-form-urlencoded',
      'application/json',
    ]);
    expect(Buffer.from(headers.authorization!.slice('Basic '.length), 'base64').toString()).toBe(
      'my+client:a+secret%2Fwith%3A+odd%2Bcharacters+%25',
    );
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({
      grant_type: 'client_credentials',
      scope: 'a b',
      audience: 'https://api',
    });
  });

  test('is asked for in the body where that is wanted', async () => {
    server.reply(issuing());
    await tokens.of(credentials({ clientAuthentication: 'body' })).obtain();
    const [{ headers, body }] = server.received as [(typeof server.received)[0]];
    expect(headers).not.toHaveProperty('authorization');
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'my client',
      client_secret: secret,
    });
  });

  test('is asked for once for all who wait, whoever has the same credentials', async () => {
    server.reply(issuing());
    const sources = [tokens.of(credentials()), tokens.of(credentials())];
    const asked = sources.flatMap((source) => [source.obtain(), source.obtain()]);
    expect(await Promise.all(asked)).toEqual(Array.from(asked, () => 'token-1'));
    expect(await tokens.of(credentials({ scope: 'other' })).obtain()).toBe('token-2');
    expect(sources[0]!.token).toBe('token-1');
  });

  test.each([
    ['an hour', { expires_in: 3_600 }, 3_600_000 - 60_000],
    ['a minute', { expires_in: 60 }, 45_000],
    ['a minute, as a text', { expires_in: '60' }, 45_000],
    ['an unknown time', {}, 300_000 - 60_000],
    ['no time at all', { expires_in: 0 }, 300_000 - 60_000],
    ['a year', { expires_in: 31_536_000 }, 86_400_000 - 60_000],
  ])('that is good for %s is kept until shortly before', async (_, fields, ms) => {
    server.reply(issuing(fields));
    const source = tokens.of(credentials());
    await source.obtain();
    await clock.advance(ms - 1);
    expect([source.token, await source.obtain()]).toEqual(['token-1', 'token-1']);
    await clock.advance(1);
    expect(source.token).toBeUndefined();
    expect(await source.obtain()).toBe('token-2');
  });

  test('that was refused is replaced once, however many were refused with it', async () => {
    server.reply(issuing());
    const source = tokens.of(credentials());
    const token = await source.obtain();
    const renewed = await Promise.all([source.renew(token), source.renew(token)]);
    expect(renewed).toEqual(['token-2', 'token-2']);
    expect(await source.renew(token)).toBe('token-2');
    expect(server.received).toHaveLength(2);
  });
});

describe('no token', () => {
  const obtained = (more: Partial<OAuth2Credentials> = {}): Promise<unknown> =>
    tokens
      .of(credentials(more))
      .obtain()
      .catch((error: unknown) => error);

  test.each<[string, number, string, string]>([
    ['a refusal', 401, '{"error":"invalid_client"}', 'the token endpoint answered 401 (invalid_client)'],
    ['a refusal that repeats what was sent', 400, `{"error":"${secret}"}`, 'the token endpoint answered 400'],
    ['an error page', 500, `<p>${secret}</p>`, 'the token endpoint answered 500'],
    ['a redirect', 302, '', 'the token endpoint answered 302'],
    ['no JSON', 200, secret, 'the token endpoint answered without one'],
    ['no token', 200, '{"token_type":"bearer"}', 'the token endpoint answered without one'],
    [
      'a token with a line break',
      200,
      '{"token_type":"bearer","access_token":"a\\r\\nb"}',
      'the token endpoint answered without one',
    ],
    [
      'another kind of token',
      200,
      '{"token_type":"mac","access_token":"a"}',
      'the token endpoint gave another kind than bearer',
    ],
    ['an answer without end', 200, 'x'.repeat(65_537), 'the answer is too long'],
  ])('comes of %s, in words that hold no secret', async (_, status, text, reason) => {
    server.reply(answer(status, { location: '/elsewhere' }, text));
    const error = await obtained();
    expect(error).toBeInstanceOf(TokenUnavailable);
    expect((error as Error).message).toBe(`no token: ${reason}`);
    expect(server.received).toHaveLength(1);
  });

  test('is remembered for a second', async () => {
    server.reply(answer(503));
    const first = await obtained();
    expect(await obtained()).toBe(first);
    server.reply(issuing());
    await clock.advance(1_000);
    expect(await obtained()).toBe('token-2');
  });

  test('comes of a silent endpoint, when its time is over', async () => {
    server.reply(() => undefined);
    const obtaining = obtained();
    await server.until((received) => received.length === 1);
    await clock.advance(10_000);
    expect(String(await obtaining)).toContain('no token: no answer in time');
  });

  test('comes of an address that is not allowed, and of one where nothing listens', async () => {
    const guarded = new OAuthTokens(clock, () => new Egress().connector(5_000));
    await expect(guarded.of(credentials()).obtain()).rejects.toThrow(
      'no token: the address of the token endpoint is not allowed',
    );
    await guarded.close();
    expect(server.connections).toBe(0);
    expect(String(await obtained({ tokenUrl: 'http://127.0.0.1:1/' }))).toContain(
      'no token: no connection to the token endpoint (ECONNREFUSED)',
    );
  });

  test('comes once it is closed, of what is under way as well', async () => {
    server.reply(() => undefined);
    const obtaining = obtained();
    await server.until((received) => received.length === 1);
    await tokens.close();
    expect(await obtaining).toBeInstanceOf(TokenUnavailable);
    expect(await obtained({ scope: 'other' })).toBeInstanceOf(TokenUnavailable);
  });
});

test('a token endpoint is trusted by the authorities of the credentials, and by these alone', async () => {
  const [own, other] = [makeCertificate(), makeCertificate({ commonName: 'other' })];
  // What becomes of the connection of each request.
  const asked: (string | undefined)[] = [];
  const issuer = createServer(own, ({ headers }, response) => {
    asked.push(headers.connection);
    response.end('{"access_token":"secure","token_type":"bearer"}');
  });
  issuer.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  const tokenUrl = `https://127.0.0.1:${(issuer.address() as AddressInfo).port}/`;
  const asking = (more: object): Promise<string> => tokens.of(credentials({ tokenUrl, ...more })).obtain();
  await expect(asking({})).rejects.toThrow(/^no token: no connection to the token endpoint \(\w+\)$/);
  await expect(asking({ tokenCaCertificates: other.cert })).rejects.toThrow('no token: no connection');
  expect(asked).toEqual([]);
  expect(await asking({ tokenCaCertificates: other.cert + own.cert })).toBe('secure');
  expect(asked).toEqual(['close']);
  await new Promise((resolve) => issuer.close(resolve));
});
