import { describe, expect, test } from '@jest/globals';
import { GridpostError } from '@gridpost/model';
import { type Definitions, Evaluation } from './evaluation.js';

const group = { subscription: '00000000-0000-0000-0000-000000000000', resourceGroup: 'rg' };
const groupId = `/subscriptions/${group.subscription}/resourceGroups/rg`;

const definitions: Definitions = {
  parameters: {
    name: { type: 'string' },
    count: { type: 'int', defaultValue: 3 },
    flag: { type: 'Bool', defaultValue: true },
    settings: { type: 'object', defaultValue: { url: 'https://example.com', sizes: [1, 2] } },
    list: { type: 'array', defaultValue: ['a', 'b'] },
    made: { type: 'string', defaultValue: "[concat(parameters('name'), '-', variables('suffix'))]" },
  },
  variables: { suffix: 'eu', nested: { deep: ["[parameters('name')]"] } },
  given: { Name: { value: 'orders' } },
};

const evaluate = (value: unknown, changes: Partial<Definitions> = {}): unknown =>
  new Evaluation({ ...definitions, ...changes }, group).evaluate(value, '/at');

function faultOf(value: unknown, changes: Partial<Definitions> = {}): [string, string][] {
  try {
    evaluate(value, changes);
  } catch (error) {
    if (error instanceof GridpostError) return error.errors.map(({ pointer, message }) => [pointer, message]);
    throw error;
  }
  return [];
}

test.each<[unknown, unknown]>([
  ['plain', 'plain'],
  ['', ''],
  ['[[kept]', '[kept]'],
  ['[not closed', '[not closed'],
  ['not opened]', 'not opened]'],
  ["[concat('a'", "[concat('a'"],
  [7, 7],
  [null, null],
  [{ a: ["[concat('x', 'y')]", { b: false }] }, { a: ['xy', { b: false }] }],
  ["['it''s']", "it's"],
  ["['']", ''],
  ['[-12]', -12],
  ["[ concat ( 'a' , 'b' ) ]", 'ab'],
  ["[parameters('name')]", 'orders'],
  ["[PARAMETERS('NAME')]", 'orders'],
  ["[parameters('count')]", 3],
  ["[parameters('flag')]", true],
  ["[parameters('made')]", 'orders-eu'],
  ["[parameters('settings').url]", 'https://example.com'],
  ["[parameters('settings').URL]", 'https://example.com'],
  ["[parameters('settings')['url']]", 'https://example.com'],
  ["[parameters('settings').sizes[1]]", 2],
  ["[parameters('list')[0]]", 'a'],
  ["[variables('nested').deep[0]]", 'orders'],
  ["[concat('a', 1, 'b', parameters('flag'))]", 'a1bTrue'],
  ["[concat(parameters('list'), parameters('settings').sizes)]", ['a', 'b', 1, 2]],
  ["[format('{0}-{1}-{0}', 'a', 7)]", 'a-7-a'],
  ["[format('{{0}} {0}', 'a')]", '{0} a'],
  [
    "[resourceId('Microsoft.EventGrid/topics', 'orders')]",
    `${groupId}/providers/Microsoft.EventGrid/topics/orders`,
  ],
  [
    "[resourceId('Microsoft.EventGrid/domains/topics', 'shop', 'north')]",
    `${groupId}/providers/Microsoft.EventGrid/domains/shop/topics/north`,
  ],
  [
    "[resourceId('other', 'Microsoft.EventGrid/topics', 'orders')]",
    `/subscriptions/${group.subscription}/resourceGroups/other/providers/Microsoft.EventGrid/topics/orders`,
  ],
  [
    "[resourceId('sub', 'other', 'Microsoft.EventGrid/topics', 'orders')]",
    '/subscriptions/sub/resourceGroups/other/providers/Microsoft.EventGrid/topics/orders',
  ],
  [
    "[extensionResourceId(resourceId('Microsoft.EventGrid/topics', 'orders'), 'Microsoft.EventGrid/eventSubscriptions', 'billing')]",
    `${groupId}/providers/Microsoft.EventGrid/topics/orders/providers/Microsoft.EventGrid/eventSubscriptions/billing`,
  ],
  ['[resourceGroup().id]', groupId],
  ['[resourceGroup().name]', 'rg'],
  ['[resourceGroup().location]', 'global'],
  ['[subscription().subscriptionId]', group.subscription],
  ['[subscription().id]', `/subscriptions/${group.subscription}`],
])('%j comes to %j', (value, expected) => expect(evaluate(value)).toEqual(expected));

test('uniqueString is 13 letters and digits that follow from the texts alone', () => {
  const one = evaluate('[uniqueString(resourceGroup().id)]');
  expect(one).toMatch(/^[a-z2-7]{13}$/);
  expect(evaluate('[uniqueString(resourceGroup().id)]')).toBe(one);
  expect(evaluate("[uniqueString(resourceGroup().id, '')]")).not.toBe(one);
  expect(evaluate("[uniqueString('ab', 'c')]")).not.toBe(evaluate("[uniqueString('a', 'bc')]"));
});

test.each<[string, RegExp]>([
  [
    '[reference(1)]',
    /^the function reference\(\) is not supported; those that are: parameters\(\), variables\(\), /,
  ],
  ["[listKeys('a', 'b').key1]", /^the function listKeys\(\) is not supported/],
  ['[newGuid()]', /^the function newGuid\(\) is not supported/],
  ['[constructor()]', /^the function constructor\(\) is not supported/],
  ["[parameters('nowhere')]", /^the template has no parameter "nowhere"$/],
  ["[parameters('__proto__')]", /^the template has no parameter/],
  ["[variables('nowhere')]", /^the template has no variable "nowhere"$/],
  ["[parameters('settings').nowhere]", /^there is no property "nowhere"$/],
  ["[parameters('settings').constructor]", /^there is no property/],
  ["[parameters('name').length]", /^there is no property/],
  ["[parameters('list')[2]]", /^there is no item "2"$/],
  ["[parameters('list')[-1]]", /^there is no item/],
  ["[parameters('list').length]", /^there is no property/],
  ['[subscription().displayName]', /^there is no property "displayName"$/],
  ['[parameters(1)]', /^parameters\(\) takes 1 text$/],
  ["[parameters('a', 'b')]", /^parameters\(\) takes 1 text$/],
  ['[resourceGroup(1)]', /^resourceGroup\(\) takes nothing$/],
  ['[concat()]', /^concat\(\) takes texts, or arrays$/],
  ["[concat('a', parameters('list'))]", /^concat\(\) takes texts, or arrays$/],
  ["[format('{0:N}', 1)]", /^format\(\) takes a text with \{0\}/],
  ["[format('{1}', 1)]", /^format\(\) takes/],
  ["[format('{0', 1)]", /^format\(\) takes/],
  ["[format('{0}', parameters('list'))]", /^format\(\) takes/],
  ['[format(1)]', /^format\(\) takes a text first$/],
  ["[resourceId('Microsoft.EventGrid/topics')]", /^resourceId\(\) takes 2 or more texts$/],
  ["[resourceId('a', 'b')]", /^resourceId\(\) takes a type and its names$/],
  ["[resourceId('Microsoft.EventGrid/domains/topics', 'shop')]", /^resourceId\(\) takes as many names/],
  ["[resourceId('a', 'b', 'c', 'Microsoft.EventGrid/topics', 'd')]", /^resourceId\(\) takes a type/],
  ['[]', /^is no expression from character 2 on$/],
  ['[name]', /^is no expression: saw the end, expected "\("$/],
  ["['a' 'b']", /^is no expression: saw 'b', expected the end$/],
  ["[concat('a',)]", /^is no expression: saw \), expected a text, a number or a function$/],
  ["['a]", /^is no expression from character 2 on$/],
  ["[parameters('settings').]", /expected a name$/],
  ["[parameters('list')[0]", /expected "\]"$/],
  ['[1.5]', /expected a name$/],
  [`[${'concat('.repeat(33)}'a'${')'.repeat(33)}]`, /^nests deeper than 32 levels$/],
])('%s is refused', (text, message) => {
  expect(faultOf({ member: [text] })).toEqual([['/at/member/0', expect.stringMatching(message)]]);
});

test('every wrong place is named', () => {
  expect(faultOf({ a: '[x()]', b: { '[c]': 1 }, d: ['[y()]'] }).map(([pointer]) => pointer)).toEqual([
    '/at/a',
    '/at/b/[c]',
    '/at/d/0',
  ]);
});

test('expressions may nest as deep as 32 levels', () => {
  expect(evaluate(`[${'concat('.repeat(31)}'a'${')'.repeat(31)}]`)).toBe('a');
});

describe('bounds', () => {
  const chain = (length: number, link: (before: string) => unknown): Record<string, unknown> =>
    Object.fromEntries(
      Array.from({ length }, (_, i) => [`v${i}`, i === 0 ? 'x' : link(`variables('v${i - 1}')`)]),
    );

  test('values that are made of themselves are refused', () => {
    const variables = { a: "[variables('b')]", b: "[concat(variables('a'))]" };
    expect(faultOf("[variables('a')]", { variables })).toEqual([
      ['/at', 'the variable "a" is made of itself'],
    ]);
    const parameters = { a: { type: 'string', defaultValue: "[parameters('A')]" } };
    expect(faultOf("[parameters('a')]", { parameters, given: {} })).toEqual([
      ['/at', 'the parameter "a" is made of itself'],
    ]);
  });

  test('50 values may be made of each other in a row, and no more', () => {
    const variables = chain(51, (before) => `[${before}]`);
    expect(evaluate("[variables('v49')]", { variables })).toBe('x');
    expect(faultOf("[variables('v50')]", { variables })).toEqual([
      ['/at', 'the variable "v0" ends a row of more than 50'],
    ]);
  });

  test.each<[string, (before: string) => unknown]>([
    ['texts', (before) => `[concat(${before}, ${before})]`],
    ['arrays', (before) => [`[${before}]`, `[${before}]`]],
    ['formats', (before) => `[format('${'{0}'.repeat(20)}', ${before})]`],
  ])('%s that double in each step are refused before they are large', (_, link) => {
    const variables = chain(40, link);
    expect(faultOf("[variables('v39')]", { variables })).toEqual([
      ['/at', expect.stringMatching(/comes to more than 4194304 characters$|at most 1048576 characters$/)],
    ]);
  });

  test('a wrong value that others are made of again and again is tried once', () => {
    const variables = { ...chain(40, (before) => [`[${before}]`, `[${before}]`]), v0: '[wrong()]' };
    expect(faultOf("[variables('v39')]", { variables })).toEqual([
      ['/at', expect.stringMatching(/^the function wrong/)],
    ]);
  });

  test('values that nest deeper and deeper are refused', () => {
    const variables = chain(40, (before) => ({ a: { b: `[${before}]` } }));
    expect(faultOf("[variables('v39')]", { variables })).toEqual([['/at', 'nests deeper than 64 levels']]);
  });
});

describe('parameters', () => {
  const faults = (parameter: object, value?: unknown): [string, string][] =>
    new Evaluation(
      {
        parameters: { one: parameter as { type: string } },
        variables: {},
        given: value === undefined ? {} : { one: { value } },
      },
      group,
    )
      .parameterFaults('/parameters', '/given')
      .map(({ pointer, message }) => [pointer, message]);

  test.each<[object, unknown]>([
    [{ type: 'string' }, ''],
    [{ type: 'SecureString' }, 'a'],
    [{ type: 'int' }, 1],
    [{ type: 'bool' }, false],
    [{ type: 'object' }, {}],
    [{ type: 'secureObject' }, { a: 1 }],
    [{ type: 'array' }, []],
    [{ type: 'string', allowedValues: ['a', 'b'] }, 'b'],
    [{ type: 'object', allowedValues: [{ a: 1 }] }, { a: 1 }],
    [{ type: 'int', minValue: 1, maxValue: 2 }, 1],
    [{ type: 'int', minValue: 1, maxValue: 2 }, 2],
    [{ type: 'string', minLength: 1, maxLength: 2 }, 'a'],
    [{ type: 'array', minLength: 1, maxLength: 2 }, [1, 2]],
  ])('%j takes %j', (parameter, value) => expect(faults(parameter, value)).toEqual([]));

  test.each<[object, unknown, string, string]>([
    [{ type: 'string' }, undefined, '/parameters/one', 'has neither a value nor a default'],
    [{ type: 'string' }, 1, '/given/one', 'is not of its type string'],
    [{ type: 'string' }, null, '/given/one', 'is not of its type string'],
    [{ type: 'int' }, 1.5, '/given/one', 'is not of its type int'],
    [{ type: 'int' }, '1', '/given/one', 'is not of its type int'],
    [{ type: 'bool' }, 'true', '/given/one', 'is not of its type bool'],
    [{ type: 'object' }, [], '/given/one', 'is not of its type object'],
    [{ type: 'array' }, {}, '/given/one', 'is not of its type array'],
    [{ type: 'text' }, 'a', '/given/one', 'has the type "text", which is none of string, securestring'],
    [{ type: 'constructor' }, 'a', '/given/one', 'has the type "constructor", which is none of'],
    [{ type: 'string', allowedValues: ['a'] }, 'hunter2', '/given/one', 'is none of its allowedValues'],
    [{ type: 'int', minValue: 1 }, 0, '/given/one', 'is less than its minValue 1'],
    [{ type: 'int', maxValue: 2 }, 3, '/given/one', 'is more than its maxValue 2'],
    [{ type: 'string', minLength: 1 }, '', '/given/one', 'is shorter than its minLength 1'],
    [{ type: 'string', maxLength: 2 }, 'hunter2', '/given/one', 'is longer than its maxLength 2'],
    [{ type: 'array', minLength: 1 }, [], '/given/one', 'is shorter than its minLength 1'],
    [{ type: 'int', defaultValue: 'a' }, undefined, '/parameters/one', 'is not of its type int'],
  ])('%j does not take %j', (parameter, value, pointer, message) => {
    expect(faults(parameter, value)).toEqual([
      [pointer, expect.stringContaining(`the parameter "one" ${message}`)],
    ]);
    expect(JSON.stringify(faults(parameter, value))).not.toContain('hunter2');
  });

  test('that the template does not have are refused', () => {
    const evaluation = new Evaluation({ parameters: {}, variables: {}, given: { two: { value: 1 } } }, group);
    expect(evaluation.parameterFaults('/parameters', '/given')).toEqual([
      { pointer: '/given/two', message: 'is no parameter of the template' },
    ]);
  });
});
