/**
 * Who a request is from: which of the deployment's credentials it carries, if it is a right one. What each may do is
 * `caller.ts`'s business. Without an admin key the gateway runs open (docs/architecture.md): a credential is then
 * optional, but a wrong one is still refused, so that a mistaken client finds out on the laptop and not in production.
 *
 * Wrong and missing credentials are `Unauthorized`; one that is good for something else is `Forbidden`. No message
 * repeats any part of a credential.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  type Clock,
  GridpostError,
  holderOf,
  subscriptionPath,
  type Topic,
  topicPath,
} from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import { type Caller, type Need, requirePublisher } from './caller.js';
import { type Credential, credentialOf } from './credential.js';
import { digestOf, type SubscriptionKeys, subscriptionOfKey, type TopicKeys } from './keys.js';
import { isOver, isSecretOf, nameInSecret } from './management-keys.js';
import { publishTargetOf, scopeNamed } from './publish-target.js';
import { RegistryLook } from './registry-look.js';
import { parseSignature } from './sas.js';
import type { Tokens } from './tokens.js';

export interface AccessOptions {
  readonly keys: TopicKeys;
  readonly subscriptionKeys: SubscriptionKeys;
  readonly registry: Registry;
  /** Undefined: open mode. */
  readonly adminKey: string | undefined;
  /** Undefined: no issuer is trusted. */
  readonly tokens: Tokens | undefined;
  readonly clock: Clock;
}

const howToPublish =
  'send a key of the topic as aeg-sas-key or as Authorization: SharedAccessKey, a signature made with one as aeg-sas-token or as Authorization: SharedAccessSignature, or the admin key or a token of the OIDC issuer as Authorization: Bearer';
const howToReceive =
  'send a key of the subscription as aeg-sas-key or as Authorization: SharedAccessKey, or the admin key or a token of a consumer as Authorization: Bearer';
const howToManage =
  'send the admin key, another key of the management API, or a token of the OIDC issuer that has a role, as Authorization: Bearer';

export class Access {
  readonly #options: AccessOptions;
  readonly #adminDigest: Buffer | undefined;
  readonly #look: RegistryLook;

  constructor(options: AccessOptions) {
    const { adminKey, registry, clock } = options;
    this.#options = options;
    this.#adminDigest = adminKey === undefined ? undefined : digestOf(adminKey);
    this.#look = new RegistryLook(registry, clock);
  }

  /**
   * Refuses a request for publishing or receiving whose credential is wrong whatever it is for: it has none although one
   * is needed, or an empty key, which is Event Grid's `InvalidSas`. Comes before the topic is looked up, so that
   * strangers learn nothing of which topics exist and cause no work in the store.
   *
   * Where none is needed, a page from elsewhere may not publish either: topics of Event Grid's schema take any content
   * type, and so what a browser sends without asking.
   */
  requireCredential(credential: Credential, headers: IncomingHttpHeaders, expected = howToPublish): void {
    if (credential.kind === 'none') {
      if (this.#adminDigest) throw unauthorized('no credential was sent', expected);
      checkOrigin(headers);
    }
    if (credential.kind === 'key' && credential.key === '') {
      throw new GridpostError('InvalidSas', `the access key that was sent is empty; ${expected}`);
    }
  }

  /**
   * Refuses unless the credential, if any, may publish to the topic: at once, or with the promise that is returned where
   * somebody has to be asked.
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
        if (fault === undefined) return undefined;
        if (credential.kind === 'key' && subscriptionOfKey(credential.key) !== undefined)
          return this.#refuseConsumer(credential.key, fault);
        throw unauthorized(fault, howToPublish);
      }
      default: {
        const bearer = this.#bearer(credential, howToPublish);
        if (bearer instanceof Promise) return bearer.then(requirePublisher);
        requirePublisher(bearer);
        return undefined;
      }
    }
  }

  /**
   * Who manages or receives. `topic` is the one that the request names, if it exists. Rejects with `Unauthorized` if the
   * credential is wrong or missing, with `IssuerUnavailable` or as the store does if that cannot be told.
   */
  async callerOf(
    headers: IncomingHttpHeaders,
    topic: Topic | undefined,
    need: Exclude<Need, 'anyone'>,
  ): Promise<Caller> {
    const credential = credentialOf(headers);
    const expected = need === 'consumer' ? howToReceive : howToManage;
    if (need === 'consumer') this.requireCredential(credential, headers, expected);
    switch (credential.kind) {
      case 'none':
        if (this.#adminDigest !== undefined) throw unauthorized('no credential was sent', expected);
        return { kind: 'open', role: 'admin' };
      case 'key':
      case 'signature': {
        const ofSubscription =
          credential.kind === 'key' ? await this.#subscriptionWith(credential.key) : undefined;
        if (ofSubscription !== undefined) return { kind: 'subscriptionKey', name: ofSubscription };
        if (topic && this.#localFault(credential, topic, undefined) === undefined)
          return { kind: 'topicKey', name: topicPath(topic.name) };
        throw unauthorized('the key, or what is signed with it, is good for nothing here', expected);
      }
      default:
        return this.#bearer(credential, expected);
    }
  }

  /** Rejects with why what may be a key of a subscription does not publish. */
  async #refuseConsumer(key: string, fault: string): Promise<void> {
    const name = await this.#subscriptionWith(key);
    if (name === undefined) throw unauthorized(fault, howToPublish);
    requirePublisher({ kind: 'subscriptionKey', name });
  }

  /** The path of the subscription that this is a key of; undefined if it is none that is taken. */
  async #subscriptionWith(key: string): Promise<string | undefined> {
    const { registry, subscriptionKeys } = this.#options;
    const incarnation = subscriptionOfKey(key);
    if (incarnation === undefined) return undefined;
    const path = (): string | undefined => {
      const registered = registry.subscription(incarnation);
      if (!registered || !subscriptionKeys.isKeyOf(registered.subscription, key)) return undefined;
      const { topic, name } = registered.subscription;
      const { disableLocalAuth } = registry.topic(holderOf(topic).holder)!.topic.properties;
      return disableLocalAuth ? undefined : subscriptionPath(topic, name);
    };
    const known = path();
    if (known !== undefined) return known;
    await this.#look.take();
    return path();
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
    const { keys, clock } = this.#options;
    if (topic.properties.disableLocalAuth) return 'the topic takes no keys and nothing signed with them';
    if (credential.kind === 'key') {
      return keys.isKeyOf(topic, credential.key) ? undefined : "the key is none of this topic's";
    }
    const signature = parseSignature(credential.token);
    if (!signature) return 'the shared access signature is not of the form r=…&e=…&s=…';
    const { signed, mac, resource, expiresAt } = signature;
    if (!keys.isSignedBy(topic, signed, mac)) {
      return "the shared access signature was not made with this topic's keys";
    }
    if (expiresAt <= clock.now()) return 'the shared access signature has expired';
    if (headers && !isFor(resource, topic, headers.host)) {
      return 'the shared access signature is for another topic, or for another host than the request names';
    }
    return undefined;
  }

  /** Whose the bearer token is. Throws or rejects if it is nobody's. */
  #bearer(credential: Credential, expected: string): Caller | Promise<Caller> {
    if (credential.kind !== 'bearer')
      throw unauthorized('the Authorization scheme is not supported', expected);
    const { tokens } = this.#options;
    // Node reads headers as latin1; these are the bytes that were sent.
    const digest = digestOf(Buffer.from(credential.token, 'latin1'));
    if (this.#adminDigest && timingSafeEqual(digest, this.#adminDigest))
      return { kind: 'adminKey', role: 'admin' };
    const name = nameInSecret(credential.token);
    if (name !== undefined)
      return this.#keyed(name, digest, expected) ?? this.#sought(name, digest, expected);
    if (tokens) return tokens.known(digest) ?? tokens.check(credential.token, digest);
    if (this.#adminDigest) throw unauthorized('the bearer token is no key of this deployment', expected);
    throw unauthorized('a bearer token was sent, but no admin key is set and so none is right', 'send none');
  }

  /** Whose the secret is that names this key, if this process knows the key and the secret is one of its. */
  #keyed(name: string, digest: Buffer, expected: string): Caller | undefined {
    const { registry, clock } = this.#options;
    const key = registry.key(name)?.key;
    if (!key || !isSecretOf(key, digest)) return undefined;
    if (isOver(key, clock.now())) throw unauthorized('the key has expired', expected);
    return { kind: 'key', name, role: key.role };
  }

  async #sought(name: string, digest: Buffer, expected: string): Promise<Caller> {
    await this.#look.take();
    const caller = this.#keyed(name, digest, expected);
    if (caller) return caller;
    throw unauthorized('the bearer token is no key of this deployment', expected);
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
