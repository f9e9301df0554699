import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Fifo } from './fifo.js';

test('gives back what it was given, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer()), { maxLength: 200 }), (steps) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === null) expect(fifo.shift()).toBe(model.shift());
        else {
          fifo.push(step);
          model.push(step);
        }
        expect(fifo.size).toBe(model.length);
        expect(fifo.first).toBe(model[0]);
      }
      expect([...fifo]).toEqual(model);
    }),
  );
});
