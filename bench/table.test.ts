import { describe, expect, test } from '@jest/globals';
import { figure, renderTable, spread } from './table.js';

describe('renderTable', () => {
  test('pads every column to its widest cell', () => {
    const text = renderTable({
      title: 'Cost',
      columns: ['router', 'µs'],
      rows: [
        ['floor', '131'],
        ['a longer name', '7'],
      ],
    });
    expect(text).toBe(
      [
        'Cost:',
        '',
        '| router        | µs  |',
        '|---------------|-----|',
        '| floor         | 131 |',
        '| a longer name | 7   |',
      ].join('\n'),
    );
  });

  test('keeps a cell that holds a pipe in one piece', () => {
    expect(renderTable({ title: 't', columns: ['a'], rows: [['x|y']] })).toContain('| x\\|y |');
  });

  test('fills a short row with empty cells', () => {
    expect(renderTable({ title: 't', columns: ['a', 'b'], rows: [['1']] })).toContain('| 1   |     |');
  });
});

test.each([
  [0.4567, '0.457'],
  [1.5, '1.5'],
  [99.94, '99.9'],
  [863.4, '863'],
  [1_234_567, '1,234,567'],
  [Number.NaN, '–'],
])('figure(%d) is %s', (value, expected) => {
  expect(figure(value)).toBe(expected);
});

test('spread names the median and the extremes', () => {
  expect(spread(131, [140, 128, 131])).toBe('131 (128–140)');
});
