import { expect, test } from '@jest/globals';
import { rolesIn } from './token-roles.js';

const names = { reader: 'r', operator: 'o', admin: 'a', consumer: 'c' };

test.each<[string, object, object]>([
  ['roles', { roles: ['r'] }, { role: 'reader' }],
  ['roles', { roles: ['a', 'r', 'x'] }, { role: 'admin' }],
  ['roles', { roles: ['x', 'o', 'r'] }, { role: 'operator' }],
  ['roles', { roles: ['c'] }, { consumer: true }],
  ['roles', { roles: ['c', 'r'] }, { role: 'reader', consumer: true }],
  ['scope', { scope: 'openid o c' }, { role: 'operator', consumer: true }],
  ['https://gridpost.example/roles', { 'https://gridpost.example/roles': ['a'] }, { role: 'admin' }],
  ['/realm_access/roles', { realm_access: { roles: ['a'] } }, { role: 'admin' }],
  ['/a~1b/c~0d', { 'a/b': { 'c~d': 'r' } }, { role: 'reader' }],
  ['roles', {}, {}],
  ['roles', { roles: [] }, {}],
  ['roles', { roles: ['admin', 'A', 'ar', ['a'], null, { a: 'a' }] }, {}],
  ['roles', { roles: 'admin-a a,r' }, {}],
  ['roles', { roles: { a: true } }, {}],
  ['roles', { roles: 1 }, {}],
  ['realm.roles', { realm: { roles: ['a'] } }, {}],
  ['/realm/roles', { realm: ['a'] }, {}],
  ['/realm/roles/0', { realm: { roles: ['a'] } }, {}],
  ['constructor', {}, {}],
  ['/__proto__/a', {}, {}],
])('the claim %s of %j gives %j', (claim, claims, expected) => {
  expect(rolesIn(claims, { claim, names })).toEqual(expected);
});
