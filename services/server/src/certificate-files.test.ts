import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import type { TlsPair } from '@gridpost/gateway';
import { systemClock } from '@gridpost/model';
import { makeCertificate, type TestCertificate } from '@gridpost/model/testing';
import { CertificateFiles } from './certificate-files.js';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** A directory with a certificate and its key, and what reads them. */
function setup({ cert, key }: TestCertificate = makeCertificate()) {
  const directory = mkdtempSync(join(tmpdir(), 'gridpost-tls-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const paths = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') };
  writeFileSync(paths.cert, cert);
  writeFileSync(paths.key, key);
  const lines: string[] = [];
  const note = (level: string) => (fields: object, message: string) =>
    void lines.push(`${level}: ${message} ${JSON.stringify(fields)}`);
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const files = new CertificateFiles(paths, systemClock, log);
  const used: string[] = [];
  const look = () => files.renewed(({ cert }: TlsPair) => void used.push(cert.toString()));
  return { directory, paths, files, used, look, lines };
}

const next = makeCertificate({ commonName: 'next' });

test('the pair is read as it is in the files, and its end is logged', async () => {
  const pair = makeCertificate();
  const { files, lines } = setup(pair);
  const { cert, key } = await files.read();
  expect([cert.toString(), key.toString()]).toEqual([pair.cert, pair.key]);
  expect(lines).toEqual([expect.stringMatching(/^info: serving HTTPS .*CN=localhost.*"validTo"/)]);
});

test('nothing is renewed while nothing changes', async () => {
  const { files, used, look, lines } = setup();
  await files.read();
  await look();
  await look();
  expect([used, lines.length]).toEqual([[], 1]);
});

test.each<[string, (paths: { cert: string; key: string }) => void]>([
  [
    'written into',
    (paths) => {
      writeFileSync(paths.cert, next.cert);
      writeFileSync(paths.key, next.key);
    },
  ],
  [
    'renamed over',
    (paths) => {
      for (const part of ['cert', 'key'] as const) {
        writeFileSync(`${paths[part]}.new`, next[part]);
        renameSync(`${paths[part]}.new`, paths[part]);
      }
    },
  ],
])('files that were %s are read again, once', async (_, replace) => {
  const { paths, files, used, look, lines } = setup();
  await files.read();
  replace(paths);
  await look();
  await look();
  expect(used).toEqual([next.cert]);
  expect(lines.at(-1)).toMatch(/^info: the certificate was renewed .*CN=next/);
});

test('a link that is turned in a directory above the files is followed, as Kubernetes does it', async () => {
  const { directory, lines } = setup();
  for (const [name, pair] of Object.entries({ one: makeCertificate(), two: next })) {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'tls.crt'), pair.cert);
    writeFileSync(join(directory, name, 'tls.key'), pair.key);
  }
  symlinkSync('one', join(directory, '..data'));
  const paths = { cert: join(directory, '..data', 'tls.crt'), key: join(directory, '..data', 'tls.key') };
  const note = () => undefined;
  const log = { debug: note, info: note, warn: note, error: note };
  const files = new CertificateFiles(paths, systemClock, log);
  await files.read();
  symlinkSync('two', join(directory, '..next'));
  renameSync(join(directory, '..next'), join(directory, '..data'));
  const used: string[] = [];
  await files.renewed(({ cert }) => void used.push(cert.toString()));
  expect([used, lines]).toEqual([[next.cert], []]);
});

test.each<[string, (paths: { cert: string; key: string }) => void, RegExp]>([
  [
    'a certificate with the key of another',
    ({ cert }) => writeFileSync(cert, next.cert),
    /are not a certificate and its key in PEM: .*key values mismatch/,
  ],
  ['what is no PEM', ({ key }) => writeFileSync(key, 'no key'), /are not a certificate and its key in PEM/],
  ['an empty file', ({ cert }) => writeFileSync(cert, ''), /are not a certificate and its key in PEM/],
  ['a missing file', ({ key }) => rmSync(key), /GRIDPOST_TLS_KEY cannot be read: ENOENT/],
])('%s is logged once, and what was in use stays, until it is mended', async (_, spoil, fault) => {
  const { paths, files, used, look, lines } = setup();
  await files.read();
  spoil(paths);
  await look();
  await look();
  expect(used).toEqual([]);
  expect(lines.slice(1)).toEqual([
    expect.stringMatching(/^error: the new certificate is not used; the one before stays /),
  ]);
  expect(lines[1]).toMatch(fault);
  expect(lines.join()).not.toContain('BEGIN');
  writeFileSync(paths.cert, next.cert);
  writeFileSync(paths.key, next.key);
  await look();
  expect(used).toEqual([next.cert]);
});

test('a pair that the server does not take counts as not good', async () => {
  const { paths, files, lines } = setup();
  await files.read();
  writeFileSync(paths.cert, next.cert);
  writeFileSync(paths.key, next.key);
  await files.renewed(() => {
    throw new Error('not this one');
  });
  expect(lines.at(-1)).toMatch(/^error: .*not this one/);
});

test('at the start a bad pair is an error that names the settings', async () => {
  const { paths, files } = setup();
  writeFileSync(paths.cert, next.cert);
  await expect(files.read()).rejects.toThrow(
    `GRIDPOST_TLS_CERT (${paths.cert}) and GRIDPOST_TLS_KEY (${paths.key}) are not`,
  );
  rmSync(paths.cert);
  await expect(files.read()).rejects.toThrow('GRIDPOST_TLS_CERT cannot be read: ENOENT');
});

test('an expired certificate is served, with a warning', async () => {
  const { files, lines } = setup(makeCertificate({ notAfter: new Date(Date.now() - 1_000) }));
  await files.read();
  expect(lines).toEqual([expect.stringMatching(/^warn: serving HTTPS; it has expired/)]);
});
