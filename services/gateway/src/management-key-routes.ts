/** Named keys of the management API over HTTP. Their secrets are shown by the answer that makes them, and never again. */
import {
  GridpostError,
  isTopicName,
  type KeyName,
  limits,
  type ManagementKey,
  managementKeyPath,
  type Role,
  topicNameRule,
} from '@gridpost/model';
import type { Request, Response } from 'express';
import { type Context, catchUp } from './context.js';
import { newSecret } from './management-keys.js';
import { changing, checkPreconditions, entityTag, ifUnchanged, removeFound } from './preconditions.js';
import { parameter, type Route } from './route.js';
import { type Stored, systemDataOf } from './stored.js';
import { invalidResource, type Optional, resourceCheck, schemaCheck } from './validation.js';

interface Written {
  readonly properties: Optional<Pick<ManagementKey, 'expirationTimeUtc'>> & { readonly role: Role };
}

const checkKey = resourceCheck<Written>('management-key.json', 'ManagementKeyProperties');
const checkRegenerate = schemaCheck<{ readonly keyName: KeyName }>('regenerate-key.json');

export function managementKeyRoutes(context: Context): Route[] {
  const { registry, clock, paging } = context;
  const { resources } = context.store;

  /** Creates or replaces: 201 with both secrets, 200 without, since those of an existing key stay. */
  async function put(req: Request, res: Response): Promise<void> {
    const name = nameIn(req);
    const { role, expirationTimeUtc } = propertiesOf(req.body);
    const fresh = { key1: newSecret(name), key2: newSecret(name) };
    const { created, stored } = await changing(async () => {
      const before = await find(name);
      checkPreconditions(req.headers, before?.etag);
      if (!before) await checkRoom();
      const now = clock.now();
      const key: ManagementKey = {
        name,
        role,
        digests: before?.value.digests ?? { key1: fresh.key1.digest, key2: fresh.key2.digest },
        ...(expirationTimeUtc == null ? {} : { expirationTimeUtc }),
        createdAt: before?.value.createdAt ?? now,
        updatedAt: now,
      };
      const result = await resources.put(managementKeyPath(name), key, ifUnchanged(before));
      if (!('etag' in result)) return undefined;
      return { created: result.kind === 'created', stored: { etag: result.etag, value: key } };
    });
    await catchUp(context);
    const secrets = { key1: fresh.key1.secret, key2: fresh.key2.secret };
    res.status(created ? 201 : 200).set('etag', entityTag(stored.etag));
    res.set('cache-control', 'no-store').json({ ...view(stored), ...(created ? { keys: secrets } : {}) });
  }

  function propertiesOf(body: unknown): Written['properties'] {
    const { written, at } = checkKey(body ?? {});
    const { expirationTimeUtc } = written.properties;
    if (expirationTimeUtc != null && !(Date.parse(expirationTimeUtc) > clock.now()))
      throw invalidResource([{ pointer: `${at}/expirationTimeUtc`, message: 'is not in the future' }]);
    return written.properties;
  }

  /** Gateways that create at the same moment may pass the bound by one key each. */
  async function checkRoom(): Promise<void> {
    await registry.refresh();
    if ([...registry.keys()].length >= limits.managementKeysMax) {
      throw new GridpostError(
        'TooManyResources',
        `there are ${limits.managementKeysMax} keys of the management API, the most there can be`,
      );
    }
  }

  async function get(req: Request, res: Response): Promise<void> {
    const stored = await getKey(nameIn(req));
    res.set('etag', entityTag(stored.etag)).json(view(stored));
  }

  async function list(req: Request, res: Response): Promise<void> {
    const ask = paging.ask(req);
    await registry.refresh();
    const names = [...registry.keys()].map(({ key }) => key.name);
    res.json(
      paging.named(req, ask, names, (name) => {
        const { key, etag } = registry.key(name)!;
        return view({ etag, value: key });
      }),
    );
  }

  /** 204, also if there is none. It is refused as soon as a gateway has noticed. */
  async function remove(req: Request, res: Response): Promise<void> {
    const name = nameIn(req);
    await removeFound(resources, managementKeyPath(name), req.headers, () => find(name));
    await catchUp(context);
    res.status(204).end();
  }

  /** Replaces one secret by a new one, which the answer has. The other stays, and so does what the key may do. */
  async function regenerateKey(req: Request, res: Response): Promise<void> {
    const name = nameIn(req);
    const { keyName } = checkRegenerate(req.body ?? {});
    const { secret, digest } = newSecret(name);
    const stored = await changing(async () => {
      const { etag, value: before } = await getKey(name);
      checkPreconditions(req.headers, etag);
      const digests = { ...before.digests, [keyName]: digest };
      const value: ManagementKey = { ...before, digests, updatedAt: clock.now() };
      const result = await resources.put(managementKeyPath(name), value, { ifMatch: etag });
      return 'etag' in result ? { etag: result.etag, value } : undefined;
    });
    await catchUp(context);
    res.set('etag', entityTag(stored.etag)).set('cache-control', 'no-store');
    res.json({ ...view(stored), keys: { [keyName]: secret } });
  }

  async function find(name: string): Promise<Stored<ManagementKey> | undefined> {
    return (await resources.get(managementKeyPath(name))) as Stored<ManagementKey> | undefined;
  }

  async function getKey(name: string): Promise<Stored<ManagementKey>> {
    const stored = await find(name);
    if (stored) return stored;
    throw new GridpostError('KeyNotFound', `there is no key ${JSON.stringify(name)} of the management API`);
  }

  return [
    { method: 'GET', path: '/keys', role: 'admin', handle: list },
    { method: 'PUT', path: '/keys/{name}', role: 'admin', handle: put },
    { method: 'GET', path: '/keys/{name}', role: 'admin', handle: get },
    { method: 'DELETE', path: '/keys/{name}', role: 'admin', handle: remove },
    { method: 'POST', path: '/keys/{name}:regenerateKey', role: 'admin', handle: regenerateKey },
  ];
}

/** Throws `InvalidName`. */
function nameIn(req: Request): string {
  const name = parameter(req, 'name');
  if (isTopicName(name)) return name;
  throw new GridpostError(
    'InvalidName',
    `the key name ${JSON.stringify(name.slice(0, 64))} is not ${topicNameRule}`,
  );
}

function view({ etag, value }: Stored<ManagementKey>): object {
  const { name, role, expirationTimeUtc } = value;
  return {
    id: `/keys/${name}`,
    name,
    type: 'Gridpost/keys',
    etag: entityTag(etag),
    properties: { role, ...(expirationTimeUtc === undefined ? {} : { expirationTimeUtc }) },
    systemData: systemDataOf(value),
  };
}
