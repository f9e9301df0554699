/** A template with all its resources applied by one request, as Azure Resource Manager's deployments are. */
import { GridpostError } from '@gridpost/model';
import type { Request, Response } from 'express';
import { partWritten } from '../../audit/audited.js';
import type { Context } from '../../context.js';
import { catalogued } from '../../problem.js';
import { parameter, type Route } from '../../route.js';
import { invalidResource, schemaCheck } from '../../validation.js';
import { memberOf } from '../foreign.js';
import type { NativeRoutes } from '../native.js';
import { type Group, groupId, groupOf, groupPath, ownPath, provider } from '../paths.js';
import { type Definitions, Evaluation } from './evaluation.js';
import { planOf, type Write } from './plan.js';
import { type WrittenResource, wantedResources } from './resources.js';

interface Output {
  readonly type: string;
  readonly value: unknown;
}

interface Template extends Partial<Pick<Definitions, 'parameters' | 'variables'>> {
  readonly resources: readonly WrittenResource[];
  readonly outputs?: Readonly<Record<string, Output>>;
}

interface Deployment {
  readonly properties: {
    readonly template: Template;
    readonly parameters?: Definitions['given'] | null;
  };
}

const checkDeployment = schemaCheck<Deployment>('deployment.json');
const checkTemplate = schemaCheck<Template>('deployment.json#/$defs/Template');

/** Names of what was written that are told after a failure. */
const toldMax = 20;

export function deploymentRoutes(context: Context, native: NativeRoutes): Route[] {
  /** Idempotent. Nothing is written unless everything is right as far as that can be told before. */
  async function put(req: Request, res: Response): Promise<void> {
    const group = groupOf(req);
    const name = parameter(req, 'deployment');
    checkName(name);
    const { template, given, at, givenAt } = read(req.body);
    const evaluation = new Evaluation(
      { parameters: template.parameters ?? {}, variables: template.variables ?? {}, given },
      group,
    );
    const faults = evaluation.parameterFaults(`${at}/parameters`, givenAt);
    if (faults.length) throw invalidResource(faults);
    const plan = await planOf(context, wantedResources(evaluation, template.resources, `${at}/resources`));
    const outputs = outputsOf(template, evaluation, `${at}/outputs`);
    const secrets = await apply(plan, req, res);
    if (secrets.size > 0) res.set('cache-control', 'no-store');
    res.json({
      id: `${groupId(group)}/providers/Microsoft.Resources/deployments/${name}`,
      name,
      type: 'Microsoft.Resources/deployments',
      properties: {
        provisioningState: 'Succeeded',
        mode: 'Incremental',
        timestamp: new Date(context.clock.now()).toISOString(),
        outputs,
        outputResources: plan.map((write) => ({ id: idOf(group, write) })),
        ...(secrets.size === 0 ? {} : { signingSecrets: secretsView(group, secrets) }),
      },
    });
  }

  /**
   * One after the other, each with its audit record; resolves with the signing secrets that were made. Rejects with what
   * the first that fails rejects with, telling what was written before it.
   */
  async function apply(plan: readonly Write[], req: Request, res: Response): Promise<Map<Write, string>> {
    const { host } = req.headers;
    const secrets = new Map<Write, string>();
    for (const [index, write] of plan.entries()) {
      const { path, params, body, wanted } = write;
      try {
        // What the request requires of the deployment, it does not require of each resource.
        const headers = host === undefined ? {} : { host };
        const answered = await native.ask('PUT', path, req, { params, body, headers });
        const etag = answered.headers.get('etag');
        partWritten(res, {
          ...{ resource: `/${ownPath(wanted)}`, status: answered.status },
          ...(etag === undefined ? {} : { etag }),
        });
        const secret = answered.body?.properties?.signing?.secret as string | undefined;
        if (secret !== undefined) secrets.set(write, secret);
      } catch (thrown) {
        const { code, message, errors, retryAfterSeconds } = catalogued(thrown);
        throw new GridpostError(
          code,
          `${ownPath(wanted)}: ${message}. ${told(plan.slice(0, index), plan.length)}; the same deployment can be put again${unshown(secrets)}`,
          {
            errors: errors.map((each) => ({ ...each, pointer: wanted.pointer + each.pointer })),
            ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
            cause: thrown,
          },
        );
      }
    }
    return secrets;
  }

  return [
    {
      method: 'PUT',
      role: 'admin',
      path: `${groupPath}/providers/Microsoft.Resources/deployments/{deployment}`,
      handle: put,
    },
  ];
}

/** A deployment, or a bare template; and where in the body what stands. Throws `InvalidResource`. */
function read(body: unknown) {
  const isBare = memberOf(body, 'resources') !== undefined && memberOf(body, 'properties') === undefined;
  if (isBare) return { template: checkTemplate(body), given: {}, at: '', givenAt: '' };
  const { template, parameters } = checkDeployment(body ?? {}).properties;
  return {
    template,
    given: parameters ?? {},
    at: '/properties/template',
    givenAt: '/properties/parameters',
  };
}

/** Secrets stay out, as in Azure. */
function outputsOf(template: Template, evaluation: Evaluation, at: string): Record<string, Output> {
  const all = evaluation.evaluate(template.outputs ?? {}, at) as Record<string, Output>;
  return Object.fromEntries(
    Object.entries(all)
      .filter(([, { type }]) => !/^secure/i.test(type))
      .map(([name, { type, value }]) => [name, { type, value }]),
  );
}

function idOf(group: Group, { wanted }: Write): string {
  const path = ownPath(wanted).replace('/eventsubscriptions/', '/eventSubscriptions/');
  return `${groupId(group)}${provider}/${path}`;
}

function told(written: readonly Write[], count: number): string {
  const names = written.slice(0, toldMax).map(({ wanted }) => ownPath(wanted));
  const more = written.length > toldMax ? ` and ${written.length - toldMax} more` : '';
  return `${written.length} of ${count} resources were written before it${names.length ? `: ${names.join(', ')}${more}` : ''}`;
}

function secretsView(group: Group, secrets: ReadonlyMap<Write, string>): object[] {
  return [...secrets].map(([write, secret]) => ({ id: idOf(group, write), secret }));
}

/** An error shows no secret, and the next deployment makes none. */
function unshown(secrets: ReadonlyMap<Write, string>): string {
  if (secrets.size === 0) return '';
  const names = [...secrets.keys()].slice(0, toldMax).map(({ wanted }) => ownPath(wanted));
  return `; signing secrets were made and are shown by :rotateSecret alone: ${names.join(', ')}${secrets.size > toldMax ? ', …' : ''}`;
}

/** Azure, "Naming rules and restrictions for Azure resources". */
function checkName(name: string): void {
  if (/^[\w.()-]{1,64}$/.test(name)) return;
  throw new GridpostError(
    'InvalidName',
    `the deployment name ${JSON.stringify(name.slice(0, 64))} is not 1 to 64 letters, digits, underscores, hyphens, parentheses or full stops`,
  );
}
