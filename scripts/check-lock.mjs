// Fails when an optional dependency named in the lock file has no entry of its own: such a lock installs here and
// then breaks `npm ci` on another platform.
import { readFileSync } from 'node:fs';

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
const missing = [];
for (const [place, entry] of Object.entries(packages)) {
  for (const name of Object.keys(entry.optionalDependencies ?? {})) {
    let at = place;
    while (!packages[`${at ? `${at}/` : ''}node_modules/${name}`]) {
      if (at === '') {
        missing.push(`${name} (wanted by ${place || 'the root'})`);
        break;
      }
      at = at.includes('/node_modules/') ? at.slice(0, at.lastIndexOf('/node_modules/')) : '';
    }
  }
}
if (missing.length) {
  console.error(`package-lock.json lacks:\n  ${missing.join('\n  ')}`);
  process.exit(1);
}
console.log('package-lock.json is complete.');
