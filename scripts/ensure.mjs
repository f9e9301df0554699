// Makes a checkout ready to run: checks the Node version, installs exactly what the lock file names when the lock
// changed or nothing is installed yet, and compiles what is out of date. It needs Node and npm and nothing else, so
// that `npm start` and `npm test` are the only commands a new user has to know.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Gridpost needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}

function run(command, args) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

const stamp = at('node_modules', '.gridpost-lock');
const lock = createHash('sha256')
  .update(readFileSync(at('package-lock.json')))
  .digest('hex');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.error('Installing dependencies…');
  run('npm', ['ci', '--no-fund', '--no-audit']);
  writeFileSync(stamp, lock);
}
run(process.execPath, [at('node_modules', 'typescript', 'bin', 'tsc'), '-b']);
