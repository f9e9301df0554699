/**
 * Topics, subscriptions and whatever else is configured: documents in the configuration's slot, and their version in every
 * partition.
 *
 * A write is answered after its version stands in all partitions. They are in other slots than the documents, so this is
 * a second step, shared by the writes that wait for it. If the process ends between the two, nobody was answered; the
 * next look of any process that has the store open completes it (`heal`).
 */
import { GridpostError } from '@gridpost/model';
import {
  changeLogMax,
  type PutOptions,
  type PutResult,
  type ResourceChanges,
  type ResourceDocument,
  type Resources,
} from '@gridpost/store';
import { Call } from './call.js';
import type { Key } from './keys.js';
import type { Link } from './link.js';
import { learn } from './scripts/founding.js';
import { changesSince, list, put, remove } from './scripts/resources.js';
import { SharedRun } from './shared-run.js';
import type { Writer } from './writer.js';

/** Of one page, which a script builds while nobody else is served. */
const pageDocumentsMax = 500;
const pageBytesMax = 2 ** 20;

export interface ResourcesOptions {
  readonly link: Link;
  readonly writer: Writer;
  readonly key: Key;
  readonly partitions: readonly Key[];
}

export class RedisResources implements Resources {
  readonly #link: Link;
  readonly #writer: Writer;
  readonly #key: Key;
  readonly #partitions: readonly Key[];
  readonly #spreading = new SharedRun(() => this.#spread());
  /** The newest version written, or seen, here. */
  #version = 0;
  /** The newest version that is known to stand in every partition. */
  #spreadVersion = 0;

  constructor({ link, writer, key, partitions }: ResourcesOptions) {
    this.#link = link;
    this.#writer = writer;
    this.#key = key;
    this.#partitions = partitions;
  }

  async get(path: string): Promise<ResourceDocument | undefined> {
    const reply = await this.#link.command(Call.keyed('hget', `${this.#key}:documents`, path));
    return reply === null ? undefined : documentOf(path, reply as Buffer);
  }

  async list(prefix: string, after: string | undefined, max: number): Promise<ResourceDocument[]> {
    const documents: ResourceDocument[] = [];
    // Paths are ASCII, so that comparing UTF-16 units is comparing bytes; no path has the byte that ends the range.
    let from = after !== undefined && after >= prefix ? `(${after}` : `[${prefix}`;
    const upTo = Buffer.concat([Buffer.from(`(${prefix}`), Buffer.from([0xff])]);
    while (documents.length < max) {
      const most = Math.min(max - documents.length, pageDocumentsMax);
      const reply = await this.#link.run(list, this.#key, [from, upTo, String(most), String(pageBytesMax)]);
      const [more, ...page] = reply as [number, ...Buffer[]];
      for (let i = 0; i < page.length; i += 2) documents.push(documentOf(String(page[i]), page[i + 1]!));
      if (!more) break;
      from = `(${documents.at(-1)!.path}`;
    }
    return documents;
  }

  async put(path: string, value: unknown, options: PutOptions = {}): Promise<PutResult> {
    const { ifMatch = '', ifNoneMatch = '', requires } = options;
    const args = [
      path,
      JSON.stringify(value),
      ifMatch,
      ifNoneMatch,
      requires?.path ?? '',
      requires?.etag ?? '',
      String(changeLogMax),
    ];
    const reply = await this.#writer.write(put, this.#key, args);
    const [kind, version, etag] = reply as [Buffer, number, Buffer];
    const result = String(kind) as PutResult['kind'];
    if (result !== 'created' && result !== 'replaced') return { kind: result };
    await this.#answerable(version);
    return { kind: result, etag: String(etag), version };
  }

  async remove(
    path: string,
    options: { readonly ifMatch?: string } = {},
  ): Promise<'removed' | 'missing' | 'preconditionFailed'> {
    const args = [path, options.ifMatch ?? '', String(changeLogMax)];
    const reply = await this.#writer.write(remove, this.#key, args);
    const [kind, version] = reply as [Buffer, number];
    if (version !== undefined) await this.#answerable(version);
    return String(kind) as 'removed' | 'missing' | 'preconditionFailed';
  }

  async changes(version: number): Promise<ResourceChanges> {
    // The version is read before the documents: what changes between is in them already, and told once more later.
    const reply = await this.#link.run(changesSince, this.#key, [String(version)]);
    const [current, complete, ...paths] = reply as [number, number, ...Buffer[]];
    if (!complete) {
      const documents = await this.list('', undefined, Number.POSITIVE_INFINITY);
      return {
        version: current,
        complete: false,
        changedPaths: documents.map(({ path }) => path),
        documents,
      };
    }
    const changedPaths = [...new Set(paths.map(String))];
    const found = await Promise.all(changedPaths.map((path) => this.get(path)));
    const documents = found.filter((document) => document !== undefined);
    return { version: current, complete: true, changedPaths, documents };
  }

  /** Makes sure that a version that was seen stands in every partition. */
  async heal(version: number): Promise<void> {
    if (version > this.#version) this.#version = version;
    if (this.#spreadVersion < version) await this.#spreading.ask();
  }

  /** Resolves when the version stands in every partition. */
  async #answerable(version: number): Promise<void> {
    try {
      await this.heal(version);
    } catch (error) {
      throw new GridpostError(
        'OutcomeUnknown',
        `the change is stored, but not known everywhere yet: ${(error as Error).message}`,
      );
    }
  }

  async #spread(): Promise<void> {
    const version = this.#version;
    await Promise.all(this.#partitions.map((key) => this.#link.run(learn, key, [String(version)])));
    this.#spreadVersion = version;
  }
}

/** As `scripts/resources.ts` stores it: etag, line feed, JSON. */
function documentOf(path: string, stored: Buffer): ResourceDocument {
  const end = stored.indexOf(10);
  return {
    path,
    etag: stored.toString('latin1', 0, end),
    value: JSON.parse(stored.toString('utf8', end + 1)),
  };
}
