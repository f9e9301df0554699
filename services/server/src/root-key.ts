/** The secret that topic keys are derived from. */
import { randomBytes } from 'node:crypto';
import type { Resources } from '@gridpost/store';

const path = 'secrets/root';

export interface RootKeys {
  readonly key: Buffer;
  /** The one that lies in the store, also if another is configured now. */
  readonly kept: Buffer | undefined;
}

/**
 * The configured key, or one made at the first start and kept in the store, where every process of the deployment finds
 * it. Concurrent first starts agree on one.
 */
export async function rootKeysOf(resources: Resources, configured: string | undefined): Promise<RootKeys> {
  if (configured === undefined)
    await resources.put(path, { key: randomBytes(32).toString('base64') }, { ifNoneMatch: '*' });
  const document = await resources.get(path);
  const kept = document && Buffer.from((document.value as { key: string }).key, 'base64');
  const key = configured === undefined ? kept : Buffer.from(configured);
  if (!key) throw new Error('the store did not keep the root key');
  return { key, kept };
}
