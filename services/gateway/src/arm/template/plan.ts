/**
 * From the resources of a template to the writes that make them, in their order. Everything is checked that can be before
 * anything is written: each resource by itself, as its route would, and what they need of each other and of what is there.
 */
import { type FieldError, GridpostError, holderOf, type Scope, type Topic } from '@gridpost/model';
import type { Context } from '../../context.js';
import { checkDeliverySchema } from '../../delivery-schema.js';
import {
  checkScope,
  checkSubscriptionName,
  findDomainTopic,
  findSubscription,
  getTopic,
} from '../../stored.js';
import { completed } from '../../stored-secrets.js';
import { checkedProperties } from '../../subscriptions.js';
import { writtenTopic } from '../../topic-resource.js';
import { invalidResource } from '../../validation.js';
import { checkDomainTopicBody, subscriptionBody, topicBody } from '../bodies.js';
import { named, ownPath, routeTo } from '../paths.js';
import type { Wanted } from './resources.js';

export interface Write extends ReturnType<typeof routeTo> {
  readonly wanted: Wanted;
  /** As Gridpost's own routes take it. */
  readonly body: unknown;
}

/** What a topic or a domain is, or is to be. */
type Holder = Pick<Topic, 'properties' | 'domain'>;

/** Throws `InvalidResource` with every fault that was found. */
export async function planOf(context: Context, all: readonly Wanted[]): Promise<Write[]> {
  const { resources } = context.store;
  const faults: FieldError[] = [];
  const wanted = all.filter(({ skipped }) => !skipped);
  const planned = new Map(wanted.map((each) => [ownPath(each), each]));
  for (const each of wanted) {
    if (planned.get(ownPath(each)) !== each) {
      faults.push({
        pointer: `${each.pointer}/name`,
        message: 'is that of another resource in the template',
      });
    }
  }

  const holders = new Map<Scope, Holder>();
  const writes = new Map<Wanted, Write>();
  const isHolder = ({ scope, subscription }: Wanted): boolean =>
    subscription === undefined && holderOf(scope).domainTopic === undefined;
  // What subscriptions are delivered depends on what their topics take.
  for (const each of [...wanted.filter(isHolder), ...wanted.filter((other) => !isHolder(other))]) {
    try {
      writes.set(each, { ...routeTo(each), wanted: each, body: await bodyOf(each) });
    } catch (error) {
      faults.push(...faultsAt(each, error));
    }
  }
  const ordered = inOrder(all, faults);
  if (faults.length) throw invalidResource(faults);
  return ordered.flatMap((each) => writes.get(each) ?? []);

  /** The resource as it will be put. Throws what its route would. */
  async function bodyOf(each: Wanted): Promise<unknown> {
    const { scope, subscription, body } = each;
    checkScope(scope);
    if (isHolder(each)) {
      const native = topicBody(body);
      holders.set(scope, writtenTopic(native, scope));
      return native;
    }
    const holder = await holderFor(each);
    if (subscription === undefined) {
      const { location: _, ...own } = body;
      checkDomainTopicBody(own);
      return undefined;
    }
    checkSubscriptionName(subscription);
    const native = subscriptionBody(body, holder.properties.inputSchema);
    const written = await checkedProperties(context, native);
    checkDeliverySchema(written.properties, written.at, holder.properties.inputSchema);
    const before = await findSubscription(resources, scope, subscription);
    completed(written, before?.value.properties, context.endpoints.policy.functionApps, context.clock.now());
    return native;
  }

  /** The topic or domain that the resource is on or in. Throws `TopicNotFound` or `DomainNotFound`. */
  async function holderFor({ scope, subscription }: Wanted): Promise<Holder> {
    const { holder, domainTopic } = holderOf(scope);
    // One that is in the template and wrong has been reported; what is on it cannot be checked.
    if (!holders.has(holder) && planned.has(ownPath({ scope: holder }))) throw new Reported();
    const found = holders.get(holder) ?? (await getTopic(resources, holder)).value;
    const makesTopics = found.domain?.autoCreateTopicWithFirstSubscription ?? true;
    if (
      subscription !== undefined &&
      domainTopic !== undefined &&
      !makesTopics &&
      !planned.has(ownPath({ scope }))
    ) {
      if (!(await findDomainTopic(resources, scope))) {
        throw new GridpostError(
          'DomainNotFound',
          `the domain has no topic ${JSON.stringify(domainTopic)}, and does not make topics by itself`,
        );
      }
    }
    return found;
  }
}

/** Not a fault of its own. */
class Reported extends Error {}

function faultsAt({ pointer }: Wanted, error: unknown): FieldError[] {
  if (error instanceof Reported) return [];
  if (!(error instanceof GridpostError)) throw error;
  if (error.code !== 'InvalidResource' && error.status !== 404 && error.code !== 'InvalidName') throw error;
  if (error.errors.length === 0) {
    const nowhere = error.status === 404 ? ', neither here nor in the template' : '';
    return [{ pointer: `${pointer}/name`, message: error.message + nowhere }];
  }
  return error.errors.map((each) => ({ pointer: pointer + each.pointer, message: each.message }));
}

/**
 * Each after those that it depends on, is on, or is in; otherwise in the template's order. Adds a fault for each
 * dependency that is none, and for each circle.
 */
function inOrder(all: readonly Wanted[], faults: FieldError[]): Wanted[] {
  const byPath = new Map(all.map((each) => [ownPath(each).toLowerCase(), each]));
  const ordered: Wanted[] = [];
  const states = new Map<Wanted, 'underWay' | 'done'>();

  function visit(each: Wanted): void {
    states.set(each, 'underWay');
    const { holder } = holderOf(each.scope);
    const implied = [{ scope: holder }, { scope: each.scope }].map((one) =>
      byPath.get(ownPath(one).toLowerCase()),
    );
    const stated = each.dependsOn.map((text, index) => {
      const found = dependency(text, all, byPath);
      if (!found) {
        faults.push({
          pointer: `${each.pointer}/dependsOn/${index}`,
          message: `names nothing in the template: ${JSON.stringify(text.slice(0, 200))}`,
        });
      }
      return found;
    });
    for (const before of [...implied, ...stated]) {
      if (!before || before === each) continue;
      const state = states.get(before);
      if (state === 'underWay') {
        faults.push({
          pointer: `${each.pointer}/dependsOn`,
          message: `goes in a circle through ${before.name}`,
        });
      } else if (state === undefined) visit(before);
    }
    states.set(each, 'done');
    ordered.push(each);
  }

  for (const each of all) if (!states.has(each)) visit(each);
  return ordered;
}

/** By its id, or by its name if no other has it. */
function dependency(
  text: string,
  all: readonly Wanted[],
  byPath: ReadonlyMap<string, Wanted>,
): Wanted | undefined {
  const id = named(text);
  if (id) return byPath.get(ownPath(id).toLowerCase());
  const [found, ...others] = all.filter(({ name }) => name.toLowerCase() === text.toLowerCase());
  return others.length === 0 ? found : undefined;
}
