/** The image and the compose file, held to the settings there are and to what they promise about safety. */
import { expect, describe, test } from '@jest/globals';
import { parseConfiguration } from '@gridpost/server';
import { text, yaml } from './artefacts.js';

interface Service {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string | number | null>>;
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
  readonly restart?: string;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly deploy?: { readonly replicas: number };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

const compose = yaml<Compose>('docker-compose.yml');
const dockerfile = text('deploy', 'Dockerfile');
const adminKey = 'sixteen-characters-or-more';

/** What `${NAME:?message}` and `${NAME:-default}` become. */
function interpolated(value: string | number): string {
  return String(value).replaceAll(
    /\$\{(\w+)(?::([?-])([^}]*))?\}/g,
    (_, name: string, kind, rest: string) => {
      if (kind === '-') return rest;
      if (name === 'GRIDPOST_ADMIN_KEY') return adminKey;
      throw new Error(`no value for ${name}`);
    },
  );
}

/** What has no value is Compose's own, if it is set there. */
function environmentOf({ environment = {} }: Service): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value === null ? [] : [[name, interpolated(value)]],
    ),
  );
}

/** `ENV` of the image: names and values, over continued lines. */
const imageEnvironment = Object.fromEntries(
  [...dockerfile.matchAll(/^(?:ENV|\s+)\s*([A-Z_]+)=(\S+)/gm)].map(
    (match) => [match[1]!, match[2]!] as const,
  ),
);

describe('docker-compose.yml', () => {
  const services = Object.entries(compose.services);
  const ours = services.filter(([, { image }]) => image === 'gridpost');

  test('has none of what Compose no longer reads', () => {
    expect(Object.keys(compose).filter((key) => !key.startsWith('x-'))).toEqual(['services', 'volumes']);
  });

  test('runs a gateway and two delivery workers', () => {
    expect(ours.map(([name]) => name)).toEqual(['gateway', 'delivery']);
    expect(compose.services.delivery!.deploy!.replicas).toBe(2);
  });

  test.each(ours)('%s has settings that the server takes', (_, service) => {
    const environment = { ...imageEnvironment, ...environmentOf(service) };
    const { configuration, warnings } = parseConfiguration([], environment, '0.0.0');
    expect(warnings).toEqual([]);
    expect(configuration).toMatchObject({ host: '0.0.0.0', port: 8080, adminKey });
    // It is killed before it has drained otherwise, and repeats what was in flight.
    expect(Number.parseInt(service.stop_grace_period!, 10)).toBeGreaterThan(configuration.drainSeconds);
  });

  test('demands an admin key', () => {
    for (const [, { environment }] of ours)
      expect(environment!.GRIDPOST_ADMIN_KEY).toMatch(/^\$\{\w+:\?.+\}$/);
  });

  test.each(services)(
    '%s is checked, read-only, comes back, and is reachable from this machine only',
    (_, service) => {
      expect(service.healthcheck?.test.length).toBeGreaterThan(1);
      expect(service.restart).toBe('unless-stopped');
      expect(service.read_only).toBe(true);
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
      for (const { condition } of Object.values(service.depends_on ?? {}))
        expect(condition).toBe('service_healthy');
    },
  );

  test('keeps Redis from forgetting, and from refusing what Gridpost settles', () => {
    const { command } = compose.services.redis as unknown as { command: readonly string[] };
    const option = (name: string): string | undefined => command[command.indexOf(`--${name}`) + 1];
    expect(option('appendonly')).toBe('yes');
    expect(option('appendfsync')).toBe('everysec');
    expect(option('maxmemory-policy')).toBe('noeviction');
    const bytes = Number.parseInt(option('maxmemory')!, 10) * 1024 * 1024;
    for (const [, service] of ours) {
      expect(Number(environmentOf(service).GRIDPOST_STORE_BYTES_MAX)).toBeLessThan(bytes);
    }
  });
});

describe('deploy/Dockerfile', () => {
  test('has settings that the server takes, with an admin key and not without', () => {
    const { configuration, warnings } = parseConfiguration(
      [],
      { ...imageEnvironment, GRIDPOST_ADMIN_KEY: adminKey },
      '0.0.0',
    );
    expect(warnings).toEqual([]);
    expect(configuration).toMatchObject({ host: '0.0.0.0', port: 8080, store: 'lmdb:/data' });
    expect(() => parseConfiguration([], imageEnvironment, '0.0.0')).toThrow(/GRIDPOST_ADMIN_KEY/);
  });

  test('copies nothing that .dockerignore keeps out', () => {
    const kept = text('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = [...dockerfile.matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap((match) =>
      match[1]!.split(' '),
    );
    expect(copied.filter((path) => !kept.includes(path))).toEqual([]);
    expect(kept.filter((path) => !copied.includes(path))).toEqual([]);
  });

  test('runs the server without privileges', () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
    expect(last).toMatch(/^USER node$/m);
    expect(last).toMatch(/^ENTRYPOINT \["node", "services\/server\/dist\/main\.js"\]$/m);
  });
});
