/** The sources as they stand, held to the table; and the rules themselves, shown to catch what they are for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  ambientUse,
  cycles,
  folderCycles,
  forbiddenImports,
  idleExceptions,
  strayImports,
  undeclared,
} from './rules.js';
import { type Room, readHouse, readSource } from './sources.js';

const root = join(import.meta.dirname, '..', '..');

describe('the house', () => {
  const house = readHouse(root);
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };

  test('has rooms with sources', () => {
    expect(house.length).toBeGreaterThan(10);
    expect(house.filter(({ sources }) => sources.length === 0).map(({ path }) => path)).toEqual([]);
  });

  test('imports downward only', () => {
    expect(forbiddenImports(house)).toEqual([]);
  });

  test('keeps relative imports inside their room', () => {
    expect(strayImports(house)).toEqual([]);
  });

  test('is given its clock, randomness and settings instead of reaching for them', () => {
    expect(ambientUse(house)).toEqual([]);
    expect(idleExceptions(house)).toEqual([]);
  });

  test('declares what it imports and nothing else', () => {
    expect(undeclared(house, Object.keys(devDependencies))).toEqual([]);
  });

  test('has no import cycles within a room', () => {
    expect(cycles(house)).toEqual([]);
    expect(folderCycles(house)).toEqual([]);
  });
});

describe('the rules', () => {
  const room = (name: string, files: Record<string, string>, dependencies: string[] = []): Room => {
    const path = `${['gateway', 'delivery', 'server'].includes(name) ? 'services' : 'libs'}/${name}`;
    return {
      name,
      path,
      dependencies,
      sources: Object.entries(files).map(([file, text]) => readSource(`${path}/src/${file}`, name, text)),
    };
  };

  test.each([
    ['a static import', "import { Store } from '@gridpost/store-lmdb';"],
    ['a type import', "import type { Store } from '@gridpost/store-lmdb';"],
    ['a re-export', "export * from '@gridpost/store-lmdb';"],
    ['a dynamic import', "const lmdb = await import('@gridpost/store-lmdb');"],
    ['an inline type', "let store: import('@gridpost/store-lmdb').Store;"],
  ])('see %s of a room that is not allowed', (_, text) => {
    expect(forbiddenImports([room('gateway', { 'a.ts': text })])).toHaveLength(1);
    expect(forbiddenImports([room('server', { 'a.ts': text })])).toEqual([]);
  });

  test('do not mistake comments and strings for imports', () => {
    const text = "// import x from '@gridpost/delivery'\nexport const y = \"import('@gridpost/delivery')\";";
    expect(forbiddenImports([room('gateway', { 'a.ts': text })])).toEqual([]);
  });

  test('refuse a room without a row, and services that import each other', () => {
    expect(forbiddenImports([room('attic', { 'a.ts': '' })])).toHaveLength(1);
    expect(forbiddenImports([room('delivery', { 'a.ts': "import '@gridpost/gateway';" })])).toHaveLength(1);
  });

  test('refuse to ship what is for tests', () => {
    const text = "import { FakeClock } from '@gridpost/model/testing';";
    expect(forbiddenImports([room('codec', { 'a.ts': text })])).toHaveLength(1);
    expect(forbiddenImports([room('store', { 'suite/a.ts': text })])).toEqual([]);
  });

  test('see imports that leave the room', () => {
    expect(strayImports([room('codec', { 'a.ts': "import '../../model/src/event.js';" })])).toHaveLength(1);
    expect(strayImports([room('codec', { 'deep/a.ts': "import '../b.js';" })])).toEqual([]);
    expect(strayImports([room('codec', { 'a.ts': "import './b';" })])).toHaveLength(1);
    expect(strayImports([room('codec', { 'a.ts': "import 'fs';" })])).toHaveLength(1);
  });

  test.each([
    'process.env.HOME',
    'const { env } = process',
    "import { env } from 'node:process'",
    'Date.now()',
    'new Date()',
    'performance.now()',
    'Math.random()',
    'setTimeout(run, 1)',
    'globalThis.setInterval(run, 1)',
    "import { setTimeout as pause } from 'node:timers/promises'",
  ])('see the ambient thing in: %s', (text) => {
    expect(ambientUse([room('routing', { 'a.ts': text })])).toHaveLength(1);
  });

  test('let instants be read from a number, and turns be awaited', () => {
    expect(
      ambientUse([
        room('routing', { 'a.ts': 'new Date(0); setImmediate(run); process.pid; socket.setTimeout(1);' }),
      ]),
    ).toEqual([]);
  });

  test('see packages undeclared and unused', () => {
    const files = { 'a.ts': "import { x } from '@scope/used/deep'; import 'node:fs';" };
    expect(undeclared([room('codec', files, ['idle'])], [])).toEqual([
      'libs/codec imports @scope/used and does not declare it',
      'libs/codec declares idle and does not import it',
    ]);
    expect(undeclared([room('store', { 'suite/a.ts': "import 'fast-check';" })], ['fast-check'])).toEqual([]);
  });

  test('see a cycle, also through types', () => {
    const files = {
      'a.ts': "import './b.js';",
      'b.ts': "import type { C } from './c.js';",
      'c.ts': "export * from './a.js';",
    };
    expect(cycles([room('codec', files)])).toEqual([
      'libs/codec/src/a.ts → libs/codec/src/b.ts → libs/codec/src/c.ts → libs/codec/src/a.ts',
    ]);
  });

  test('see a cycle of folders, and not what tests import', () => {
    const files = {
      'lanes/a.ts': "import '../limits/b.js'; import './deep/c.js';",
      'lanes/deep/c.ts': "import '../../top.js';",
      'limits/b.ts': "import type { C } from '../lanes/deep/c.js';",
      'top.ts': "import './limits/b.js';",
    };
    expect(folderCycles([room('delivery', files)])).toEqual(['services/delivery: lanes → limits → lanes']);
    const tested = { ...files, 'limits/b.ts': '', 'testing/rig.ts': "import '../lanes/a.js';" };
    expect(folderCycles([room('delivery', tested)])).toEqual([]);
  });
});
