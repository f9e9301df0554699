/** The reference model's documents and their bounded change log. */
import { changeLogMax } from '../bounds.js';
import type { PutOptions, PutResult, ResourceChanges, ResourceDocument, Resources } from '../port.js';

export class MemoryResources implements Resources {
  readonly #documents = new Map<string, ResourceDocument>();
  /** The path changed by each of the last versions, oldest first. */
  #changes: { version: number; path: string }[] = [];
  #version = 0;

  get version(): number {
    return this.#version;
  }

  async get(path: string): Promise<ResourceDocument | undefined> {
    return this.#documents.get(path);
  }

  async list(prefix: string, after: string | undefined, max: number): Promise<ResourceDocument[]> {
    const found = this.#sorted((path) => path.startsWith(prefix) && (after === undefined || path > after));
    return found.slice(0, max);
  }

  async put(path: string, value: unknown, options: PutOptions = {}): Promise<PutResult> {
    const { ifMatch, ifNoneMatch, requires } = options;
    if (requires) {
      const required = this.#documents.get(requires.path);
      if (!required || (requires.etag !== undefined && requires.etag !== required.etag)) {
        return { kind: 'requirementMissing' };
      }
    }
    const stored = this.#documents.get(path);
    if (ifNoneMatch && stored) return { kind: 'preconditionFailed' };
    if (ifMatch !== undefined && (!stored || (ifMatch !== '*' && ifMatch !== stored.etag))) {
      return { kind: 'preconditionFailed' };
    }
    const version = this.#note(path);
    const etag = version.toString(16);
    // A copy, as a real store keeps one: what the caller does to the value later is not stored.
    this.#documents.set(path, { path, etag, value: structuredClone(value) });
    return { kind: stored ? 'replaced' : 'created', etag, version };
  }

  async remove(
    path: string,
    options: { readonly ifMatch?: string } = {},
  ): Promise<'removed' | 'missing' | 'preconditionFailed'> {
    const stored = this.#documents.get(path);
    if (!stored) return 'missing';
    const { ifMatch } = options;
    if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== stored.etag) return 'preconditionFailed';
    this.#documents.delete(path);
    for (const below of this.#documents.keys())
      if (below.startsWith(`${path}/`)) this.#documents.delete(below);
    this.#note(path);
    return 'removed';
  }

  async changes(version: number): Promise<ResourceChanges> {
    const oldest = this.#changes[0]?.version ?? this.#version + 1;
    if (version <= 0 || version > this.#version || version < oldest - 1) {
      const documents = this.#sorted(() => true);
      return {
        version: this.#version,
        complete: false,
        changedPaths: documents.map(({ path }) => path),
        documents,
      };
    }
    const changed = new Set<string>();
    for (const change of this.#changes) if (change.version > version) changed.add(change.path);
    return {
      version: this.#version,
      complete: true,
      changedPaths: [...changed],
      documents: this.#sorted((path) => changed.has(path)),
    };
  }

  #note(path: string): number {
    this.#changes.push({ version: ++this.#version, path });
    if (this.#changes.length > changeLogMax) this.#changes.shift();
    return this.#version;
  }

  /** Paths are ASCII, so that comparing UTF-16 units is comparing bytes. */
  #sorted(keep: (path: string) => boolean): ResourceDocument[] {
    const found = [...this.#documents.values()].filter(({ path }) => keep(path));
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }
}
