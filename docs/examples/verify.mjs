// Whether a request is from Gridpost (Standard Webhooks). `key`: the secret (whsec_…), or the public key (whpk_…).
// `body`: the bytes as they came, before anything has parsed them.
import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';

export function isFromGridpost(key, headers, body, now = Date.now()) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = headers;
  // What somebody has overheard is of no use to him five minutes later.
  if (!(Math.abs(now / 1000 - Number(timestamp)) <= 300)) return false;
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const bytes = Buffer.from(key.replace(/^wh(sec|pk)_/, ''), 'base64');
  // There are several while a secret is being rotated.
  return signatures.split(' ').some((each) => {
    const [scheme, base64 = ''] = each.split(',');
    const signature = Buffer.from(base64, 'base64');
    if (scheme === 'v1a' && key.startsWith('whpk_')) {
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') };
      return verify(null, signed, createPublicKey({ key: jwk, format: 'jwk' }), signature);
    }
    const expected = createHmac('sha256', bytes).update(signed).digest();
    return scheme === 'v1' && signature.length === 32 && timingSafeEqual(signature, expected);
  });
}
