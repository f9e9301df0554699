import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { flagOf, loadSchema, variableOf } from './configuration.js';

test('docs/configuration.md lists exactly the settings of the schema, with their defaults and meanings', () => {
  const page = readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `GRIDPOST_'));
  const expected = Object.entries(loadSchema().properties).map(([name, property]) => {
    const preset = property.default === undefined ? '' : `\`${String(property.default)}\``;
    return `| \`${variableOf(name)}\` | \`${flagOf(name)}\` | ${preset} | ${property.description} |`;
  });
  expect(rows).toEqual(expected);
});
