import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ConfigurationError, parseConfiguration } from './configuration.js';

const parse = (args: string[] = [], environment: Record<string, string> = {}) =>
  parseConfiguration(args, environment, '0.0.0');

function problemsOf(args: string[], environment: Record<string, string> = {}): readonly string[] {
  try {
    parse(args, environment);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

test('without flags and variables everything has its default', () => {
  expect(parse().configuration).toEqual({
    allowUnvalidatedEndpoints: false,
    auditDays: 90,
    auditReads: false,
    auditRecordsMax: 10_000,
    duplicateIdentitiesMax: 1_000_000,
    topicsMax: 10_000,
    subscriptionsPerTopicMax: 100_000,
    filterClausesMax: 100,
    filterValuesMax: 1_000,
    filterStringBytesMax: 1_024,
    host: '127.0.0.1',
    port: 8080,
    store: 'lmdb:./data',
    durability: 'process',
    roles: ['gateway', 'delivery'],
    storeBytesMax: 8_589_934_592,
    subscriptionShare: 0.1,
    drainSeconds: 35,
    deliveryConcurrency: 64,
    deliveryFinalStatuses: [400, 401, 403, 413],
    healthFailuresMax: 10,
    healthProbeSecondsMax: 300,
    settleWindowMs: 1000,
    unsettledEventsMax: 1024,
    attemptLogBytesMax: 134_217_728,
    attemptLogSuccesses: true,
    deadLetterDelaySeconds: 300,
    deadLetterS3Region: 'us-east-1',
    logLevel: 'info',
    oidcAdminRole: 'gridpost-admin',
    oidcConsumerRole: 'gridpost-consumer',
    oidcOperatorRole: 'gridpost-operator',
    oidcReaderRole: 'gridpost-reader',
  });
});

test('a flag wins over a variable, a variable over the default', () => {
  const { configuration } = parse(['--port', '9000'], { GRIDPOST_PORT: '9001', GRIDPOST_HOST: '::1' });
  expect(configuration.port).toBe(9000);
  expect(configuration.host).toBe('::1');
});

test('all problems are reported together, and secrets are not repeated', () => {
  const problems = problemsOf(['--port', '70000'], {
    GRIDPOST_STORE: 'postgres://user:hunter2@db',
    GRIDPOST_DURABILITY: 'eternal',
    GRIDPOST_ADMIN_KEY: 'short',
  });
  expect(problems).toEqual([
    expect.stringContaining('--port must be <= 65535, got "70000"'),
    expect.stringContaining('GRIDPOST_STORE must match pattern'),
    'GRIDPOST_DURABILITY must be one of memory, process, disk, replicated, got "eternal"',
    expect.stringContaining('GRIDPOST_ADMIN_KEY must NOT have fewer than 16 characters'),
  ]);
  expect(problems.join()).not.toMatch(/hunter2|"short"/);
});

test.each([
  ['a word for a number', { GRIDPOST_PORT: 'http' }, 'GRIDPOST_PORT must be integer, got "http"'],
  ['an empty number', { GRIDPOST_PORT: '' }, 'GRIDPOST_PORT must be integer, got ""'],
  ['a fraction', { GRIDPOST_PORT: '80.5' }, 'GRIDPOST_PORT must be integer, got "80.5"'],
  [
    'an unknown role',
    { GRIDPOST_ROLES: 'gateway,cook' },
    'GRIDPOST_ROLES must be one of gateway, delivery, got "gateway,cook"',
  ],
  ['a role on the embedded store', { GRIDPOST_ROLES: 'gateway' }, expect.stringContaining('one process')],
  [
    'replicas of the embedded store',
    { GRIDPOST_DURABILITY: 'replicated' },
    expect.stringContaining('one copy'),
  ],
  [
    'partitions of the embedded store',
    { GRIDPOST_PARTITIONS: '4' },
    expect.stringContaining('GRIDPOST_PARTITIONS'),
  ],
  [
    'an open network without a key',
    { GRIDPOST_HOST: '0.0.0.0' },
    expect.stringContaining('GRIDPOST_ADMIN_KEY must be set'),
  ],
  [
    'an issuer without its audience',
    { GRIDPOST_OIDC_ISSUER: 'https://login.example.com' },
    expect.stringContaining('GRIDPOST_OIDC_AUDIENCE must be set together'),
  ],
  [
    'an audience without its issuer',
    { GRIDPOST_OIDC_AUDIENCE: 'gridpost' },
    expect.stringContaining('GRIDPOST_OIDC_ISSUER and'),
  ],
  ...['http://login.example.com', 'http://10.0.0.1:8080/realms/shop', 'http://localhost.example.com'].map(
    (issuer): [string, object, unknown] => [
      `the issuer ${issuer}`,
      { GRIDPOST_OIDC_ISSUER: issuer, GRIDPOST_OIDC_AUDIENCE: 'gridpost' },
      expect.stringContaining('must be https'),
    ],
  ),
  ...['login.example.com', 'ftp://login.example.com', 'https://a/?b', 'https://a/#b', 'https://u:p@a/'].map(
    (issuer): [string, object, unknown] => [
      `the issuer ${issuer}`,
      { GRIDPOST_OIDC_ISSUER: issuer, GRIDPOST_OIDC_AUDIENCE: 'gridpost' },
      expect.stringContaining('GRIDPOST_OIDC_ISSUER must match pattern'),
    ],
  ),
  [
    'a certificate without its key',
    { GRIDPOST_TLS_CERT: 'tls.crt' },
    'GRIDPOST_TLS_KEY must be set as well, since GRIDPOST_TLS_CERT is',
  ],
  [
    'a key without its certificate',
    { GRIDPOST_TLS_KEY: 'tls.key' },
    'GRIDPOST_TLS_CERT must be set as well, since GRIDPOST_TLS_KEY is',
  ],
  ...['GRIDPOST_DEAD_LETTER_S3_ACCESS_KEY_ID', 'GRIDPOST_DEAD_LETTER_S3_SECRET_ACCESS_KEY'].map(
    (name): [string, object, unknown] => [
      `${name} alone`,
      { [name]: 'x' },
      expect.stringContaining('must be set together'),
    ],
  ),
  [
    'an endpoint of S3 without keys',
    { GRIDPOST_DEAD_LETTER_S3_ENDPOINT: 'http://minio:9000' },
    'GRIDPOST_DEAD_LETTER_S3_ENDPOINT is of no use without an access key',
  ],
  ...['minio:9000', 'http://minio:9000/path', 'http://u:p@minio', 'ftp://minio', 'https://a?b'].map(
    (endpoint): [string, object, unknown] => [
      `the endpoint of S3 ${endpoint}`,
      {
        GRIDPOST_DEAD_LETTER_S3_ENDPOINT: endpoint,
        GRIDPOST_DEAD_LETTER_S3_ACCESS_KEY_ID: 'id',
        GRIDPOST_DEAD_LETTER_S3_SECRET_ACCESS_KEY: 'secret',
      },
      expect.stringContaining('GRIDPOST_DEAD_LETTER_S3_ENDPOINT must match pattern'),
    ],
  ),
  ...['10.0.0.0/33', 'a.test', '10.0.0.0-10.0.0.9', '::ffff:10.0.0.0/104'].map(
    (range): [string, object, unknown] => [
      `${range} as a range that is allowed`,
      { GRIDPOST_EGRESS_ALLOW: `10.0.0.0/8,${range}` },
      `GRIDPOST_EGRESS_ALLOW must be ranges of addresses such as 10.1.0.0/16 or fd00::/8, got "${range}"`,
    ],
  ),
  ...['a.test:80', 'http://a.test', '*', '*.', 'a.*.test', '[::1]', 'a b'].map(
    (host): [string, object, unknown] => [
      `${host} as a host that is allowed`,
      { GRIDPOST_EGRESS_ALLOW_HOSTS: host },
      expect.stringContaining('GRIDPOST_EGRESS_ALLOW_HOSTS must match pattern'),
    ],
  ),
  ...['https://proxy:3128', 'proxy:3128', 'http://proxy/path', 'http://proxy?x', 'socks5://proxy'].map(
    (proxy): [string, object, unknown] => [
      `the proxy ${proxy}`,
      { GRIDPOST_EGRESS_PROXY: proxy },
      expect.stringMatching(/^GRIDPOST_EGRESS_PROXY must match pattern "[^"]*"$/),
    ],
  ),
  [
    'a proxy with a port that is none',
    { GRIDPOST_EGRESS_PROXY: 'http://us:er@proxy:99999' },
    'GRIDPOST_EGRESS_PROXY must be the URL of a proxy, such as http://proxy.internal:3128',
  ],
  [
    'a delay of more than a day',
    { GRIDPOST_DEAD_LETTER_DELAY_SECONDS: '86401' },
    'GRIDPOST_DEAD_LETTER_DELAY_SECONDS must be <= 86400, got "86401"',
  ],
])('%s is refused', (_, environment, expected) => {
  expect(problemsOf([], environment as Record<string, string>)).toEqual([expected]);
});

test.each([
  'https://login.example.com',
  'https://login.example.com:8443/realms/shop/',
  'http://127.0.0.1:8080/realms/shop',
  'http://localhost/realms/shop',
  'http://[::1]:8080',
])('the issuer %s is taken as it is', (issuer) => {
  const environment = { GRIDPOST_OIDC_ISSUER: issuer, GRIDPOST_OIDC_AUDIENCE: 'gridpost' };
  expect(parse([], environment).configuration).toMatchObject({
    oidcIssuer: issuer,
    oidcAudience: 'gridpost',
  });
});

test('a claim of roles is of no use without an issuer', () => {
  expect(problemsOf([], { GRIDPOST_OIDC_ROLES_CLAIM: 'roles' })).toEqual([
    'GRIDPOST_OIDC_ROLES_CLAIM is of no use without GRIDPOST_OIDC_ISSUER',
  ]);
});

test('what is allowed of addresses is read as lists', () => {
  const environment = {
    GRIDPOST_EGRESS_ALLOW: '10.0.0.0/8, fd00::/8,192.168.1.1',
    GRIDPOST_EGRESS_ALLOW_HOSTS: 'db.internal,*.Shop.internal',
    GRIDPOST_EGRESS_PROXY: 'http://us:er@proxy.internal:3128/',
  };
  expect(parse([], environment).configuration).toMatchObject({
    egressAllow: ['10.0.0.0/8', 'fd00::/8', '192.168.1.1'],
    egressAllowHosts: ['db.internal', '*.Shop.internal'],
    egressProxy: 'http://us:er@proxy.internal:3128/',
  });
});

test('an unknown flag is refused', () => {
  expect(problemsOf(['--prot', '1'])).toEqual([expect.stringContaining("unknown option '--prot'")]);
});

test('a boolean is true or false, and nothing else', () => {
  const allowed = (text: string) => parse([], { GRIDPOST_ALLOW_UNVALIDATED_ENDPOINTS: text }).configuration;
  expect(allowed('true').allowUnvalidatedEndpoints).toBe(true);
  expect(allowed('false').allowUnvalidatedEndpoints).toBe(false);
  expect(parse().configuration.allowUnvalidatedEndpoints).toBe(false);
  for (const text of ['', '1', 'yes', 'True'])
    expect(problemsOf([], { GRIDPOST_ALLOW_UNVALIDATED_ENDPOINTS: text })).toEqual([
      `GRIDPOST_ALLOW_UNVALIDATED_ENDPOINTS must be boolean, got ${JSON.stringify(text)}`,
    ]);
});

test('an unknown variable is warned about, with the nearest name', () => {
  expect(parse([], { GRIDPOST_PROT: '1', OTHER: '1' }).warnings).toEqual([
    'GRIDPOST_PROT is not a setting; did you mean GRIDPOST_PORT?',
  ]);
});

describe('secrets from files', () => {
  function secretFile(content: string): string {
    const directory = mkdtempSync(join(tmpdir(), 'gridpost-config-'));
    cleanups.push(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, 'secret'), content);
    return join(directory, 'secret');
  }

  test('one trailing line break is not part of the secret', () => {
    const file = secretFile('a-key-of-enough-length\n');
    expect(parse([], { GRIDPOST_ADMIN_KEY_FILE: file }).configuration.adminKey).toBe(
      'a-key-of-enough-length',
    );
  });

  test('can hold an object', () => {
    const apps = { shop: { url: 'https://shop.example.com', key: 'hidden' } };
    const file = secretFile(JSON.stringify(apps));
    expect(parse([], { GRIDPOST_FUNCTION_APPS_FILE: file }).configuration.functionApps).toEqual(apps);
  });

  test('a missing file is a problem', () => {
    expect(problemsOf([], { GRIDPOST_ADMIN_KEY_FILE: '/nowhere/at/all' })).toEqual([
      expect.stringContaining('GRIDPOST_ADMIN_KEY_FILE cannot be read: ENOENT'),
    ]);
  });

  test('a value and a file together are a problem', () => {
    const file = secretFile('a-key-of-enough-length');
    expect(
      problemsOf([], { GRIDPOST_ADMIN_KEY_FILE: file, GRIDPOST_ADMIN_KEY: 'another-key-of-length' }),
    ).toEqual(['GRIDPOST_ADMIN_KEY and GRIDPOST_ADMIN_KEY_FILE are both set; keep one']);
  });
});

describe('function apps', () => {
  const parsed = (text: string) => parse([], { GRIDPOST_FUNCTION_APPS: text }).configuration.functionApps;

  test('are an object in JSON', () => {
    const apps = {
      Shop: { url: 'https://shop.example.com', key: 'hidden' },
      other: { url: 'http://h/base' },
    };
    expect(parsed(JSON.stringify(apps))).toEqual(apps);
  });

  test.each([
    ['hidden'],
    ['[]'],
    ['{"shop":"hidden"}'],
    ['{"shop":{"key":"hidden"}}'],
    ['{"shop":{"url":"ftp://hidden"}}'],
    ['{"shop":{"url":"https://h/?code=hidden"}}'],
    ['{"shop":{"url":"https://h","secret":"hidden"}}'],
    ['{"shop":{"url":"https://h","key":"hid den"}}'],
    ['{"no app":{"url":"https://h"}}'],
  ])('such as %s are a problem that does not repeat them', (text) => {
    const problems = problemsOf([], { GRIDPOST_FUNCTION_APPS: text });
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) {
      expect(problem).toMatch(/^GRIDPOST_FUNCTION_APPS /);
      expect(problem).not.toContain('hidden');
    }
  });
});
