/**
 * Who may do what. The admin key may do everything; a topic's keys, and signatures made with them, may publish to that
 * topic, and a token of the OIDC issuer to every topic. Without an admin key the gateway runs open
 * (docs/architecture.md): a credential is then optional, but a wrong one is still refused, so that a mistaken client
 * finds out on the laptop and not in production.
 *
 * Wrong and missing credentials are `Unauthorized`; one for publishing that is used for managing is `Forbidden`, since
 * it is good for something else. No message repeats any part of a credential.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type Clock, GridpostError, type Topic } from '@gridpost/model';
import { type Credential, credentialOf } from './credential.js';
import { digestOf, type TopicKeys } from './keys.js';
import { publishTargetOf, scopeNamed } from './publish-target.js';
import { parseSignature } from './sas.js';
import type { Tokens } from './tokens.js';

export interface AccessOptions {
  readonly keys: TopicKeys;
  /** Undefined: open mode. */
  readonly adminKey: string | undefined;
  /** Undefined: no issuer is trusted. */
  readonly tokens: Tokens | undefined;
  readonly clock: Clock;
}

const howToPublish =
  'send a key of the topic as aeg-sas-key or as Authorization: SharedAccessKey, a signature made with one as aeg-sas-token or as Authorization: SharedAccessSignature, or the admin key or a token of the OIDC issuer as Authorization: Bearer';
const howToManage = 'send the admin key as Authorization: Bearer';

export class Access {
  readonly #keys: TopicKeys;
  readonly #adminDigest: Buffer | undefined;
  readonly #tokens: Tokens | undefined;
  readonly #clock: Clock;

  constructor({ keys, adminKey, tokens, clock }: AccessOptions) {
    this.#keys = keys;
    this.#adminDigest = adminKey === undefined ? undefined : digestOf(adminKey);
    this.#tokens = tokens;
    this.#clock = clock;
  }

  /**
   * Refuses a publish request whose credential is wrong whatever the topic: it has none although one is needed, or an
   * empty key, which is Event Grid's `InvalidSas`. Comes before the topic is looked up, so that strangers learn nothing of
   * which topics exist and cause no work in the store.
   *
   * Where none is needed, a page from elsewhere may not publish either: topics of Event Grid's schema take any content
   * type, and so what a browser sends without asking.
   */
  requireCredential(credential: Credential, headers: IncomingHttpHeaders): void {
    if (credential.kind === 'none') {
      if (this.#adminDigest) throw unauthorized('no credential was sent', howToPublish);
      checkOrigin(headers);
    }
    if (credential.kind === 'key' && credential.key === '') {
      throw new GridpostError('InvalidSas', `the access key that was sent is empty; ${howToPublish}`);
    }
  }

  /**
   * Refuses unless the credential, if any, may publish to the topic: at once, or with the promise that is returned where
   * the issuer has to be asked.
   */
  checkPublish(
    credential: Credential,
    topic: Topic,
    headers: IncomingHttpHeaders,
  ): Promise<unknown> | undefined {
    switch (credential.kind) {
      case 'none':
        this.requireCredential(credential, headers);
        return undefined;
      case 'key':
      case 'signature': {
        const fault = this.#localFault(credential, topic, headers);
        if (fault !== undefined) throw unauthorized(fault, howToPublish);
        return undefined;
      }
      default: {
        const bearer = this.#bearer(credential, howToPublish);
        return bearer instanceof Promise ? bearer : undefined;
      }
    }
  }

  /** Resolves if the credential, if any, may receive from the topic's subscriptions: one that may publish to it. */
  async checkReceive(headers: IncomingHttpHeaders, topic: Topic | undefined): Promise<void> {
    const credential = credentialOf(headers);
    this.requireCredential(credential, headers);
    if (topic) await this.checkPublish(credential, topic, headers);
  }

  /** Resolves if the credential, if any, may manage. `topic` is the one the request names, if it exists. */
  async checkManage(headers: IncomingHttpHeaders, topic: Topic | undefined): Promise<void> {
    const credential = credentialOf(headers);
    switch (credential.kind) {
      case 'none':
        if (this.#adminDigest !== undefined) throw unauthorized('no credential was sent', howToManage);
        return;
      case 'key':
      case 'signature':
        throw topic && this.#localFault(credential, topic, undefined) === undefined
          ? forbidden("a topic's key, or a signature made with it, may publish to its topic")
          : unauthorized('this is no credential for managing', howToManage);
      default:
        if ((await this.#bearer(credential, howToManage)) === 'token') {
          throw forbidden('a token of the OIDC issuer may publish');
        }
    }
  }

  /**
   * What keeps a key or a signature from being good for the topic; undefined if nothing does. With `headers`, a signature
   * must also be for where the request went.
   */
  #localFault(
    credential: Extract<Credential, { kind: 'key' | 'signature' }>,
    topic: Topic,
    headers: IncomingHttpHeaders | undefined,
  ): string | undefined {
    if (topic.properties.disableLocalAuth) return 'the topic takes no keys and nothing signed with them';
    if (credential.kind === 'key') {
      return this.#keys.isKeyOf(topic, credential.key) ? undefined : "the key is none of this topic's";
    }
    const signature = parseSignature(credential.token);
    if (!signature) return 'the shared access signature is not of the form r=…&e=…&s=…';
    const { signed, mac, resource, expiresAt } = signature;
    if (!this.#keys.isSignedBy(topic, signed, mac)) {
      return "the shared access signature was not made with this topic's keys";
    }
    if (expiresAt <= this.#clock.now()) return 'the shared access signature has expired';
    if (headers && !isFor(resource, topic, headers.host)) {
      return 'the shared access signature is for another topic, or for another host than the request names';
    }
    return undefined;
  }

  /** Whose the bearer token is: the admin's, or of a client of the issuer. Throws or rejects if it is nobody's. */
  #bearer(credential: Credential, expected: string): 'admin' | 'token' | Promise<'token'> {
    if (credential.kind !== 'bearer')
      throw unauthorized('the Authorization scheme is not supported', expected);
    // Node reads headers as latin1; these are the bytes that were sent.
    const digest = digestOf(Buffer.from(credential.token, 'latin1'));
    if (this.#adminDigest && timingSafeEqual(digest, this.#adminDigest)) return 'admin';
    if (this.#tokens?.isKnown(digest)) return 'token';
    if (this.#tokens) return this.#tokens.check(credential.token, digest).then(() => 'token');
    if (this.#adminDigest) throw unauthorized('the bearer token is not the admin key', expected);
    throw unauthorized('a bearer token was sent, but no admin key is set and so none is right', 'send none');
  }
}

/**
 * Refuses what a browser sends on behalf of a page from elsewhere. Without an admin key nothing else would keep a page
 * that somebody happens to visit from changing what runs on their machine.
 */
export function checkOrigin({ origin, host }: IncomingHttpHeaders): void {
  if (origin === undefined || (URL.canParse(origin) && new URL(origin).host === host)) return;
  throw new GridpostError('Forbidden', 'the request comes from a web page of another origin');
}

/**
 * Whether a signature for this resource is one for the topic, reached under this host: scheme, port and query aside, it
 * names one of the addresses that the topic has, or the topic itself as signatures for namespace topics do. Schemes are
 * not compared, since TLS may end at a proxy; a proxy has to pass the host on.
 */
function isFor({ protocol, host, pathname }: URL, topic: Topic, requested: string | undefined): boolean {
  const at = `${protocol}//${requested}`;
  if (!URL.canParse(at) || new URL(at).host !== host) return false;
  const target = publishTargetOf(pathname) ?? publishTargetOf(`${pathname}:publish`);
  return target !== undefined && scopeNamed(target.form, target.name) === topic.name;
}

function unauthorized(fault: string, expected: string): GridpostError {
  return new GridpostError('Unauthorized', `${fault}; ${expected}`);
}

function forbidden(allowed: string): GridpostError {
  return new GridpostError('Forbidden', `${allowed} and nothing else; ${howToManage}`);
}
