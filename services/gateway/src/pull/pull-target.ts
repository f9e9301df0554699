/** Which requests are for receiving, by their target alone, and what they name. */
import { GridpostError, type Scope } from '@gridpost/model';
import type { DirectForm } from '../direct-answers.js';
import { type DescribedRoute, scopeFrom, scopePaths } from '../route.js';

const operations = ['receive', 'acknowledge', 'release', 'reject', 'renewLock'] as const;
export type Operation = (typeof operations)[number];

export interface PullForm extends DirectForm {
  readonly operation: Operation;
}

export interface PullTarget {
  readonly form: PullForm;
  /** Still percent-encoded, by the names in the route. */
  readonly names: Readonly<Record<string, string | undefined>>;
  /** Behind the question mark. */
  readonly query: string;
}

const forms = new Map(
  scopePaths.flatMap((scope) =>
    operations.map((operation): [string, PullForm] => {
      const route = `${scope}/eventsubscriptions/{name}:${operation}`;
      return [route, { route, operation, headers: {} }];
    }),
  ),
);

/** As the OpenAPI document has them. */
export const pullRoutes: readonly DescribedRoute[] = [...forms.keys()].map((path) => ({
  ...{ method: 'POST', path, role: 'consumer' },
}));

const shape = new RegExp(
  `^(?:/topics/(?<topic>[^/?]+)|/domains/(?<domain>[^/?]+)(?:/topics/(?<domainTopic>[^/?]+))?)` +
    `/eventsubscriptions/(?<name>[^/?]+):(?<operation>${operations.join('|')})(?:\\?(?<query>.*))?$`,
);

/** Undefined if the request's target is none of a consumer. Paths are strict: letters by case, no slash at the end. */
export function pullTargetOf(target: string): PullTarget | undefined {
  const names = shape.exec(target)?.groups;
  if (!names) return undefined;
  const scope = names.topic !== undefined ? 0 : names.domainTopic === undefined ? 1 : 2;
  const form = forms.get(`${scopePaths[scope]}/eventsubscriptions/{name}:${names.operation}`)!;
  return { form, names, query: names.query ?? '' };
}

/** The subscription that is named, whether or not there can be one. Throws `InvalidName` for a broken percent escape. */
export function subscriptionNamed({ names }: PullTarget): { readonly scope: Scope; readonly name: string } {
  try {
    const decoded = (name: string | undefined) => name && decodeURIComponent(name);
    const { topic, domain, domainTopic } = names;
    const scope = scopeFrom({
      ...{ topic: decoded(topic), domain: decoded(domain), domainTopic: decoded(domainTopic) },
    });
    return { scope, name: decodeURIComponent(names.name!) };
  } catch {
    throw new GridpostError('InvalidName', 'the path has a broken percent escape');
  }
}
