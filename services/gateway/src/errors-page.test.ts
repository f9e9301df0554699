import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { catalogue, type ErrorCode } from '@gridpost/model';

const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
const codes = Object.keys(catalogue) as ErrorCode[];

test('the reference page has a section for every code, in the order of the catalogue, and for no other', () => {
  const sections = [...page.matchAll(/^### (\w+)$/gm)].map((match) => match[1]);
  expect(sections).toEqual(codes);
});

test.each(codes)('the section on %s says what the catalogue says', (code) => {
  const { title, status, retryable, ...rest } = catalogue[code];
  const section = page.split(`\n### ${code}\n`)[1]!.split('\n### ')[0]!.trim();
  const envelope = 'envelope' in rest ? ` · envelope \`${rest.envelope[0]}\` / \`${rest.envelope[1]}\`` : '';
  const retry = retryable ? 'try again after `Retry-After`' : 'not retryable';
  expect(section.split('\n')[0]).toBe(`**${title}.** Status ${status} · ${retry}${envelope}`);
  // What it means, and what to do.
  expect(section.split('\n').slice(1).join(' ').trim().length).toBeGreaterThan(40);
});
