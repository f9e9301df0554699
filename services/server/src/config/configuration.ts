/**
 * Settings: read once from flags, environment and secret files, checked against `schemas/configuration.json`, every
 * error reported together. This is the only place of the product that reads the environment; everything else is
 * handed parsed values. The schema is the single list: names, types, defaults and descriptions come from it.
 */
import { readFileSync } from 'node:fs';
import { isRange } from '@gridpost/egress';
import { type Durability, type FunctionApp, hostIn, isLoopback } from '@gridpost/model';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { Command, CommanderError } from 'commander';
import { nearest } from './nearest.js';

export type Role = 'gateway' | 'delivery';

/** See `schemas/configuration.json` for what each means. */
export interface Configuration {
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly store: string;
  readonly durability: Durability;
  readonly adminKey?: string;
  readonly rootKey?: string;
  readonly secretsKey?: readonly string[];
  readonly oidcIssuer?: string;
  readonly oidcAudience?: string;
  readonly oidcRolesClaim?: string;
  readonly oidcReaderRole: string;
  readonly oidcOperatorRole: string;
  readonly oidcAdminRole: string;
  readonly oidcConsumerRole: string;
  readonly auditReads: boolean;
  readonly auditRecordsMax: number;
  readonly auditDays: number;
  readonly publicUrl?: string;
  readonly allowUnvalidatedEndpoints: boolean;
  readonly functionApps?: Readonly<Record<string, FunctionApp>>;
  readonly egressAllow?: readonly string[];
  readonly egressAllowHosts?: readonly string[];
  readonly egressProxy?: string;
  readonly roles: readonly Role[];
  readonly partitions?: number;
  readonly storeBytesMax: number;
  readonly subscriptionShare: number;
  readonly duplicateIdentitiesMax: number;
  readonly topicsMax: number;
  readonly subscriptionsPerTopicMax: number;
  readonly topicEventsPerSecond?: number;
  readonly topicBytesPerSecond?: number;
  readonly topicDeferredBytesMax?: number;
  readonly drainSeconds: number;
  readonly deliveryConcurrency: number;
  readonly deliveryFinalStatuses: readonly number[];
  readonly healthFailuresMax: number;
  readonly healthProbeSecondsMax: number;
  readonly settleWindowMs: number;
  readonly unsettledEventsMax: number;
  readonly attemptLogBytesMax: number;
  readonly attemptLogSuccesses: boolean;
  readonly filterClausesMax: number;
  readonly filterValuesMax: number;
  readonly filterStringBytesMax: number;
  readonly deadLetterDelaySeconds: number;
  readonly deadLetterDirectory?: string;
  readonly deadLetterS3AccessKeyId?: string;
  readonly deadLetterS3SecretAccessKey?: string;
  readonly deadLetterS3Region: string;
  readonly deadLetterS3Endpoint?: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}

interface Property {
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  readonly items?: { readonly type?: string };
  readonly default?: unknown;
  readonly description: string;
  readonly 'x-secret'?: boolean | 'url';
}

/** Thrown with one line per problem. */
export class ConfigurationError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigurationError';
    this.problems = problems;
  }
}

export interface ParsedConfiguration {
  readonly configuration: Configuration;
  /** Variables that begin with GRIDPOST_ and mean nothing, as sentences. */
  readonly warnings: readonly string[];
}

const schemaFile = new URL('../../../../schemas/configuration.json', import.meta.url);

export function loadSchema(): { properties: Record<string, Property> } {
  return JSON.parse(readFileSync(schemaFile, 'utf8'));
}

const words = (name: string): string[] => name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
/** `storeBytesMax` → `GRIDPOST_STORE_BYTES_MAX`. */
export const variableOf = (name: string): string => `GRIDPOST_${words(name).join('_').toUpperCase()}`;
/** `storeBytesMax` → `--store-bytes-max`. */
export const flagOf = (name: string): string => `--${words(name).join('-')}`;

/**
 * @param args flags, without the program's name
 * @throws ConfigurationError with every problem found
 * @throws CommanderError for `--help` and `--version`, after printing
 */
export function parseConfiguration(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  version: string,
): ParsedConfiguration {
  const schema = loadSchema();
  const problems: string[] = [];
  const raw = new Map<string, { text: string; from: string }>();
  for (const [name, property] of Object.entries(schema.properties)) {
    const found = fromEnvironment(name, property, environment, problems);
    if (found) raw.set(name, found);
  }
  for (const [name, text] of Object.entries(parseFlags(schema.properties, args, version, problems))) {
    raw.set(name, { text, from: flagOf(name) });
  }

  const values: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const given = raw.get(name);
    if (given) values[name] = convert(given.text, property);
    else if (property.default !== undefined) values[name] = property.default;
  }
  const validate = new Ajv2020({ allErrors: true, strict: true, keywords: ['x-secret'] }).compile(schema);
  if (!validate(values)) {
    for (const error of validate.errors ?? []) {
      const name = error.instancePath.split('/')[1] ?? '';
      const given = raw.get(name);
      const secret = schema.properties[name]?.['x-secret'];
      const seen = given && !secret ? `, got ${JSON.stringify(given.text)}` : '';
      const expected = error.params.allowedValues
        ? `must be one of ${(error.params.allowedValues as string[]).join(', ')}`
        : error.message;
      problems.push(`${given?.from ?? variableOf(name)} ${expected}${seen}`);
    }
  }
  if (problems.length === 0) problems.push(...contradictions(values as unknown as Configuration));
  if (problems.length) throw new ConfigurationError(problems);
  return {
    configuration: values as unknown as Configuration,
    warnings: unknownVariables(schema.properties, environment),
  };
}

/** Without an admin key, which is possible on loopback only (docs/architecture.md). */
export function isOpen({ host, adminKey }: Pick<Configuration, 'host' | 'adminKey'>): boolean {
  return adminKey === undefined && isLoopback(host);
}

/** What no schema of single values can say. */
function contradictions(configuration: Configuration): string[] {
  const problems: string[] = [];
  if (!isLoopback(configuration.host) && configuration.adminKey === undefined) {
    problems.push(
      `GRIDPOST_ADMIN_KEY must be set to listen on ${configuration.host}: without a key the management API is open, and that is allowed on loopback only`,
    );
  }
  const { oidcIssuer, oidcAudience } = configuration;
  if ((oidcIssuer === undefined) !== (oidcAudience === undefined)) {
    problems.push('GRIDPOST_OIDC_ISSUER and GRIDPOST_OIDC_AUDIENCE must be set together');
  }
  if (configuration.oidcRolesClaim !== undefined && oidcIssuer === undefined) {
    problems.push('GRIDPOST_OIDC_ROLES_CLAIM is of no use without GRIDPOST_OIDC_ISSUER');
  }
  if (
    oidcIssuer?.startsWith('http:') &&
    !(URL.canParse(oidcIssuer) && isLoopback(hostIn(new URL(oidcIssuer))))
  ) {
    problems.push(
      'GRIDPOST_OIDC_ISSUER must be https: whoever can answer in the place of the issuer can do what its tokens may',
    );
  }
  if ((configuration.tlsCert === undefined) !== (configuration.tlsKey === undefined)) {
    const [set, missing] = configuration.tlsCert === undefined ? ['KEY', 'CERT'] : ['CERT', 'KEY'];
    problems.push(`GRIDPOST_TLS_${missing} must be set as well, since GRIDPOST_TLS_${set} is`);
  }
  for (const range of configuration.egressAllow ?? []) {
    if (!isRange(range)) {
      problems.push(
        `GRIDPOST_EGRESS_ALLOW must be ranges of addresses such as 10.1.0.0/16 or fd00::/8, got ${JSON.stringify(range)}`,
      );
    }
  }
  if (configuration.egressProxy !== undefined && !URL.canParse(configuration.egressProxy)) {
    problems.push('GRIDPOST_EGRESS_PROXY must be the URL of a proxy, such as http://proxy.internal:3128');
  }
  const { deadLetterS3AccessKeyId: keyId, deadLetterS3SecretAccessKey: secret } = configuration;
  if ((keyId === undefined) !== (secret === undefined)) {
    problems.push(
      'GRIDPOST_DEAD_LETTER_S3_ACCESS_KEY_ID and GRIDPOST_DEAD_LETTER_S3_SECRET_ACCESS_KEY must be set together',
    );
  }
  if (keyId === undefined && configuration.deadLetterS3Endpoint !== undefined) {
    problems.push('GRIDPOST_DEAD_LETTER_S3_ENDPOINT is of no use without an access key');
  }
  if (configuration.store.startsWith('lmdb:')) {
    if (configuration.roles.length < 2) {
      problems.push('GRIDPOST_ROLES must name all roles on the embedded store: it belongs to one process');
    }
    if (configuration.partitions !== undefined && configuration.partitions !== 1) {
      problems.push('GRIDPOST_PARTITIONS must be 1 or unset on the embedded store');
    }
    if (configuration.durability === 'replicated') {
      problems.push('GRIDPOST_DURABILITY cannot be replicated on the embedded store: it has one copy');
    }
  }
  return problems;
}

function fromEnvironment(
  name: string,
  property: Property,
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): { text: string; from: string } | undefined {
  const variable = variableOf(name);
  const text = environment[variable];
  const file = property['x-secret'] ? environment[`${variable}_FILE`] : undefined;
  if (file !== undefined && text !== undefined) {
    problems.push(`${variable} and ${variable}_FILE are both set; keep one`);
    return undefined;
  }
  if (file === undefined) return text === undefined ? undefined : { text, from: variable };
  try {
    return { text: readFileSync(file, 'utf8').replace(/\r?\n$/, ''), from: `${variable}_FILE` };
  } catch (error) {
    problems.push(`${variable}_FILE cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

function parseFlags(
  properties: Record<string, Property>,
  args: readonly string[],
  version: string,
  problems: string[],
): Record<string, string> {
  const command = new Command('gridpost')
    .description(
      'A self-hosted event router: CloudEvents in over HTTP, webhooks out, nothing accepted ever lost.',
    )
    .version(version)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  for (const [name, property] of Object.entries(properties)) {
    const preset = property.default === undefined ? '' : ` (default: ${String(property.default)})`;
    command.option(`${flagOf(name)} <value>`, `${property.description} [${variableOf(name)}]${preset}`);
  }
  try {
    command.parse([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode !== 0) {
      problems.push(error.message.replace(/^error: /, ''));
      return {};
    }
    throw error;
  }
  return command.opts<Record<string, string>>();
}

/** Leaves what cannot be converted as text, for the schema to refuse. */
function convert(text: string, property: Property): unknown {
  const number = (part: string): unknown =>
    part.trim() !== '' && Number.isFinite(Number(part)) ? Number(part) : part;
  if (property.type === 'array') {
    const parts = text.split(',').map((part) => part.trim());
    return property.items?.type === 'integer' ? parts.map(number) : parts;
  }
  if (property.type === 'object') return parsed(text);
  if (property.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return property.type === 'string' ? text : number(text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function unknownVariables(
  properties: Record<string, Property>,
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const known = new Set<string>();
  for (const [name, property] of Object.entries(properties)) {
    known.add(variableOf(name));
    if (property['x-secret']) known.add(`${variableOf(name)}_FILE`);
  }
  return Object.keys(environment)
    .filter((variable) => variable.startsWith('GRIDPOST_') && !known.has(variable))
    .map((variable) => `${variable} is not a setting; did you mean ${nearest(variable, known)}?`);
}
