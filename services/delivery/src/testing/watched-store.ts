/**
 * The reference store as a test sees it: tells of every call that has ended, and fails those it is told to fail. A
 * failing call may have been carried out all the same, as with a lost reply, and a confirmed one be lost.
 */
import { GridpostError } from '@gridpost/model';
import { MemoryStore, type MemoryStoreOptions, type Store } from '@gridpost/store';

/** `lost`: confirmed and not done, as by a store that crashes and comes back without its last writes. */
export type Failure = 'before' | 'after' | 'lost';

export interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly result: unknown;
}

const lostResults: Readonly<Record<string, unknown>> = { settle: { removed: 1, quotaEffects: [] } };

export class WatchedStore {
  readonly memory: MemoryStore;
  /** What the worker is given. */
  readonly store: Store;
  readonly calls: Call[] = [];
  /** Decides before each call whether it fails: before it does anything, after it has, or not. */
  fails: (name: string, args: readonly unknown[]) => Failure | undefined = () => undefined;
  readonly #waiting = new Set<() => void>();

  constructor(options: MemoryStoreOptions) {
    this.memory = new MemoryStore(options);
    this.store = this.#watch(this.memory, (name, value) => {
      if (name === 'resources') return this.#watch(value as object, () => value);
      // Workers are objects here, and there may be several.
      return name === 'supports' ? { sharing: true } : value;
    }) as Store;
  }

  /** Resolves as soon as `condition` holds; it is looked at after each call. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) {
      await new Promise<void>((resolve) => {
        const check = (): void => {
          this.#waiting.delete(check);
          resolve();
        };
        this.#waiting.add(check);
      });
    }
  }

  named(name: string): Call[] {
    return this.calls.filter((call) => call.name === name);
  }

  #watch<T extends object>(target: T, property: (name: string, value: unknown) => unknown): T {
    return new Proxy(target, {
      get: (_, name: string) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return property(name, value);
        if (name === 'onAppend' || name === 'onRedrive') return value.bind(target);
        return async (...args: unknown[]) => {
          const failure = this.fails(name, args);
          const error = new GridpostError('StoreUnavailable', `${name} fails`);
          if (failure === 'before') throw error;
          const result =
            failure === 'lost'
              ? lostResults[name]
              : await (value as (...given: unknown[]) => unknown).apply(target, args);
          this.calls.push({ name, args, result });
          setImmediate(() => {
            for (const check of this.#waiting) check();
          });
          if (failure === 'after') throw error;
          return result;
        };
      },
    });
  }
}
