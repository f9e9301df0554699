import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { directed, messageIdOf, originalOf } from './directed.js';
import { Event, frameEvent } from './event.js';
import { type Direction, messageId } from './place.js';

const place = { partition: 3, entry: '1700000000000-0', index: 7 };
const original = { entry: '1600000000000-5', index: 127, acceptedAt: 1_600_000_000_000 };
const full: Direction = { only: 'abc', cause: 'replayed', job: '0mf4k2x1a-8c1d0e2f', original };

function eventOf(body: Buffer): Event {
  return frameEvent({
    form: 'binary',
    attributes: [
      { name: 'id', value: 'ü' },
      { name: 'count', value: 3 },
    ],
    dataKind: body.length > 0 ? 'bytes' : 'none',
    dataAt: 0,
    dataLength: body.length,
    body,
  });
}

test('a direction changes nothing of an event, whatever its bytes, and can be replaced', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const event = eventOf(Buffer.from(bytes));
      let copy = event;
      for (const direction of [full, { only: 'another', cause: 'resent' } as const, { ...full, job: 'ü' }]) {
        copy = new Event(Buffer.from(directed(copy, direction).frame));
        expect(copy.direction).toEqual(direction);
        expect(copy.attributes()).toEqual(event.attributes());
        expect(copy.body.equals(event.body)).toBe(true);
        expect(copy.data).toEqual(event.data);
        expect([copy.form, copy.dataKind]).toEqual([event.form, event.dataKind]);
      }
      expect(event.direction).toBeUndefined();
    }),
  );
});

test('its message id and its acceptance are those of its first place, if it has one', () => {
  const event = eventOf(Buffer.from('x'));
  expect(messageIdOf(event, place, 'sub')).toBe(messageId(place, 'sub'));
  expect(originalOf(event, place, 5)).toEqual({ entry: place.entry, index: 7, acceptedAt: 5 });
  const again = directed(event, full);
  expect(messageIdOf(again, place, 'sub')).toBe(messageId({ partition: 3, ...original }, 'sub'));
  expect(originalOf(again, place, 5)).toEqual(original);
  const edited = directed(event, { only: 'abc', cause: 'resent' });
  expect(messageIdOf(edited, place, 'sub')).toBe(messageId(place, 'sub'));
});
