/**
 * A topic's mapping as a tree of member names, so that one pass over an object finds every field that is mapped. Made
 * once for each mapping object, which must not be changed afterwards.
 */
import type { InputSchemaMapping, MappedFieldWithDefault } from '@gridpost/model';

/** A member that is a source field, or leads to one. */
export interface SourceMember {
  /** The names that lead to it. */
  readonly path: readonly string[];
  /** Its place among the slices that are found, the same for every object. */
  readonly slot: number;
  readonly members: Map<string, SourceMember>;
}

export interface Source {
  /** Undefined where the field is not taken from the object. */
  readonly member: SourceMember | undefined;
  readonly defaultValue: string | undefined;
}

export type MappedName = keyof InputSchemaMapping['properties'];

export interface CompiledMapping {
  readonly members: ReadonlyMap<string, SourceMember>;
  /** How many slots there are. */
  readonly slots: number;
  readonly sources: Readonly<Record<MappedName, Source>>;
}

const compiled = new WeakMap<InputSchemaMapping, CompiledMapping>();

/** No mapping is one without fields. An empty text is as good as none. Never throws. */
export function compileMapping(mapping: InputSchemaMapping | null | undefined): CompiledMapping {
  if (!mapping) return unmapped;
  let known = compiled.get(mapping);
  if (known === undefined) {
    known = compile(mapping.properties);
    compiled.set(mapping, known);
  }
  return known;
}

function compile(properties: InputSchemaMapping['properties']): CompiledMapping {
  const members = new Map<string, SourceMember>();
  let slots = 0;
  const memberOf = (sourceField: string): SourceMember => {
    let level = members;
    let member: SourceMember | undefined;
    for (const name of sourceField.split('.')) {
      const path: string[] = [...(member?.path ?? []), name];
      member = level.get(name) ?? { path, slot: slots++, members: new Map() };
      level.set(name, member);
      level = member.members;
    }
    return member!;
  };
  const sourceOf = (field: MappedFieldWithDefault | null | undefined): Source => ({
    member: field?.sourceField ? memberOf(field.sourceField) : undefined,
    defaultValue: field?.defaultValue || undefined,
  });
  const sources: CompiledMapping['sources'] = {
    id: sourceOf(properties.id),
    topic: sourceOf(properties.topic),
    eventTime: sourceOf(properties.eventTime),
    eventType: sourceOf(properties.eventType),
    subject: sourceOf(properties.subject),
    dataVersion: sourceOf(properties.dataVersion),
  };
  return { members, slots, sources };
}

const unmapped = compile({});
