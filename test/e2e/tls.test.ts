/** The product over TLS, as a process configured by its environment: started, renewed while it runs, drained. */
import { renameSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect, test } from '@jest/globals';
import { makeCertificate, type TestCertificate } from '@gridpost/model/testing';
import { runServer, startServer } from '../support/server.js';
import { temporaryDirectory } from '../support/teardown.js';
import { until } from '../support/waiting.js';

function setup(pair: TestCertificate) {
  const directory = temporaryDirectory();
  const paths = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') };
  const write = (next: TestCertificate): void => {
    for (const part of ['cert', 'key'] as const) {
      writeFileSync(`${paths[part]}.new`, next[part]);
      renameSync(`${paths[part]}.new`, paths[part]);
    }
  };
  write(pair);
  const settings = {
    GRIDPOST_STORE: `lmdb:${temporaryDirectory()}`,
    GRIDPOST_TLS_CERT: paths.cert,
    GRIDPOST_TLS_KEY: paths.key,
  };
  return { paths, write, settings };
}

/** The status of readiness, and whose certificate was shown. */
function ready(url: string, ca: string[]): Promise<[number | undefined, string]> {
  return new Promise((resolve, reject) => {
    get(`${url}/readyz`, { ca, agent: false }, (incoming) => {
      const { subject } = (incoming.socket as TLSSocket).getPeerCertificate();
      incoming.resume().on('end', () => resolve([incoming.statusCode, String(subject.CN)]));
    }).on('error', reject);
  });
}

test('a server with a certificate serves HTTPS and takes a renewed one while it runs', async () => {
  const [first, second] = [
    makeCertificate({ commonName: 'first' }),
    makeCertificate({ commonName: 'second' }),
  ];
  const { write, settings } = setup(first);
  const server = await startServer(settings);
  expect(server.url).toMatch(/^https:/);
  const both = [first.cert, second.cert];
  expect(await ready(server.url, both)).toEqual([200, 'first']);
  write(second);
  await until(
    'the renewed certificate is shown',
    async () => (await ready(server.url, both))[1] === 'second',
    { everyMs: 250 },
  );
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('a certificate that is not one ends the start with a sentence', async () => {
  const { paths, settings } = setup(makeCertificate());
  writeFileSync(paths.cert, 'not a certificate');
  const { code, stderr } = await runServer(settings);
  expect(code).toBe(1);
  expect(stderr).toContain(`GRIDPOST_TLS_CERT (${paths.cert})`);
  expect(stderr).not.toContain('    at ');
});

test('a certificate without its key is a wrong setting', async () => {
  const { GRIDPOST_TLS_KEY: _, ...settings } = setup(makeCertificate()).settings;
  const { code, stderr } = await runServer(settings);
  expect(code).toBe(2);
  expect(stderr).toContain('GRIDPOST_TLS_KEY must be set as well');
});
