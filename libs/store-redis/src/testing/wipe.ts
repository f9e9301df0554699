/** Removes what tests left in a shared server. */
import { eachKey } from './nodes.js';

/** Deletes every key of the stores whose prefix begins so, on a server or all primaries of a cluster. */
export async function wipe(url: string, prefix: string): Promise<void> {
  await eachKey(url, prefix, (node, key) => node.del(key));
}
