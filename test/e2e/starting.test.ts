/** What a server refuses to start with, and how it says so. */
import { expect, test } from '@jest/globals';
import { runServer, startServer } from '../support/server.js';
import { temporaryDirectory } from '../support/teardown.js';

const embedded = () => `lmdb:${temporaryDirectory()}`;

test('listening beyond loopback without an admin key is refused', async () => {
  const { code, stderr } = await runServer({ GRIDPOST_STORE: embedded(), GRIDPOST_HOST: '0.0.0.0' });
  expect(code).toBe(2);
  expect(stderr).toContain('GRIDPOST_ADMIN_KEY');
});

test('listening beyond loopback with an admin key is allowed', async () => {
  const server = await startServer({
    GRIDPOST_STORE: embedded(),
    GRIDPOST_HOST: '0.0.0.0',
    GRIDPOST_ADMIN_KEY: 'an-admin-key-of-some-length',
  });
  expect((await server.stop()).code).toBe(0);
});

test('everything wrong with the settings is said at once, and no secret repeated', async () => {
  const { code, stdout, stderr } = await runServer({
    GRIDPOST_STORE: 'postgres://user:hunter2@db',
    GRIDPOST_PORT: 'eighty',
    GRIDPOST_DURABILITY: 'eternal',
    GRIDPOST_ADMIN_KEY: 'short',
    GRIDPOST_DRAIN_SECONDS: '-1',
  });
  expect(code).toBe(2);
  for (const name of ['STORE', 'PORT', 'DURABILITY', 'ADMIN_KEY', 'DRAIN_SECONDS'])
    expect(stderr).toContain(`GRIDPOST_${name}`);
  expect(stdout + stderr).not.toMatch(/hunter2|"short"/);
});

test('a durability that the store does not offer is refused', async () => {
  const { code, stderr } = await runServer({
    GRIDPOST_STORE: embedded(),
    GRIDPOST_DURABILITY: 'replicated',
  });
  expect(code).toBe(2);
  expect(stderr).toContain('GRIDPOST_DURABILITY');
});

test('a data directory belongs to one process at a time', async () => {
  const settings = { GRIDPOST_STORE: embedded() };
  const first = await startServer(settings);
  const { code, stderr } = await runServer(settings);
  expect(code).toBe(1);
  expect(stderr).toMatch(/another process|in use|already open/i);
  expect(await first.stop()).toEqual({ code: 0, signal: null });
  const next = await startServer(settings);
  next.kill();
  await next.exited;
  // The owner that was killed left its mark behind; it is not mistaken for a living one.
  expect((await (await startServer(settings)).stop()).code).toBe(0);
});

test('a port that is taken ends the start with a sentence', async () => {
  const first = await startServer({ GRIDPOST_STORE: embedded() });
  const { code, stderr } = await runServer({
    GRIDPOST_STORE: embedded(),
    GRIDPOST_PORT: String(first.port),
  });
  expect(code).toBe(1);
  expect(stderr).toContain('EADDRINUSE');
  expect(stderr).not.toContain('    at ');
});

test('a store that cannot be reached ends the start with a sentence', async () => {
  const { code, stderr } = await runServer({ GRIDPOST_STORE: 'redis://127.0.0.1:1' });
  expect(code).toBe(1);
  expect(stderr).toContain('127.0.0.1:1');
  expect(stderr).not.toContain('    at ');
});

test('logs are JSON lines on standard error, and standard output is for people', async () => {
  const server = await startServer({ GRIDPOST_STORE: embedded(), GRIDPOST_PROT: '1' });
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  const lines = server.log.map((line) => JSON.parse(line) as { msg: string });
  expect(lines.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining([expect.stringContaining('GRIDPOST_PORT'), 'draining', 'stopped']),
  );
});
