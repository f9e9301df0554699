/** The secret that topic keys are derived from. */
import { randomBytes } from 'node:crypto';
import type { Store } from '@gridpost/store';

const path = 'secrets/root';

/**
 * The configured key, or one made at the first start and kept in the store, where every process of the deployment finds
 * it. Concurrent first starts agree on one.
 */
export async function rootKeyOf(store: Store, configured: string | undefined): Promise<Buffer> {
  if (configured !== undefined) return Buffer.from(configured);
  await store.resources.put(path, { key: randomBytes(32).toString('base64') }, { ifNoneMatch: '*' });
  const document = await store.resources.get(path);
  if (!document) throw new Error('the store did not keep the root key');
  return Buffer.from((document.value as { key: string }).key, 'base64');
}
