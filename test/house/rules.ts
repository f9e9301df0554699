/** The rules of the house as functions from what was read to the list of what breaks them. */
import { builtinModules } from 'node:module';
import { computed, type Room, resolveRelative, type Source } from './sources.js';
import { exceptions, mayImport, testingFolders } from './table.js';

const ours = '@gridpost/';
const builtin = new Set(builtinModules);

/** `@gridpost/store/suite` → `store`; undefined for anything that is not ours. */
function roomOf(specifier: string): string | undefined {
  return specifier.startsWith(ours) ? specifier.slice(ours.length).split('/')[0] : undefined;
}

/** `@scope/name/path` → `@scope/name`, `name/path` → `name`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

const isRelative = (specifier: string): boolean => specifier.startsWith('.');

const forTesting = (source: Source): boolean =>
  testingFolders.some((folder) => source.path.includes(`/src/${folder}/`));

/** Imports of other rooms that the table does not allow, and rooms that it does not know. */
export function forbiddenImports(rooms: readonly Room[]): string[] {
  const wrong: string[] = [];
  for (const { name, path, sources } of rooms) {
    const allowed = mayImport[name];
    if (!allowed) {
      wrong.push(`${path} has no row in the table`);
      continue;
    }
    for (const source of sources) {
      for (const specifier of source.imports) {
        const room = roomOf(specifier);
        if (room === undefined) continue;
        if (room === name) wrong.push(`${source.path} imports its own room by name: ${specifier}`);
        else if (!allowed.includes('*') && !allowed.includes(room))
          wrong.push(
            `${source.path} imports ${specifier}, but ${name} may import only: ${allowed.join(', ') || 'nothing'}`,
          );
        if (/\/(testing|suite)$/.test(specifier) && !forTesting(source))
          wrong.push(`${source.path} ships and imports ${specifier}, which is for tests`);
      }
    }
  }
  return wrong;
}

/** Relative imports that leave their room, name a directory or an extension that production cannot load, or are computed. */
export function strayImports(rooms: readonly Room[]): string[] {
  const wrong: string[] = [];
  for (const { path, sources } of rooms) {
    for (const source of sources) {
      for (const specifier of source.imports) {
        if (specifier === computed) wrong.push(`${source.path} imports something computed`);
        if (builtin.has(specifier)) wrong.push(`${source.path} imports ${specifier} without node:`);
        if (!isRelative(specifier)) continue;
        if (!specifier.endsWith('.js') && !specifier.endsWith('.json'))
          wrong.push(`${source.path} imports ${specifier} without .js`);
        if (!resolveRelative(source.path, specifier).startsWith(`${path}/src/`))
          wrong.push(`${source.path} leaves its room: ${specifier}`);
      }
    }
  }
  return wrong;
}

/** Ambient things reached for without an exception. */
export function ambientUse(rooms: readonly Room[]): string[] {
  const wrong: string[] = [];
  for (const { sources } of rooms) {
    for (const source of sources) {
      if (forTesting(source)) continue;
      for (const ambient of source.touches) {
        const excused = exceptions.some(
          ({ where, what }) =>
            what.includes(ambient) &&
            (where.endsWith('/') ? source.path.startsWith(where) : source.path === where),
        );
        if (!excused) wrong.push(`${source.path} reaches for the ${ambient} by itself`);
      }
    }
  }
  return wrong;
}

/** Exceptions that nothing needs any more. */
export function idleExceptions(rooms: readonly Room[]): string[] {
  const sources = rooms.flatMap((room) => room.sources);
  return exceptions
    .filter(
      ({ where }) =>
        !sources.some(({ path }) => (where.endsWith('/') ? path.startsWith(where) : path === where)),
    )
    .map(({ where }) => `${where} is excepted but does not exist`);
}

/**
 * Packages that a room imports and does not declare, or declares and does not import. What only its testing folders
 * import may also come from the root's development dependencies.
 */
export function undeclared(rooms: readonly Room[], development: readonly string[]): string[] {
  const wrong: string[] = [];
  for (const { path, dependencies, sources } of rooms) {
    const shipped = new Set<string>();
    const tested = new Set<string>();
    for (const source of sources) {
      for (const specifier of source.imports) {
        if (isRelative(specifier) || specifier.startsWith('node:')) continue;
        (forTesting(source) ? tested : shipped).add(packageOf(specifier));
      }
    }
    for (const name of shipped)
      if (!dependencies.includes(name)) wrong.push(`${path} imports ${name} and does not declare it`);
    for (const name of tested)
      if (!dependencies.includes(name) && !development.includes(name) && !name.startsWith(ours))
        wrong.push(`${path} imports ${name} in its testing folder and nobody declares it`);
    for (const name of dependencies)
      if (!shipped.has(name) && !tested.has(name))
        wrong.push(`${path} declares ${name} and does not import it`);
  }
  return wrong;
}

/** Cycles of files within a room, each once, as the path around it. Type imports count: they bind the reader as well. */
export function cycles(rooms: readonly Room[]): string[] {
  return rooms.flatMap(({ sources }) => {
    const next = new Map(sources.map((source) => [source.path, importedBy(source)]));
    return around(next);
  });
}

/** The same of the folders of a room, whose files may lie deeper in them. What serves tests may import anything. */
export function folderCycles(rooms: readonly Room[]): string[] {
  return rooms.flatMap(({ path, sources }) => {
    const folderOf = (file: string): string | undefined =>
      /^([^/]+)\//.exec(file.slice(`${path}/src/`.length))?.[1];
    const next = new Map<string, string[]>();
    for (const source of sources) {
      const own = folderOf(source.path);
      if (own === undefined || forTesting(source)) continue;
      const others = importedBy(source).flatMap((file) => folderOf(file) ?? []);
      next.set(own, [...(next.get(own) ?? []), ...others.filter((other) => other !== own)]);
    }
    return around(next).map((trail) => `${path}: ${trail}`);
  });
}

const importedBy = (source: Source): string[] =>
  source.imports.filter(isRelative).map((specifier) => resolveRelative(source.path, specifier));

function around(next: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (from: string, trail: readonly string[]): void => {
    const since = trail.indexOf(from);
    if (since >= 0) {
      found.push([...trail.slice(since), from].join(' → '));
      return;
    }
    if (done.has(from)) return;
    for (const to of next.get(from) ?? []) walk(to, [...trail, from]);
    done.add(from);
  };
  for (const from of next.keys()) walk(from, []);
  return found;
}
