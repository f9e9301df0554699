/**
 * The resources of a template one by one: those within others brought out, their expressions replaced, and each known by
 * what it means here. Whether they may be written is `plan.ts`'s business.
 */
import { type FieldError, GridpostError } from '@gridpost/model';
import { invalidResource, shown } from '../../validation.js';
import { type Named, named } from '../paths.js';
import type { Evaluation } from './evaluation.js';

/** As `schemas/deployment.json` has it. */
export interface WrittenResource {
  readonly type: string;
  readonly name: string;
  readonly scope?: string;
  readonly condition?: boolean | string;
  readonly dependsOn?: readonly string[];
  readonly resources?: readonly WrittenResource[];
  readonly [member: string]: unknown;
}

export interface Wanted extends Named {
  /** Where it stands in the request, as a JSON Pointer. */
  readonly pointer: string;
  /** As the template writes it, with the names of those it stands in. */
  readonly name: string;
  /** As Azure's clients would write it. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly dependsOn: readonly string[];
  /** Its condition does not hold: it is there only to be depended on. */
  readonly skipped: boolean;
}

/** Members that are not the resource's own. */
const aside = [
  'apiVersion',
  'comments',
  'metadata',
  'condition',
  'dependsOn',
  'name',
  'resources',
  'scope',
  'type',
];

const supported =
  'Microsoft.EventGrid/topics, Microsoft.EventGrid/domains, Microsoft.EventGrid/domains/topics, or eventSubscriptions on one of these';

/** In the template's order. Throws `InvalidResource` with every fault. */
export function wantedResources(
  evaluation: Evaluation,
  resources: readonly WrittenResource[],
  pointer: string,
): Wanted[] {
  const wanted: Wanted[] = [];
  const faults: FieldError[] = [];

  function take(written: WrittenResource, at: string, parent?: { type: string; name: string }): void {
    try {
      const { condition = true, ...rest } = written;
      const skipped = !isHeld(evaluation.evaluate(condition, `${at}/condition`), `${at}/condition`);
      const inner = textOf(evaluation.evaluate(written.name, `${at}/name`), `${at}/name`);
      const type = parent ? `${parent.type}/${written.type}` : written.type;
      const name = parent ? `${parent.name}/${inner}` : inner;
      for (const [index, child] of (written.resources ?? []).entries())
        take(child, `${at}/resources/${index}`, { type, name });
      const scope =
        written.scope === undefined
          ? undefined
          : textOf(evaluation.evaluate(written.scope, `${at}/scope`), `${at}/scope`);
      const meant = meaning(type, name, scope, at);
      const own = Object.fromEntries(Object.entries(rest).filter(([member]) => !aside.includes(member)));
      wanted.push({
        ...meant,
        pointer: at,
        name,
        skipped,
        body: skipped ? {} : (evaluation.evaluate(own, at) as Wanted['body']),
        dependsOn: (evaluation.evaluate(written.dependsOn ?? [], `${at}/dependsOn`) as unknown[]).map(
          (text, index) => textOf(text, `${at}/dependsOn/${index}`),
        ),
      });
    } catch (error) {
      if (!(error instanceof GridpostError)) throw error;
      faults.push(...error.errors);
    }
  }

  for (const [index, resource] of resources.entries()) take(resource, `${pointer}/${index}`);
  if (faults.length) throw invalidResource(faults);
  return wanted;
}

/** What type, name and scope mean together. Throws `InvalidResource`. */
function meaning(type: string, name: string, scope: string | undefined, at: string): Named {
  const [namespace, ...kinds] = type.split('/');
  const names = name.split('/');
  if (kinds.length !== names.length) {
    throw fault(
      `${at}/name`,
      `has ${names.length} names in a row, expected ${kinds.length} for the type ${shown(type)}`,
    );
  }
  const path = `${namespace}/${kinds.map((kind, index) => `${kind}/${names[index]}`).join('/')}`;
  const isExtension = type.toLowerCase() === 'microsoft.eventgrid/eventsubscriptions';
  if (scope !== undefined && !isExtension) {
    throw fault(`${at}/scope`, 'is for resources of the type Microsoft.EventGrid/eventSubscriptions');
  }
  if (isExtension && scope === undefined) {
    throw fault(`${at}/scope`, 'is missing; event subscriptions on a resource group are not supported');
  }
  const found = named(scope === undefined ? path : `${scope}/providers/${path}`);
  if (found) return found;
  throw scope === undefined
    ? fault(`${at}/type`, `saw ${shown(type)}, expected ${supported}`)
    : fault(
        `${at}/scope`,
        `saw ${shown(scope.replace(/^.*?\/providers\//i, ''))}, expected a topic, a domain or a topic in a domain of Microsoft.EventGrid`,
      );
}

function isHeld(value: unknown, pointer: string): boolean {
  if (typeof value === 'boolean') return value;
  throw fault(pointer, `comes to ${shown(value)}, expected a boolean`);
}

function textOf(value: unknown, pointer: string): string {
  if (typeof value === 'string') return value;
  throw fault(pointer, `comes to ${shown(value)}, expected a string`);
}

function fault(pointer: string, message: string): GridpostError {
  return invalidResource([{ pointer, message }]);
}
