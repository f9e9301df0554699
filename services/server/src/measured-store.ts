/**
 * A store that times its calls. Wrapped around whichever adapter is open, so that every room sees the same numbers and
 * no adapter knows of metrics.
 */
import { GridpostError } from '@gridpost/model';
import type { Histogram, Metrics } from '@gridpost/metrics';
import type { Journals, Resources, Store } from '@gridpost/store';

type Call = (...args: unknown[]) => unknown;

export function measuredStore(store: Store, metrics: Metrics): Store {
  return measured(store, metrics, store.info.kind, (name, value) =>
    name === 'resources' || name === 'journals'
      ? measured(value as Resources | Journals, metrics, store.info.kind)
      : value,
  );
}

/** A view of `target` whose functions, where they return a promise, are timed under their own names. */
function measured<T extends object>(
  target: T,
  metrics: Metrics,
  kind: string,
  property: (name: string, value: unknown) => unknown = (_, value) => value,
): T {
  const calls = new Map<string, Call>();
  return new Proxy(target, {
    get(_, name: string) {
      const known = calls.get(name);
      if (known) return known;
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return property(name, value);
      const timed = timedCall(target, name, value as Call, metrics, kind);
      calls.set(name, timed);
      return timed;
    },
  });
}

function timedCall(target: object, name: string, call: Call, metrics: Metrics, kind: string): Call {
  let durations: Histogram | undefined;
  const observe = (began: number): void => {
    durations ??= metrics.storeOperation.with(name, kind);
    durations.observe((performance.now() - began) / 1000);
  };
  return (...args) => {
    const began = performance.now();
    const result = call.apply(target, args);
    // Calls that return at once, such as `onAppend`, touch no store.
    if (!(result instanceof Promise)) return result;
    return result.then(
      (value) => {
        observe(began);
        return value;
      },
      (error: unknown) => {
        observe(began);
        const code = error instanceof GridpostError ? error.code : (error as Error).name;
        metrics.storeErrors.with(name, code).add();
        throw error;
      },
    );
  };
}
