import { expect, test } from '@jest/globals';
import { type Credential, credentialOf } from './credential.js';

const key = 'nDT4hgdEj9DpBeRr38+arn/nm5OFg==';

test.each<[string, Record<string, string>, string, Credential]>([
  ['nothing', {}, '/x?api-version=1', { kind: 'none' }],
  ['a key', { 'aeg-sas-key': key }, '/x', { kind: 'key', key }],
  ['an empty key', { 'aeg-sas-key': '' }, '/x', { kind: 'key', key: '' }],
  ['a key in Authorization', { authorization: `SharedAccessKey  ${key} ` }, '/x', { kind: 'key', key }],
  ['a scheme in any case', { authorization: `sharedACCESSkey ${key}` }, '/x', { kind: 'key', key }],
  ['a signature', { 'aeg-sas-token': 'r=a&e=b&s=c' }, '/x', { kind: 'signature', token: 'r=a&e=b&s=c' }],
  [
    'a signature in Authorization',
    { authorization: 'SharedAccessSignature r=a&e=b&s=c' },
    '/x',
    { kind: 'signature', token: 'r=a&e=b&s=c' },
  ],
  ['a bearer', { authorization: 'Bearer a.b.c' }, '/x', { kind: 'bearer', token: 'a.b.c' }],
  ['another scheme', { authorization: 'Basic YTpi' }, '/x', { kind: 'unsupported' }],
  ['a scheme alone', { authorization: 'SharedAccessKey' }, '/x', { kind: 'unsupported' }],
  [
    'a scheme that begins like one',
    { authorization: `SharedAccessKeys ${key}` },
    '/x',
    { kind: 'unsupported' },
  ],
  ['a key in the query', {}, `/x?aeg-sas-key=${encodeURIComponent(key)}`, { kind: 'key', key }],
  ['a key in the query as it is', {}, `/x?api-version=1&aeg-sas-key=${key}&a=b`, { kind: 'key', key }],
  ['an empty key in the query', {}, '/x?aeg-sas-key=', { kind: 'key', key: '' }],
  ['a broken escape in the query', {}, '/x?aeg-sas-key=%zz', { kind: 'key', key: '%zz' }],
  ['a parameter that ends like one', {}, `/x?xaeg-sas-key=${key}`, { kind: 'none' }],
  ['a path like a parameter', {}, `/x&aeg-sas-keys=${key}`, { kind: 'none' }],
])('%s', (_, headers, target, credential) => {
  expect(credentialOf(headers, target)).toEqual(credential);
});

test('of several credentials the first in the documented order decides', () => {
  const headers: Record<string, string> = {
    'aeg-sas-key': 'header',
    'aeg-sas-token': 'token',
    authorization: 'Bearer bearer',
  };
  const kinds = [];
  for (const name of [...Object.keys(headers), undefined]) {
    kinds.push(credentialOf(headers, '/x?aeg-sas-key=query'));
    if (name) delete headers[name];
  }
  expect(kinds).toEqual([
    { kind: 'key', key: 'header' },
    { kind: 'signature', token: 'token' },
    { kind: 'bearer', token: 'bearer' },
    { kind: 'key', key: 'query' },
  ]);
});
