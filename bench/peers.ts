/**
 * The peers Gridpost is compared with, and the driver that measures both. They are kept outside this repository and
 * are not written to: they are copied and installed once per content, under the system's temporary directory.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Returns the directory of the installed copy. Needs the npm registry the first time. */
export function preparePeers(source: string): string {
  if (!existsSync(join(source, 'driver.mjs')))
    throw new Error(`no peers in ${source}: name their directory with --peers`);
  const names = readdirSync(source, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
  const files = names.map((name) => [name, readFileSync(join(source, name))] as const);
  const hash = createHash('sha256');
  for (const [name, content] of files) hash.update(`${name} ${content.length}\n`).update(content);

  const installed = join(tmpdir(), `gridpost-peers-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(installed)) return installed;
  // Installed aside and moved whole, so that a copy that was cut short is never taken for a complete one.
  const aside = `${installed}.${process.pid}`;
  mkdirSync(aside);
  try {
    for (const [name, content] of files) writeFileSync(join(aside, name), content);
    const { status } = spawnSync('npm', ['install', '--no-fund', '--no-audit', '--loglevel', 'error'], {
      cwd: aside,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0) throw new Error(`npm install of the peers failed with ${status}`);
    renameSync(aside, installed);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return installed;
}
