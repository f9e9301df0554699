import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { renderResults, replaceResults } from './readme.js';
import { type Result, renew } from './results.js';

const conditions = {
  date: '2026-03-01T10:00:00.000Z',
  commit: 'abc',
  cpu: 'Some CPU',
  cores: 2,
  memoryBytes: 8 * 1024 ** 3,
  kernel: '6.1.0',
  node: 'v20.20.2',
  redis: '7.0.15',
  fileSystem: 'ext4',
  loadBefore: 0,
  rounds: 5,
};
const resultOf = (workload: string, found: string, problems: string[] = []): Result => ({
  workload,
  conditions,
  problems,
  outcome: {
    tables: [{ title: 'Cost', columns: ['router'], rows: [['floor']] }],
    verdicts: [{ target: '≤ 1.5', found, met: found === 'good' }],
    raw: { much: 1 },
  },
});
const described = [
  { name: 'first', about: 'One thing.' },
  { name: 'second', about: 'Another.' },
];

describe('replaceResults', () => {
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');

  test('changes only what stands between the marks, and can be repeated', () => {
    const once = replaceResults(readme, 'A');
    const twice = replaceResults(replaceResults(readme, 'B'), 'A');
    expect(twice).toBe(once);
    expect(once).toMatch(/begin .*-->\n\nA\n\n<!-- results: end -->/);
    expect(once.startsWith(readme.slice(0, readme.indexOf('<!-- results: begin')))).toBe(true);
    expect(once.endsWith(readme.slice(readme.indexOf('<!-- results: end')))).toBe(true);
  });

  test('takes the section literally', () => {
    expect(replaceResults(readme, '$& $1')).toContain('\n\n$& $1\n\n');
  });

  test.each([
    ['none', ''],
    ['two of them', `${readme}${readme}`],
  ])('refuses a text with %s', (_, text) => {
    expect(() => replaceResults(text, 'A')).toThrow('each of the marks once');
  });
});

describe('renderResults', () => {
  test('gives every workload its part, measured or not', () => {
    const text = renderResults(described, renew({}, [resultOf('second', 'bad')]));
    expect(text).toContain('### first\n\nOne thing.\n\nNot measured yet.');
    expect(text).toMatch(/### second\n\nAnother\.\n\n\*2026-03-01, commit abc/);
    expect(text).toContain('| ≤ 1.5  | bad   | **not met** |');
    expect(text).toContain('Cost:\n\n| router |');
  });
});

describe('renew', () => {
  const before = renew({}, [resultOf('first', 'good'), resultOf('second', 'good')]);

  test('renews what was run and keeps the rest', () => {
    const after = renew(before, [resultOf('second', 'bad')]);
    expect(after.first).toEqual(before.first);
    expect(after.second?.verdicts[0]?.found).toBe('bad');
  });

  test('leaves out raw figures, and results that are not valid', () => {
    expect(JSON.stringify(before)).not.toContain('much');
    expect(renew(before, [resultOf('second', 'bad', ['3 deliveries lost'])])).toEqual(before);
  });
});
