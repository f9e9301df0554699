/** The template functions that there are (Azure Resource Manager, "ARM template functions"), each as Azure documents it. */
import { hash } from 'node:crypto';
import { defaultLocation, type Group, groupId } from '../paths.js';
import { ExpressionFault } from './expression.js';

/** What functions can look at. */
export interface Surroundings {
  readonly group: Group;
  parameter(name: string): unknown;
  variable(name: string): unknown;
}

/** Characters that a text may come to in which the same value is written again and again. */
const formattedMax = 1024 * 1024;

type TemplateFunction = (args: readonly unknown[], around: Surroundings) => unknown;

const functions: Readonly<Record<string, TemplateFunction>> = {
  parameters: (args, around) => around.parameter(texts('parameters', args, 1, 1)[0]!),
  variables: (args, around) => around.variable(texts('variables', args, 1, 1)[0]!),

  concat(args) {
    if (args.length > 0 && args.every(Array.isArray)) return args.flat(1);
    if (args.length > 0 && args.every(isPrintable)) return args.map(printed).join('');
    throw new ExpressionFault('concat() takes texts, or arrays');
  },

  format(args) {
    const [pattern, ...values] = args;
    if (typeof pattern !== 'string') throw new ExpressionFault('format() takes a text first');
    let size = 0;
    return pattern.replace(/\{\{|\}\}|\{(\d+)\}|[{}]/g, (found, index: string | undefined) => {
      if (found === '{{' || found === '}}') return found[0]!;
      const value = index === undefined ? undefined : values[Number(index)];
      if (!isPrintable(value)) {
        throw new ExpressionFault(
          'format() takes a text with {0}, {1} and so on, without formats, and a text or a number for each',
        );
      }
      const text = printed(value);
      if ((size += text.length) > formattedMax) {
        throw new ExpressionFault(`format() makes texts of at most ${formattedMax} characters`);
      }
      return text;
    });
  },

  resourceId(args, { group }) {
    const given = texts('resourceId', args, 2);
    // A subscription, or a subscription and a resource group, may come first; neither has a slash.
    const first = given.findIndex((text) => text.includes('/'));
    if (first < 0 || first > 2) throw new ExpressionFault('resourceId() takes a type and its names');
    const [subscription, resourceGroup] =
      first === 2 ? given : [group.subscription, given.slice(0, first)[0] ?? group.resourceGroup];
    const id = groupId({ subscription: subscription!, resourceGroup: resourceGroup! });
    return id + typed('resourceId', given.slice(first));
  },

  extensionResourceId(args) {
    const [base, ...rest] = texts('extensionResourceId', args, 3);
    return base + typed('extensionResourceId', rest);
  },

  resourceGroup(args, { group }) {
    texts('resourceGroup', args, 0, 0);
    const { resourceGroup: name } = group;
    return {
      id: groupId(group),
      name,
      type: 'Microsoft.Resources/resourceGroups',
      location: defaultLocation,
    };
  },

  subscription(args, { group }) {
    texts('subscription', args, 0, 0);
    const { subscription } = group;
    return { id: `/subscriptions/${subscription}`, subscriptionId: subscription };
  },

  /** 13 characters that follow from the texts. Azure does not say how it makes them, and makes others. */
  uniqueString(args) {
    const digest = hash('sha256', JSON.stringify(texts('uniqueString', args, 1)), 'buffer');
    return [...digest.subarray(0, 13)].map((byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte % 32]).join('');
  },
};

/** Names are compared without regard to case. */
const byName = new Map(Object.entries(functions).map(([name, call]) => [name.toLowerCase(), call]));

/** Throws `ExpressionFault`. */
export function callFunction(name: string, args: readonly unknown[], around: Surroundings): unknown {
  const call = byName.get(name.toLowerCase());
  if (call) return call(args, around);
  const known = Object.keys(functions).map((each) => `${each}()`);
  throw new ExpressionFault(`the function ${name}() is not supported; those that are: ${known.join(', ')}`);
}

/** `['Microsoft.EventGrid/domains/topics', 'shop', 'north']` → `/providers/Microsoft.EventGrid/domains/shop/topics/north`. */
function typed(name: string, [type, ...names]: readonly string[]): string {
  const [namespace, ...kinds] = type!.split('/');
  if (kinds.length === 0 || kinds.length !== names.length) {
    throw new ExpressionFault(`${name}() takes as many names as the type ${type} has parts after its first`);
  }
  return `/providers/${namespace}/${kinds.map((kind, index) => `${kind}/${names[index]}`).join('/')}`;
}

function texts(name: string, args: readonly unknown[], min: number, max = Infinity): string[] {
  if (args.length >= min && args.length <= max && args.every((arg) => typeof arg === 'string')) {
    return args as string[];
  }
  const count = max === min ? (min === 0 ? 'nothing' : `${min} text`) : `${min} or more texts`;
  throw new ExpressionFault(`${name}() takes ${count}`);
}

function isPrintable(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** As .NET prints it. */
function printed(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value);
}
