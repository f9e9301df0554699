/** Events for tests, made from plain objects. */
import { type AttributeValue, type Event, frameEvent } from '@gridpost/model';

export interface EventParts {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** JSON data. Absent: none. */
  readonly data?: unknown;
}

export function eventWith({ attributes = {}, data }: EventParts = {}): Event {
  const all = { specversion: '1.0', id: '1', source: '/s', type: 't', ...attributes };
  const body = data === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(data));
  return frameEvent({
    form: 'binary',
    attributes: Object.entries(all).map(([name, value]) => ({ name, value })),
    dataKind: data === undefined ? 'none' : 'json',
    dataAt: 0,
    dataLength: body.length,
    body,
  });
}
