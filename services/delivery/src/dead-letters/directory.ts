/**
 * Batches as files. One is there as a whole or not at all, and stays through a power cut once it is taken: it is written
 * under another name first, and everything on the way to it is brought to the disk. What such a writing left behind when
 * its process was killed begins with a dot.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Writes a file below a root that is there already: a volume that is not mounted is not to be filled in its place.
 * Replaces what is there under the name. `name` has no segment that leads upwards.
 */
export async function writeFile(root: string, name: string, body: Buffer): Promise<void> {
  const file = join(root, name);
  const directory = dirname(file);
  await makeDirectories(root, dirname(name));
  const unfinished = join(directory, `.${randomUUID()}`);
  try {
    const handle = await open(unfinished, 'wx', 0o640);
    try {
      await handle.writeFile(body);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  await sync(directory);
}

/** Those of the path that are missing, each of them brought to the disk. */
async function makeDirectories(root: string, path: string): Promise<void> {
  let parent = root;
  for (const segment of path.split('/')) {
    const directory = join(parent, segment);
    try {
      await mkdir(directory, 0o750);
      await sync(parent);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    parent = directory;
  }
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
