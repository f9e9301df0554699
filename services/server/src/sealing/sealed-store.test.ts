import { expect, test } from '@jest/globals';
import type { Log } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { MemoryStore } from '@gridpost/store';
import { type SealedStore, sealStore } from './sealed-store.js';

const first = 'first-key-of-at-least-32-characters';
const second = 'second-key-of-at-least-32-characters';
const root = 'root-key-of-at-least-32-characters';
const path = 'topics/orders/eventsubscriptions/billing';
const never = (): boolean => false;

/** A subscription with a canary at every place of a secret. */
const subscription = {
  name: 'billing',
  properties: {
    destination: {
      endpointType: 'WebHook',
      properties: {
        endpointUrl: 'https://example.com/?code=CANARY-url',
        key: 'CANARY-key',
        deliveryAttributeMappings: [
          { name: 'a', type: 'Dynamic', properties: { sourceField: 'subject' } },
          { name: 'b', type: 'Static', properties: { value: 'CANARY-header', isSecret: true } },
        ],
      },
    },
    deadLetterDestination: {
      endpointType: 'WebHook',
      properties: {
        endpointUrl: 'https://example.com/?code=CANARY-dead',
        credentials: { type: 'bearer', token: 'CANARY-letters' },
      },
    },
  },
};

interface Setup {
  readonly memory: MemoryStore;
  readonly warnings: string[];
  open(settings: { secretsKey?: string[]; rootKey?: string }): Promise<SealedStore>;
  /** All that is stored, as text. */
  raw(): Promise<string>;
}

function setup(): Setup {
  const memory = new MemoryStore({ clock: new FakeClock() });
  const warnings: string[] = [];
  const nothing = (): void => undefined;
  const log: Log = {
    ...{ debug: nothing, info: nothing, error: nothing },
    warn: (_, message) => void warnings.push(message),
  };
  return {
    ...{ memory, warnings },
    open: (settings) => sealStore(memory, settings, log),
    raw: async () => JSON.stringify(await memory.resources.list('', undefined, 1_000)),
  };
}

const keys = (...secretsKey: string[]): { secretsKey: string[] } => ({ secretsKey });

test('every secret is sealed in the store and open above it, however it is read', async () => {
  const { open, raw, warnings } = setup();
  const { store } = await open(keys(first));
  const { resources } = store;
  await resources.put(path, subscription);
  const stored = await raw();
  expect(stored).not.toContain('CANARY');
  expect(stored).toContain('"name":"billing"');
  expect(stored.match(/"sealed":/g)).toHaveLength(2 + 5);
  const opened = { path, value: subscription };
  expect(await resources.get(path)).toMatchObject(opened);
  expect(await resources.list('topics/', undefined, 10)).toMatchObject([opened]);
  const { documents } = await resources.changes(0);
  expect(documents.find((each) => each.path === path)).toMatchObject(opened);
  expect(warnings).toEqual([]);
});

test('the same value is sealed differently each time', async () => {
  const { memory, open } = setup();
  const { resources } = (await open(keys(first))).store;
  await resources.put(path, subscription);
  const once = await memory.resources.get(path);
  await resources.put(path, subscription);
  expect(await memory.resources.get(path)).not.toMatchObject({ value: once!.value as object });
});

test('conditions are those of the store', async () => {
  const { open } = setup();
  const { resources } = (await open(keys(first))).store;
  const created = await resources.put(path, subscription, { ifNoneMatch: '*' });
  expect(created.kind).toBe('created');
  expect((await resources.put(path, subscription, { ifNoneMatch: '*' })).kind).toBe('preconditionFailed');
  const { etag } = (await resources.get(path))!;
  expect((await resources.put(path, subscription, { ifMatch: etag })).kind).toBe('replaced');
  expect((await resources.put(path, subscription, { ifMatch: etag })).kind).toBe('preconditionFailed');
  expect(await resources.remove(path, { ifMatch: etag })).toBe('preconditionFailed');
  expect(await resources.remove(path)).toBe('removed');
});

test('what was moved to another document, or changed, is not opened', async () => {
  const { memory, open } = setup();
  const { resources } = (await open(keys(first))).store;
  await resources.put(path, subscription);
  const { value } = (await memory.resources.get(path))!;
  await memory.resources.put('topics/orders/eventsubscriptions/other', value);
  await expect(resources.get('topics/orders/eventsubscriptions/other')).rejects.toThrow(
    /^topics\/orders\/eventsubscriptions\/other at \/properties\/destination\/properties\/endpointUrl was changed/,
  );
  const text = JSON.stringify(value);
  const at = text.indexOf('"sealed":"') + 40;
  const flipped = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
  await memory.resources.put(path, JSON.parse(flipped));
  await expect(resources.get(path)).rejects.toThrow(/was changed since it was sealed/);
  await expect(resources.changes(0)).rejects.toThrow(/was changed since it was sealed/);
});

test.each<[string, object, object]>([
  ['another key', keys(first), keys(second)],
  ['no key any more', keys(first), {}],
  ['another root key', { rootKey: root }, { rootKey: second }],
  ['no root key any more', { rootKey: root }, {}],
])('%s ends the start with a sentence, and nothing is served', async (_, before, after) => {
  const { open } = setup();
  await open(before);
  await expect(open(after)).rejects.toThrow(
    /^the secrets in the store were sealed with another key: secrets\/\w+ at .* Set GRIDPOST_SECRETS_KEY/,
  );
});

test('a key is rotated by putting the new one behind, then in front, then alone', async () => {
  const { open, memory } = setup();
  const before = await open(keys(first));
  await before.store.resources.put(path, subscription);
  const { etag } = (await memory.resources.get(path))!;
  const behind = await open(keys(first, second));
  await behind.store.resources.changes(0);
  await behind.reseal(never);
  expect((await memory.resources.get(path))!.etag).toBe(etag);

  const front = await open(keys(second, first));
  await front.store.resources.changes(0);
  await front.reseal(never);
  expect((await memory.resources.get(path))!.etag).not.toBe(etag);

  const alone = await open(keys(second));
  expect(await alone.store.resources.get(path)).toMatchObject({ value: subscription });
  expect((await alone.store.resources.changes(0)).documents.length).toBeGreaterThan(1);
});

test('what is plain is opened as it is, and sealed at the next start or write', async () => {
  const { memory, open, raw } = setup();
  await memory.resources.put(path, subscription);
  await memory.resources.put('secrets/root', { key: Buffer.from(root).toString('base64') });
  const { store, rootKey, reseal } = await open(keys(first));
  expect(rootKey.toString()).toBe(root);
  expect(await store.resources.get(path)).toMatchObject({ value: subscription });
  expect(await raw()).toContain('CANARY');
  await reseal(never);
  expect(await raw()).not.toContain('CANARY');
  expect(await raw()).not.toContain(Buffer.from(root).toString('base64'));
  expect(await store.resources.get(path)).toMatchObject({ value: subscription });
});

test('sealing again stops when it is told to, and leaves what others write', async () => {
  const { memory, open, raw } = setup();
  await memory.resources.put(path, subscription);
  const { store, reseal } = await open(keys(first));
  await store.resources.changes(0);
  await reseal(() => true);
  expect(await raw()).toContain('CANARY');
  await store.resources.remove(path);
  await reseal(never);
  expect(await store.resources.get(path)).toBeUndefined();
});

test('without a setting the key lies beside what it seals, which is said; a later key takes over', async () => {
  const { memory, open, raw, warnings } = setup();
  const before = await open({});
  expect(warnings).toEqual([expect.stringMatching(/^neither GRIDPOST_SECRETS_KEY nor GRIDPOST_ROOT_KEY/)]);
  await before.store.resources.put(path, subscription);
  expect(await raw()).not.toContain('CANARY');
  const { key } = (await memory.resources.get('secrets/root'))!.value as { key: string };
  expect(key).toBe(before.rootKey.toString('base64'));

  const after = await open(keys(first));
  await after.store.resources.changes(0);
  await after.reseal(never);
  expect(after.rootKey).toEqual(before.rootKey);
  expect(await raw()).not.toContain(key);
  expect(await after.store.resources.get(path)).toMatchObject({ value: subscription });
  await expect(open({})).rejects.toThrow(/sealed with another key: secrets\/root/);
});

test('a configured root key seals where there is no other', async () => {
  const { open, raw, warnings } = setup();
  const { store, rootKey } = await open({ rootKey: root });
  expect(rootKey.toString()).toBe(root);
  await store.resources.put(path, subscription);
  expect(await raw()).not.toContain('CANARY');
  expect(warnings).toEqual([]);
  const both = await open({ rootKey: root, secretsKey: [first] });
  expect(await both.store.resources.get(path)).toMatchObject({ value: subscription });
});
