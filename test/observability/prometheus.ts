/**
 * Debian's Prometheus as the tests use it: the tools that check files, and a server with the product's own configuration
 * and rules, made faster, that scrapes what it is told to.
 */
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from '@jest/globals';
import { stringify } from 'yaml';
import { call } from '../support/http.js';
import { atEnd, temporaryDirectory } from '../support/teardown.js';
import { within } from '../support/waiting.js';
import { prometheusFolder, yaml } from './artefacts.js';

/** Between scrapes and between evaluations, in seconds. */
export const beatSeconds = 1;

/** Why the tests cannot run, if they cannot. */
function lacking(): string | undefined {
  const absent = ['prometheus', 'promtool'].filter(
    (program) => spawnSync(program, ['--version']).status !== 0,
  );
  return absent.length > 0 ? `${absent.join(' and ')} not on the PATH` : undefined;
}

/** Describes what needs Prometheus: skipped loudly without it, failing where `GRIDPOST_REQUIRE_PROMETHEUS=1` insists. */
export function describeWithPrometheus(title: string, body: () => void): void {
  const reason = lacking();
  if (reason === undefined) {
    describe(title, body);
  } else if (process.env.GRIDPOST_REQUIRE_PROMETHEUS === '1') {
    test(title, () => {
      throw new Error(`GRIDPOST_REQUIRE_PROMETHEUS=1, but ${reason}`);
    });
  } else {
    process.stderr.write(`skipped: ${title}: ${reason}\n`);
    describe.skip(`${title} (skipped: ${reason})`, body);
  }
}

/** Runs promtool in the folder of the rules, with something to read if it reads. */
export function promtool(args: readonly string[], input = ''): SpawnSyncReturns<string> {
  return spawnSync('promtool', args, { cwd: prometheusFolder, input, encoding: 'utf8' });
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Instant in seconds and value as text, in order. */
  readonly values: readonly (readonly [number, string])[];
}

export interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

/** An HTTP API that answers `{status, data}`. Throws what Prometheus says is wrong. */
export class PrometheusApi {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** The expression at one instant (seconds); the newest by default. */
  async at(expression: string, time?: number): Promise<Series[]> {
    const { result } = await this.#get<{ result: (Omit<Series, 'values'> & { value: [number, string] })[] }>(
      'query',
      { query: expression, ...(time === undefined ? {} : { time: String(time) }) },
    );
    return result.map(({ metric, value }) => ({ metric, values: [value] }));
  }

  /** The expression at each beat between two instants. */
  async between(expression: string, start: number, end: number): Promise<Series[]> {
    const range = { start: String(start), end: String(end), step: String(beatSeconds) };
    return (await this.#get<{ result: Series[] }>('query_range', { query: expression, ...range })).result;
  }

  labelValues(label: string, selector: string): Promise<string[]> {
    return this.#get(`label/${label}/values`, { 'match[]': selector });
  }

  async rules(): Promise<Rule[]> {
    return (await this.#get<{ groups: { rules: Rule[] }[] }>('rules', {})).groups.flatMap(
      ({ rules }) => rules,
    );
  }

  async #get<T>(path: string, parameters: Readonly<Record<string, string>>): Promise<T> {
    const answer = await call(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { status, data, error } = answer.json<{ status: string; data: T; error?: string }>();
    if (status !== 'success') throw new Error(`${path} ${JSON.stringify(parameters)}: ${error}`);
    return data;
  }
}

/** Starts a Prometheus that scrapes these `host:port`s, and resolves when it answers queries. */
export async function startPrometheus(targets: readonly string[]): Promise<PrometheusApi> {
  const directory = temporaryDirectory();
  const file = join(directory, 'prometheus.yml');
  writeFileSync(file, stringify(faster(targets)));
  const child = spawn(
    'prometheus',
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  atEnd(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const output: string[] = [];
  const ready = new Promise<string>((resolve, reject) => {
    let address: string | undefined;
    createInterface({ input: child.stderr }).on('line', (line) => {
      output.push(line);
      address ??= /msg="Listening on" address=(\S+)/.exec(line)?.[1];
      if (address !== undefined && line.includes('Server is ready')) resolve(address);
    });
    void exited.then(() => reject(new Error(`prometheus ended:\n${output.join('\n')}`)));
  });
  return new PrometheusApi(`http://${await within('prometheus is ready', 60_000, ready)}`);
}

interface Configuration {
  readonly global: Readonly<Record<string, string>>;
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly { readonly job_name: string }[];
}

/** The configuration as it is shipped, but for where the targets are and how often they are looked at. */
function faster(targets: readonly string[]): unknown {
  const shipped = yaml<Configuration>('deploy', 'prometheus', 'prometheus.yml');
  return {
    ...shipped,
    global: { scrape_interval: `${beatSeconds}s`, evaluation_interval: `${beatSeconds}s` },
    rule_files: shipped.rule_files.map((rules) => join(prometheusFolder, rules)),
    scrape_configs: shipped.scrape_configs
      .filter(({ job_name }) => job_name === 'gridpost')
      .map(({ job_name }) => ({ job_name, static_configs: [{ targets }] })),
  };
}
