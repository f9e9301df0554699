/**
 * What lets requests in at an endpoint, as it is written and shown. Secrets are never shown: they are null, and null when
 * written keeps what is stored, as long as it would go where it went before.
 */
import { type Credentials, type FieldError, hostIn, isLoopback, type TlsTrust } from '@gridpost/model';
import { certificatesFault, clientCertificateFaults } from './certificates.js';
import type { WrittenMapping } from './delivery-attributes.js';
import { endpointUrlFault } from './endpoint-url.js';
import { invalidResource, type Optional, shown } from './validation.js';

type Type = Credentials['type'];
type Members = Record<
  | 'token'
  | 'username'
  | 'password'
  | 'tokenUrl'
  | 'clientId'
  | 'clientSecret'
  | 'scope'
  | 'audience'
  | 'tokenCaCertificates'
  | 'certificate'
  | 'privateKey',
  string
> & { clientAuthentication: 'basic' | 'body' };
type Member = keyof Members;

/** As `schemas/eventsubscription.json` has it. */
export type WrittenCredentials = Optional<Members> & { readonly type: Type };
export type WrittenTls = Optional<TlsTrust>;

const members: Readonly<Record<Type, readonly Member[]>> = {
  bearer: ['token'],
  basic: ['username', 'password'],
  oauth2: [
    'tokenUrl',
    'clientId',
    'clientSecret',
    'clientAuthentication',
    'scope',
    'audience',
    'tokenCaCertificates',
  ],
  clientCertificate: ['certificate', 'privateKey'],
};
const optional: ReadonlySet<Member> = new Set([
  'clientAuthentication',
  'scope',
  'audience',
  'tokenCaCertificates',
]);
const secretOf = {
  bearer: 'token',
  basic: 'password',
  oauth2: 'clientSecret',
  clientCertificate: 'privateKey',
} as const satisfies Record<Type, Member>;

/** Stands for a secret that is not written, until `withStoredSecret` has found it. No schema lets it be written. */
const unwritten = '';

export interface WrittenAccess {
  readonly credentials?: WrittenCredentials | null;
  readonly tls?: WrittenTls | null;
}

/** What is kept, without faults. */
export function accessOf({ credentials, tls }: WrittenAccess): {
  readonly credentials?: Credentials;
  readonly tls?: TlsTrust;
} {
  return {
    ...(credentials == null ? {} : { credentials: credentialsOf(credentials) }),
    ...(tls?.caCertificates == null ? {} : { tls: { caCertificates: tls.caCertificates } }),
  };
}

function credentialsOf({ type, ...written }: WrittenCredentials): Credentials {
  const given = members[type].filter((name) => written[name] != null).map((name) => [name, written[name]]);
  const defaults = type === 'oauth2' ? { clientAuthentication: 'basic' } : {};
  return { type, [secretOf[type]]: unwritten, ...defaults, ...Object.fromEntries(given) } as never;
}

/** What a schema cannot say. `at`: the pointer to the destination's properties; `url`: the endpoint's, if it is one. */
export function accessFaults(
  { credentials, tls }: WrittenAccess,
  at: string,
  url: string | undefined,
  mappings: readonly WrittenMapping[],
): FieldError[] {
  const faults: FieldError[] = [];
  const fault = (member: string, message: string | undefined): void => {
    if (message !== undefined) faults.push({ pointer: `${at}/${member}`, message });
  };
  const plain =
    url !== undefined && /^http:/i.test(url)
      ? 'is of https endpoints, and the endpoint is of http'
      : undefined;
  if (tls?.caCertificates != null)
    fault('tls/caCertificates', plain ?? certificatesFault(tls.caCertificates));
  if (credentials == null) return faults;
  const { type } = credentials;
  for (const [name, message] of Object.entries(memberFaults(credentials)))
    fault(`credentials/${name}`, message);
  if (type === 'clientCertificate') fault('credentials/type', plain);
  else if (mappings.some(({ name }) => name.toLowerCase() === 'authorization'))
    fault('credentials', 'expected none beside a custom header Authorization, or the header to be left out');
  return faults;
}

function memberFaults(credentials: WrittenCredentials): { [K in Member]?: string | undefined } {
  const { type } = credentials;
  const faults: { [K in Member]?: string | undefined } = {};
  for (const name of new Set(Object.values(members).flat())) {
    const value = credentials[name];
    const wanted = members[type].includes(name);
    if (value == null) {
      if (wanted && !optional.has(name) && name !== secretOf[type]) faults[name] = 'is missing';
    } else if (!wanted) faults[name] = `expected none: it is not of the type ${type}`;
    else faults[name] = rules[name]?.(value);
  }
  const { certificate, privateKey, tokenUrl, tokenCaCertificates } = credentials;
  if (tokenCaCertificates != null && type === 'oauth2' && /^http:/i.test(tokenUrl ?? ''))
    faults.tokenCaCertificates = 'is of https token endpoints, and this one is of http';
  if (type === 'clientCertificate' && certificate != null)
    Object.assign(faults, clientCertificateFaults(certificate, privateKey ?? undefined));
  return faults;
}

const printable = (text: string): string | undefined =>
  /^[!-~]+$/.test(text) ? undefined : 'expected printable ASCII characters without spaces';
/** RFC 6749 Appendix A, VSCHAR. */
const withSpaces = (text: string): string | undefined =>
  /^[ -~]+$/.test(text) ? undefined : 'expected printable ASCII characters';
const noControls = (text: string): string | undefined =>
  /\p{Cc}/u.test(text) ? 'saw a control character, expected none (RFC 7617 §2)' : undefined;

const rules: Readonly<Partial<Record<Member, (text: string) => string | undefined>>> = {
  token: printable,
  username: (text) =>
    text.includes(':') ? 'saw a colon, expected none: it ends the name (RFC 7617 §2)' : noControls(text),
  password: noControls,
  clientId: withSpaces,
  clientSecret: withSpaces,
  scope: (text) =>
    /^[!#-[\]-~]+( [!#-[\]-~]+)*$/.test(text)
      ? undefined
      : `saw ${shown(text)}, expected scopes with single spaces between (RFC 6749 §3.3)`,
  audience: withSpaces,
  tokenCaCertificates: certificatesFault,
  tokenUrl(text) {
    const fault = endpointUrlFault(text);
    if (fault !== undefined) return fault;
    const url = new URL(text);
    if (url.protocol === 'https:' || isLoopback(hostIn(url))) return undefined;
    return 'expected an https URL, since the secret is sent there (RFC 6749 §3.2); plain http is taken on loopback only';
  },
};

/** A destination that requests go to. */
interface Secured {
  readonly properties: { readonly credentials?: Credentials };
}

/**
 * The destination with the stored secret where none is written. It is kept only for the same kind of credentials of the
 * same client at the same host: whoever may write, and does not know it, could have it sent to himself otherwise. Throws
 * `InvalidResource`. `at`: the pointer to the destination. `urlOf`: where its requests go; undefined if nowhere.
 */
export function withStoredSecret<D extends Secured>(
  destination: D,
  stored: D | undefined,
  at: string,
  urlOf: (destination: D) => string | undefined,
): D {
  const { credentials } = destination.properties;
  if (!credentials) return destination;
  const name = secretOf[credentials.type];
  if ((credentials as Partial<Members>)[name] !== unwritten) return destination;
  const before = stored?.properties.credentials;
  const origin = (one: D | undefined): string | undefined => {
    const url = one && urlOf(one);
    return url && new URL(url).origin;
  };
  const refused = (message: string): never => {
    throw invalidResource([{ pointer: `${at}/properties/credentials/${name}`, message }]);
  };
  if (before?.type !== credentials.type) return refused('is missing, and none of this type is stored');
  if (origin(destination) !== origin(stored) || clientOf(before) !== clientOf(credentials)) {
    return refused(
      'is missing: the stored one is kept only for the same client at the same host, so write it again',
    );
  }
  const kept = { ...credentials, [name]: (before as Partial<Members>)[name] };
  return { ...destination, properties: { ...destination.properties, credentials: kept } };
}

/** Whose the secret is, and where else it goes. */
function clientOf(credentials: Credentials): string {
  switch (credentials.type) {
    case 'bearer':
      return '';
    case 'basic':
      return credentials.username;
    case 'oauth2':
      return `${credentials.tokenUrl} ${credentials.clientId}`;
    case 'clientCertificate':
      return credentials.certificate;
  }
}

/** As it is shown: the secret is null. */
export function credentialsView(credentials: Credentials): object {
  return { ...credentials, [secretOf[credentials.type]]: null };
}
