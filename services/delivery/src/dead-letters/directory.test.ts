import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { writeFile } from './directory.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gridpost-directory-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

test('a file is written below directories that are made on the way, and takes the place of one that is there', async () => {
  await writeFile(root, 'a/b/c.json', Buffer.from('[1]'));
  await writeFile(root, 'a/b/d.json', Buffer.from('[2]'));
  await writeFile(root, 'a/b/c.json', Buffer.from('[3]'));
  expect(await readdir(join(root, 'a/b'))).toEqual(['c.json', 'd.json']);
  expect(await readFile(join(root, 'a/b/c.json'), 'utf8')).toBe('[3]');
});

test('many at once make the same directories, and do not disturb each other', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `x/y/z/${i % 4}.json`);
  await Promise.all(names.map((name) => writeFile(root, name, Buffer.from(name))));
  expect(await readdir(join(root, 'x/y/z'))).toEqual(['0.json', '1.json', '2.json', '3.json']);
  for (const name of new Set(names)) expect(await readFile(join(root, name), 'utf8')).toBe(name);
});

test('a root that is not there is not made', async () => {
  const missing = join(root, 'not-mounted');
  await expect(writeFile(missing, 'a/b.json', Buffer.from('[]'))).rejects.toThrow('ENOENT');
  expect(await readdir(root)).toEqual([]);
});

test('where it cannot be put under its name nothing is left behind', async () => {
  await mkdir(join(root, 'a/b.json/in-the-way'), { recursive: true });
  await expect(writeFile(root, 'a/b.json', Buffer.from('[]'))).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
  expect(await readdir(join(root, 'a'))).toEqual(['b.json']);
});
