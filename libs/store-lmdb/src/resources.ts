/** Documents about resources, and the bounded log of their changes. */
import {
  changeLogMax,
  type PutOptions,
  type PutResult,
  type ResourceChanges,
  type ResourceDocument,
  type Resources,
} from '@gridpost/store';
import type { Commits, Mirror } from './commits.js';
import { after, entryKey, type Tables } from './layout.js';

const everything = Buffer.from([0]);

export class LmdbResources implements Resources, Mirror {
  readonly #tables: Tables;
  readonly #commits: Commits;
  #stored = 0;
  #current = 0;

  constructor(tables: Tables, commits: Commits) {
    this.#tables = tables;
    this.#commits = commits;
    for (const key of tables.changes.getKeys({ start: Buffer.alloc(6, 255), reverse: true, limit: 1 })) {
      this.#stored = key.readUIntBE(0, 6);
    }
    this.#current = this.#stored;
  }

  /** That of the last change on disk. */
  get version(): number {
    return this.#stored;
  }

  async get(path: string): Promise<ResourceDocument | undefined> {
    return this.#read(path);
  }

  async list(prefix: string, from: string | undefined, max: number): Promise<ResourceDocument[]> {
    const begin = Buffer.from(prefix);
    const behind = from === undefined ? undefined : Buffer.from(from);
    const later = behind !== undefined && Buffer.compare(behind, begin) >= 0;
    const range = { exclusiveStart: later, limit: max };
    if (!begin.length) return this.#range({ ...range, start: later ? behind : everything });
    return this.#range({ ...range, start: later ? behind : begin, end: after(begin) });
  }

  put(path: string, value: unknown, options: PutOptions = {}): Promise<PutResult> {
    const { ifMatch, ifNoneMatch, requires } = options;
    const text = JSON.stringify(value);
    return this.#commits.change((): PutResult => {
      if (requires) {
        const required = this.#read(requires.path);
        if (!required || (requires.etag !== undefined && requires.etag !== required.etag)) {
          return { kind: 'requirementMissing' };
        }
      }
      const stored = this.#read(path);
      if (ifNoneMatch && stored) return { kind: 'preconditionFailed' };
      if (ifMatch !== undefined && (!stored || (ifMatch !== '*' && ifMatch !== stored.etag))) {
        return { kind: 'preconditionFailed' };
      }
      const version = this.#note(path);
      const etag = version.toString(16);
      this.#tables.resources.put(Buffer.from(path), Buffer.from(`{"etag":"${etag}","value":${text}}`));
      return { kind: stored ? 'replaced' : 'created', etag, version };
    });
  }

  remove(
    path: string,
    options: { readonly ifMatch?: string } = {},
  ): Promise<'removed' | 'missing' | 'preconditionFailed'> {
    const { ifMatch } = options;
    return this.#commits.change(() => {
      const stored = this.#read(path);
      if (!stored) return 'missing';
      if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== stored.etag) return 'preconditionFailed';
      const { resources } = this.#tables;
      resources.remove(Buffer.from(path));
      const below = Buffer.from(`${path}/`);
      for (const key of [...resources.getKeys({ start: below, end: after(below) })]) resources.remove(key);
      this.#note(path);
      return 'removed';
    });
  }

  async changes(version: number): Promise<ResourceChanges> {
    const { changes } = this.#tables;
    const current = this.#stored;
    const [first] = [...changes.getKeys({ start: everything, limit: 1 })];
    const oldest = first?.readUIntBE(0, 6) ?? 1;
    if (version <= 0 || version > current || version < oldest - 1) {
      const documents = this.#range({ start: everything });
      return {
        version: current,
        complete: false,
        changedPaths: documents.map(({ path }) => path),
        documents,
      };
    }
    const changed = new Set<string>();
    for (const { value } of changes.getRange({ start: entryKey(version + 1) })) changed.add(value.toString());
    const documents: ResourceDocument[] = [];
    for (const path of changed) {
      const document = this.#read(path);
      if (document) documents.push(document);
    }
    return { version: current, complete: true, changedPaths: [...changed], documents };
  }

  committed(): void {
    this.#stored = this.#current;
  }

  undone(): void {
    this.#current = this.#stored;
  }

  #note(path: string): number {
    const version = ++this.#current;
    this.#tables.changes.put(entryKey(version), Buffer.from(path));
    if (version > changeLogMax) this.#tables.changes.remove(entryKey(version - changeLogMax));
    return version;
  }

  #read(path: string): ResourceDocument | undefined {
    const stored = this.#tables.resources.get(Buffer.from(path));
    return stored && { path, ...JSON.parse(stored.toString()) };
  }

  #range(range: Parameters<Tables['resources']['getRange']>[0]): ResourceDocument[] {
    const documents: ResourceDocument[] = [];
    for (const { key, value } of this.#tables.resources.getRange(range)) {
      documents.push({ path: key.toString(), ...JSON.parse(value.toString()) });
    }
    return documents;
  }
}
