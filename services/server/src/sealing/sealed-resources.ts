/** Documents whose secrets are sealed on their way into the store and opened on their way out. Nobody else knows. */
import { isObject } from '@gridpost/model';
import type { PutOptions, PutResult, ResourceChanges, ResourceDocument, Resources } from '@gridpost/store';
import type { Keyring } from './keyring.js';
import { placesIn, type SecretKind, type SecretPlace } from './secret-places.js';

/**
 * Etags and versions are the store's. What cannot be opened makes the whole call reject with `NotOpened`: a document
 * without its secrets would be delivered to wrong.
 */
export class SealedResources implements Resources {
  readonly #resources: Resources;
  readonly #keyring: Keyring;
  readonly #kinds: readonly SecretKind[];
  /** Paths of documents that were read plain, or sealed with a key that is not the first. */
  readonly #stale = new Set<string>();

  constructor(resources: Resources, keyring: Keyring, kinds: readonly SecretKind[]) {
    this.#resources = resources;
    this.#keyring = keyring;
    this.#kinds = kinds;
  }

  async get(path: string): Promise<ResourceDocument | undefined> {
    const found = await this.#resources.get(path);
    return found && this.#opened(found);
  }

  async list(prefix: string, after: string | undefined, max: number): Promise<ResourceDocument[]> {
    return (await this.#resources.list(prefix, after, max)).map((document) => this.#opened(document));
  }

  put(path: string, value: unknown, options?: PutOptions): Promise<PutResult> {
    const sealed = this.#mapped(path, value, (each, place) => this.#keyring.seal(each, place));
    return this.#resources.put(path, sealed, options);
  }

  remove(...args: Parameters<Resources['remove']>): ReturnType<Resources['remove']> {
    return this.#resources.remove(...args);
  }

  async changes(version: number): Promise<ResourceChanges> {
    const changes = await this.#resources.changes(version);
    return { ...changes, documents: changes.documents.map((document) => this.#opened(document)) };
  }

  /**
   * Seals with the first key what was read so far and is not, one document after another, until `stopped`. Resolves with
   * how many it wrote. What somebody else writes meanwhile is left as that is.
   */
  async reseal(stopped: () => boolean = () => false): Promise<number> {
    let written = 0;
    for (const path of this.#stale) {
      if (stopped()) break;
      const found = await this.get(path);
      this.#stale.delete(path);
      if (!found) continue;
      const result = await this.put(path, found.value, { ifMatch: found.etag });
      if (result.kind === 'replaced') written++;
    }
    return written;
  }

  #opened(document: ResourceDocument): ResourceDocument {
    const { path } = document;
    let stale = false;
    const value = this.#mapped(path, document.value, (each, place) => {
      stale ||= this.#keyring.isStale(each);
      return this.#keyring.open(each, place);
    });
    if (stale) this.#stale.add(path);
    else this.#stale.delete(path);
    return value === document.value ? document : { ...document, value };
  }

  #mapped(path: string, value: unknown, map: Mapping): unknown {
    return placesIn(this.#kinds, path).reduce(
      (rest, place) => mappedAt(rest, place, `${path}\n`, map),
      value,
    );
  }
}

/** `place`: the document's path and the pointer within, on two lines. */
type Mapping = (value: unknown, place: string) => unknown;

/** A copy in which what stands at the place is mapped; the value itself where there is nothing. */
function mappedAt(value: unknown, [member, ...rest]: SecretPlace, at: string, map: Mapping): unknown {
  if (member === undefined) return value == null ? value : map(value, at);
  if (member === '*') {
    return Array.isArray(value)
      ? value.map((item, index) => mappedAt(item, rest, `${at}/${index}`, map))
      : value;
  }
  if (!isObject(value) || !Object.hasOwn(value, member)) return value;
  return { ...value, [member]: mappedAt(value[member], rest, `${at}/${member}`, map) };
}
