/**
 * The store with its secrets sealed at rest, and the root key, which is both: a secret in the store where no setting
 * names one, and a key that seals where no other does.
 */
import type { Log } from '@gridpost/model';
import type { Store } from '@gridpost/store';
import type { Configuration } from '../config/configuration.js';
import { rootKeysOf } from '../root-key.js';
import { Keyring, NotOpened } from './keyring.js';
import { SealedResources } from './sealed-resources.js';
import { rootKeyPlaces, secretPlaces } from './secret-places.js';

const checkPath = 'secrets/check';

export interface SealedStore {
  readonly store: Store;
  readonly rootKey: Buffer;
  /** Seals again what is not sealed with the first key. To be called once everything was read; ends when `stopped`. */
  reseal(stopped: () => boolean): Promise<void>;
}

/**
 * Keys in order: `GRIDPOST_SECRETS_KEY`, what the configured root key gives, what the root key in the store gives. The
 * last is sealed itself only if there is one of the others. Rejects if the store was sealed with a key that is none of
 * them.
 */
export async function sealStore(
  opened: Store,
  { secretsKey = [], rootKey }: Pick<Configuration, 'secretsKey' | 'rootKey'>,
  log: Log,
): Promise<SealedStore> {
  const given = [...secretsKey, ...(rootKey === undefined ? [] : [rootKey])];
  const outer = new SealedResources(opened.resources, new Keyring(given), rootKeyPlaces);
  const root = await opening(() => rootKeysOf(outer, rootKey));
  await outer.reseal();
  if (given.length === 0) {
    log.warn(
      {},
      'neither GRIDPOST_SECRETS_KEY nor GRIDPOST_ROOT_KEY is set: the key that seals secrets lies in the store beside them',
    );
  }
  const keyring = new Keyring([...given, ...(root.kept ? [root.kept] : [])]);
  const resources = new SealedResources(outer, keyring, secretPlaces);
  // Also a store without a secret yet knows its key: processes with different ones do not begin to write.
  await resources.put(checkPath, { check: 'gridpost' }, { ifNoneMatch: '*' });
  await opening(() => resources.get(checkPath));
  return {
    // The functions of a measured store need no `this`.
    store: new Proxy(opened, {
      get: (target, name) => (name === 'resources' ? resources : Reflect.get(target, name)),
    }),
    rootKey: root.key,
    async reseal(stopped) {
      try {
        const documents = await resources.reseal(stopped);
        if (documents > 0) log.info({ documents }, 'secrets sealed with the first key');
      } catch (error) {
        log.warn({ error: (error as Error).message }, 'secrets not sealed again; the next start tries again');
      }
    },
  };
}

async function opening<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof NotOpened)) throw error;
    const message = `the secrets in the store were sealed with another key: ${error.message}. Set GRIDPOST_SECRETS_KEY, or GRIDPOST_ROOT_KEY, as it was`;
    throw new Error(message, { cause: error });
  }
}
