/**
 * Reads the sources of the house and what each of them imports and touches, from its syntax tree. What is allowed is
 * the table's business; this file only reports.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { parseSync } from '@swc/core';

export interface Source {
  /** From the root of the repository, with forward slashes: `libs/codec/src/json.ts`. */
  readonly path: string;
  /** `codec`, `gateway`, … */
  readonly room: string;
  /** Module specifiers as written: static, dynamic, re-exported and type imports alike. */
  readonly imports: readonly string[];
  /** Ambient things it reaches for, in the words of `ambients`. */
  readonly touches: ReadonlySet<Ambient>;
}

/** What a source can reach without being given it. */
export const ambients = ['environment', 'time', 'timer', 'random'] as const;
export type Ambient = (typeof ambients)[number];

export interface Room {
  readonly name: string;
  /** `libs/codec` */
  readonly path: string;
  /** Names in the manifest's `dependencies`. */
  readonly dependencies: readonly string[];
  readonly sources: readonly Source[];
}

/** Stands for a specifier that is not a literal. */
export const computed = '<computed>';

interface Node {
  readonly type?: string;
  readonly [key: string]: unknown;
}

/** How each ambient thing is spelt: as a member, as a global, as a module. */
const members = new Map<string, Ambient>([
  ['process.env', 'environment'],
  ['Date.now', 'time'],
  ['performance.now', 'time'],
  ['process.hrtime', 'time'],
  ['Math.random', 'random'],
  ['globalThis.setTimeout', 'timer'],
  ['globalThis.setInterval', 'timer'],
]);
const globals = new Map<string, Ambient>([
  ['setTimeout', 'timer'],
  ['setInterval', 'timer'],
]);
const modules = new Map<string, Ambient>([
  ['process', 'environment'],
  ['node:process', 'environment'],
  ['node:timers', 'timer'],
  ['node:timers/promises', 'timer'],
]);

/** What one source imports and touches. Throws where the text does not parse. */
export function readSource(path: string, room: string, text: string): Source {
  const imports: string[] = [];
  const touches = new Set<Ambient>();
  const touch = (ambient: Ambient | undefined): void => {
    if (ambient) touches.add(ambient);
  };
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) for (const item of node) visit(item);
    if (!isNode(node)) return;
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
      case 'ExportNamedDeclaration':
        if (isNode(node.source)) imports.push(textOf(node.source));
        break;
      case 'TsImportType':
        imports.push(textOf(node.argument));
        break;
      case 'CallExpression':
        if (isNode(node.callee) && node.callee.type === 'Import')
          imports.push(textOf((node.arguments as { expression: unknown }[])[0]?.expression));
        break;
      case 'NewExpression':
        if (nameOf(node.callee) === 'Date' && !(node.arguments as unknown[] | null)?.length) touch('time');
        break;
      case 'MemberExpression':
        touch(members.get(`${nameOf(node.object)}.${nameOf(node.property)}`));
        break;
      case 'VariableDeclarator':
        // `const { env } = process` and its like.
        if (isNode(node.id) && node.id.type === 'ObjectPattern')
          for (const property of node.id.properties as Node[])
            touch(members.get(`${nameOf(node.init)}.${nameOf(property.key)}`));
        break;
      case 'Identifier':
        touch(globals.get(nameOf(node)));
        break;
    }
    // The names of members are not names of globals: `socket.setTimeout` is the socket's.
    const named = node.type === 'MemberExpression' ? node.property : node.key;
    for (const child of Object.values(node)) if (child !== named || nameOf(child) === '') visit(child);
  };
  visit(parseSync(text, { syntax: 'typescript', target: 'es2022' }).body);
  for (const specifier of imports) touch(modules.get(specifier));
  return { path, room, imports, touches };
}

/** All rooms under `libs` and `services`. */
export function readHouse(root: string): Room[] {
  const rooms: Room[] = [];
  for (const floor of ['libs', 'services']) {
    for (const entry of readdirSync(join(root, floor), { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const at = join(root, floor, entry.name);
      const manifest = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as {
        dependencies?: Record<string, string>;
      };
      rooms.push({
        name: entry.name,
        path: `${floor}/${entry.name}`,
        dependencies: Object.keys(manifest.dependencies ?? {}),
        sources: filesUnder(join(at, 'src')).map((file) =>
          readSource(relative(root, file).split(sep).join('/'), entry.name, readFileSync(file, 'utf8')),
        ),
      });
    }
  }
  return rooms;
}

/** The path a relative specifier means, from the root of the repository. */
export function resolveRelative(from: string, specifier: string): string {
  return join(dirname(from), specifier).split(sep).join('/').replace(/\.js$/, '.ts');
}

/** TypeScript files that are shipped: tests stand beside them and are held to nothing here. */
function filesUnder(directory: string): string[] {
  const files: string[] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) files.push(...filesUnder(path));
    else if (entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts')) files.push(path);
  }
  return files;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text of a string literal; a specifier that is anything else cannot be checked and says so. */
function textOf(node: unknown): string {
  return isNode(node) && node.type === 'StringLiteral' ? (node.value as string) : computed;
}

function nameOf(node: unknown): string {
  return isNode(node) && node.type === 'Identifier' ? (node.value as string) : '';
}
