/**
 * Headers of a subscription's own, as they are written (Event Grid, "Custom delivery properties"). What is refused here is
 * what no request could carry, or what would say something else of it than Gridpost does; `validation.ts` has seen the rest.
 */
import { fitsHeader } from '@gridpost/codec';
import { type DeliveryAttributeMapping, type FieldError, limits } from '@gridpost/model';
import { type Optional, shown } from './validation.js';

/** As `schemas/eventsubscription.json` has it. */
export interface WrittenMapping {
  readonly name: string;
  readonly type: DeliveryAttributeMapping['type'];
  readonly properties: Optional<{
    readonly value: string;
    readonly isSecret: boolean;
    readonly sourceField: string;
  }>;
}

/** RFC 9110 §5.6.2, `token`. */
const headerName = /^[\w!#$%&'*+.^`|~-]+$/;

const reserved: readonly (readonly [name: RegExp, reason: string])[] = [
  [/^aeg-/i, 'names that begin with "aeg-" are Event Grid\'s'],
  [/^ce-/i, 'names that begin with "ce-" are attributes of CloudEvents'],
  [/^gridpost-/i, 'names that begin with "gridpost-" are Gridpost\'s own'],
  [/^webhook-/i, 'names that begin with "webhook-" are those of Standard Webhooks'],
  [/^origin$/i, 'it names the origin that the endpoint has allowed'],
  [/^(host|user-agent|content-.*)$/i, 'it says what Gridpost sends'],
  [/^accept-encoding$/i, 'answers are read as they come, never decompressed'],
  [
    /^(connection|expect|keep-alive|proxy-(authenticate|authorization|connection)|te|trailer|transfer-encoding|upgrade)$/i,
    'it is about the connection (RFC 9110 §7.6.1)',
  ],
];

/** What a schema cannot say of mappings that stand at a pointer. */
export function mappingFaults(written: readonly WrittenMapping[], at: string): FieldError[] {
  const seen = new Set<string>();
  return written.flatMap(({ name, type, properties }, index) => {
    const faults: FieldError[] = [];
    const expect = (member: string, message: string | undefined): void => {
      if (message !== undefined) faults.push({ pointer: `${at}/${index}/${member}`, message });
    };
    expect('name', nameFault(name) ?? (seen.has(name.toLowerCase()) ? repeated(name) : undefined));
    seen.add(name.toLowerCase());
    const { value, isSecret, sourceField } = properties;
    if (type === 'Static') {
      expect('properties/value', value == null ? valueMissing(isSecret ?? false) : valueFault(value));
      expect('properties/sourceField', sourceField == null ? undefined : isOf('Dynamic'));
    } else {
      expect('properties/sourceField', sourceField == null ? 'is missing' : sourceFieldFault(sourceField));
      expect('properties/value', value == null ? undefined : isOf('Static'));
      expect('properties/isSecret', isSecret == null ? undefined : isOf('Static'));
    }
    return faults;
  });
}

const repeated = (name: string): string =>
  `saw ${shown(name)} again, expected each name once, regardless of case`;
const isOf = (type: string): string => `is for headers whose type is ${type}`;

function nameFault(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  const most = limits.deliveryAttributeNameBytesMax;
  if (bytes > most) return `saw ${bytes} bytes, expected at most ${most}`;
  if (!headerName.test(name)) return `saw ${shown(name)}, expected the name of a header (RFC 9110 §5.6.2)`;
  const reason = reserved.find(([pattern]) => pattern.test(name))?.[1];
  return reason === undefined ? undefined : `saw ${shown(name)}, which is reserved: ${reason}`;
}

function valueMissing(isSecret: boolean): string {
  if (!isSecret) return 'is missing';
  return 'is missing: the value of a secret is not shown with its subscription and has to be written again; :getDeliveryAttributes tells it';
}

/** In words that do not repeat the value, which may be secret. */
function valueFault(value: string): string | undefined {
  const bytes = Buffer.byteLength(value);
  const most = limits.deliveryAttributeBytesMax;
  if (bytes > most) return `saw ${bytes} bytes, expected at most ${most}`;
  if (fitsHeader(value)) return undefined;
  return 'expected printable ASCII characters, with spaces only within: a header can hold nothing else';
}

function sourceFieldFault(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  const most = limits.sourceFieldBytesMax;
  if (bytes > most) return `saw ${bytes} bytes, expected at most ${most}`;
  const segments = path.replace(/^\$\./, '').split('.');
  if (segments.every((segment) => /^[^[\]*$]+$/.test(segment))) return undefined;
  return `saw ${shown(path)}, expected names with dots between, such as subject, data.order.id or $.data.order.id`;
}

/** Mappings without faults, as they are kept. */
export function mappingsOf(written: readonly WrittenMapping[]): readonly DeliveryAttributeMapping[] {
  return written.map(({ name, type, properties }) => {
    const { value, isSecret, sourceField } = properties;
    return type === 'Static'
      ? { name, type, properties: { value: value!, isSecret: isSecret ?? false } }
      : { name, type, properties: { sourceField: sourceField! } };
  });
}

/** As they are shown: Event Grid never shows secrets with the subscription. */
export function mappingsView(mappings: readonly DeliveryAttributeMapping[]): object[] {
  return mappings.map((mapping) =>
    mapping.type === 'Static' && mapping.properties.isSecret
      ? { ...mapping, properties: { ...mapping.properties, value: null } }
      : mapping,
  );
}
