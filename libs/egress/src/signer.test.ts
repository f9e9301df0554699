import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { SigningScheme } from '@gridpost/model';
import { Webhook } from 'standardwebhooks';
import { Signer } from './signer.js';
import { newSigningSecret, signingPublicKey, signingSecretFault } from './signing-secret.js';

interface Vector {
  readonly scheme: SigningScheme;
  readonly secret: string;
  readonly publicKey?: string;
  readonly msgId: string;
  readonly timestamp: number;
  readonly payload: string;
  readonly signature: string;
}

interface Case {
  readonly mutation: string;
  readonly value?: string;
  readonly prefix?: string[];
  readonly suffix?: string[];
  readonly expect: 'accept' | 'reject';
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../test/vectors/standard-webhooks/vectors.json', import.meta.url), 'utf8'),
) as {
  readonly sign: readonly Vector[];
  readonly secretForms: readonly { secret: string; equivalentTo?: string; accept: boolean }[];
  readonly verify: { readonly cases: readonly Case[] };
};

type Headers = Record<string, string>;

/** As they go out, at `now`. */
function headersOf(
  scheme: SigningScheme,
  secrets: readonly string[],
  id: string,
  body: Buffer | string | undefined,
  now = Date.now(),
): Headers {
  const keys = secrets.map((secret, index) => ({
    secret,
    createdAt: 0,
    ...(index === 0 ? {} : { endsAt: now + 1 }),
  }));
  const pairs = new Signer({ scheme, keys }).headers(id, body, now);
  const headers: Headers = { 'webhook-id': id };
  for (let at = 0; at < pairs.length; at += 2) headers[pairs[at]!] = pairs[at + 1]!;
  return headers;
}

const hmac = vectors.sign.find(({ scheme }) => scheme === 'v1')!;
const accepts = (secret: string, payload: string | Buffer, headers: Headers): boolean => {
  try {
    new Webhook(secret).verify(payload, headers);
    return true;
  } catch (error) {
    // It parses what it has verified; an empty body is no JSON.
    return error instanceof SyntaxError;
  }
};

test.each(vectors.sign.map((vector) => [vector.scheme, vector] as const))(
  'the published signature of %s is made',
  (scheme, { secret, publicKey, msgId, timestamp, payload, signature }) => {
    const headers = headersOf(scheme, [secret], msgId, Buffer.from(payload), timestamp * 1_000 + 999);
    expect(headers).toEqual({
      'webhook-id': msgId,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signature,
    });
    expect(signingPublicKey(scheme, secret)).toBe(publicKey);
  },
);

test.each(vectors.secretForms.map((form) => [form.secret, form] as const))(
  'the secret %j is what the vectors say',
  (secret, { accept, equivalentTo }) => {
    expect(signingSecretFault('v1', secret) === undefined).toBe(accept);
    if (equivalentTo === undefined) return;
    expect(headersOf('v1', [secret], 'a', 'b', 0)).toEqual(headersOf('v1', [equivalentTo], 'a', 'b', 0));
  },
);

describe('the independent verifier', () => {
  test.each(vectors.verify.cases.map((each) => [each.mutation, each] as const))('%s', (mutation, each) => {
    const { secret, msgId, payload } = hmac;
    const body = mutation.startsWith('empty payload') ? '' : payload;
    const shiftMs = mutation.includes('older') ? -360_000 : mutation.includes('newer') ? 360_000 : 0;
    let headers = headersOf('v1', [secret], msgId, body, Date.now() + shiftMs);
    const signature = headers['webhook-signature']!;
    const removed = /^remove (.+)$/.exec(mutation)?.[1];
    if (removed !== undefined) delete headers[removed];
    else if (mutation.includes('letter case'))
      headers = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
      );
    else if (mutation.includes('not a number')) headers['webhook-timestamp'] = 'soon';
    else if (mutation.includes('first 8')) headers['webhook-signature'] = signature.slice(0, 8);
    else if (each.value !== undefined) headers['webhook-signature'] = each.value;
    else if (each.prefix)
      headers['webhook-signature'] = [...each.prefix, signature, ...(each.suffix ?? [])].join(' ');
    expect(accepts(secret, body, headers)).toBe(each.expect === 'accept');
  });

  test('refuses every flipped bit of the body, and of the id', () => {
    const { secret, msgId, payload } = hmac;
    const headers = headersOf('v1', [secret], msgId, payload);
    const body = Buffer.from(payload);
    for (let bit = 0; bit < body.length * 8; bit++) {
      const flipped = Buffer.from(body);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect([bit, accepts(secret, flipped, headers)]).toEqual([bit, false]);
    }
    expect(accepts(secret, payload, { ...headers, 'webhook-id': `${msgId}x` })).toBe(false);
    expect(accepts(secret, payload, headers)).toBe(true);
  });

  test('takes either secret while both sign, and the newer one only when the other has ended', () => {
    const [older, newer] = [newSigningSecret('v1'), newSigningSecret('v1')];
    const now = Date.now();
    const headers = headersOf('v1', [newer, older], 'msg_1', '{}', now);
    expect(headers['webhook-signature']!.split(' ')).toHaveLength(2);
    for (const secret of [older, newer]) expect(accepts(secret, '{}', headers)).toBe(true);
    expect(accepts(newSigningSecret('v1'), '{}', headers)).toBe(false);
    const keys = [
      { secret: newer, createdAt: now },
      { secret: older, createdAt: 0, endsAt: now },
    ];
    const [, , , signature] = new Signer({ scheme: 'v1', keys }).headers('msg_1', '{}', now);
    expect(signature).toMatch(/^v1,\S+$/);
    expect(accepts(newer, '{}', { ...headers, 'webhook-signature': signature! })).toBe(true);
  });
});

test('an Ed25519 signature is verified with the public key that is shown', () => {
  const secret = newSigningSecret('v1a');
  const body = Buffer.from('{"a":1}');
  const headers = headersOf('v1a', [secret], 'msg_1', body);
  const raw = Buffer.from(signingPublicKey('v1a', secret)!.slice('whpk_'.length), 'base64');
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') },
    format: 'jwk',
  });
  const signature = Buffer.from(headers['webhook-signature']!.slice('v1a,'.length), 'base64');
  const signed = (text: Buffer): Buffer =>
    Buffer.concat([Buffer.from(`msg_1.${headers['webhook-timestamp']}.`), text]);
  expect(verify(null, signed(body), key, signature)).toBe(true);
  expect(verify(null, signed(Buffer.from('{"a":2}')), key, signature)).toBe(false);
});

const base64 = (bytes: number): string => Buffer.alloc(bytes, 7).toString('base64');
const pair = Buffer.from(newSigningSecret('v1a').slice('whsk_'.length), 'base64');

test.each<[SigningScheme, string, boolean]>([
  ['v1', `whsec_${base64(23)}`, false],
  ['v1', `whsec_${base64(24)}`, true],
  ['v1', `whsec_${base64(64)}`, true],
  ['v1', `whsec_${base64(65)}`, false],
  ['v1', `whsec_${base64(32).replace('=', '')}`, false],
  ['v1', `whsec_${base64(32)} `, false],
  ['v1', `whsec_${Buffer.alloc(32, 255).toString('base64url')}`, false],
  ['v1', `whsk_${base64(32)}`, false],
  ['v1a', `whsk_${base64(31)}`, false],
  ['v1a', `whsk_${base64(32)}`, true],
  ['v1a', `whsk_${pair.toString('base64')}`, true],
  ['v1a', `whsk_${Buffer.concat([pair.subarray(32), pair.subarray(0, 32)]).toString('base64')}`, false],
  ['v1a', `whsec_${base64(32)}`, false],
])('of %s %s: %s', (scheme, secret, good) => {
  expect(signingSecretFault(scheme, secret) === undefined).toBe(good);
  if (!good) expect(() => headersOf(scheme, [secret], 'a', 'b')).toThrow(TypeError);
});
