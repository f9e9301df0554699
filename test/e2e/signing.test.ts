/** Signed deliveries of whole servers, verified by a library that is not ours and by the example in the documentation. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { eventOf, expectStatus, subscriptionBody, subscriptionPath } from '../support/api.js';
import { describeStores } from '../support/deployment.js';
import { type Receipt, startSink } from '../support/sink.js';

const example = join(import.meta.dirname, '..', '..', 'docs', 'examples', 'verify.mjs');
const { isFromGridpost } = (await import(pathToFileURL(example).href)) as {
  isFromGridpost(key: string, headers: object, body: Buffer, now?: number): boolean;
};

test('the example stands in the documentation as it is tested here', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'security.md'), 'utf8');
  expect(page).toContain(readFileSync(example, 'utf8'));
});

const topic = 'signed';
const withSecret = (url: string, scheme: string): object =>
  subscriptionBody({ url, properties: { signing: { scheme }, retryPolicy: { delaysInSeconds: [1] } } });

const verified = (secret: string, { headers, body }: Receipt): boolean => {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
};

describeStores('signed deliveries', (topology) => {
  test('are verified across retries, a rotation and a restart', async () => {
    const deployment = await topology.start();
    const { api } = deployment;
    const sink = await startSink();
    await api.putTopic(topic);
    interface Shown {
      readonly secret: string;
      readonly publicKey: string;
    }
    const shown = async (name: string, scheme: string): Promise<Shown> => {
      const answer = await api.send(
        'PUT',
        subscriptionPath(topic, name),
        withSecret(sink.url(`/${name}`), scheme),
      );
      expectStatus(answer, 201);
      return answer.json<{ properties: { signing: Shown } }>().properties.signing;
    };
    const { secret: first } = await shown('hmac', 'v1');
    const { publicKey } = await shown('ed25519', 'v1a');

    let failing = true;
    sink.reply(() => ({ status: failing ? 503 : 200 }));
    await api.accept(topic, eventOf({ id: 'a' }));
    await sink.received('/hmac');
    await sink.received('/ed25519');
    failing = false;
    const retried = await sink.received('/hmac', 2, 60_000);
    const [edReceipt] = await sink.received('/ed25519');
    expect(new Set(retried.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    for (const each of retried) expect(verified(first, each)).toBe(true);
    const changed = {
      ...retried[0]!,
      body: Buffer.from(retried[0]!.body.toString().replace('/test', '/tesT')),
    };
    expect(verified(first, changed)).toBe(false);

    for (const [key, { headers, body }] of [
      [first, retried[0]!],
      [publicKey, edReceipt!],
    ] as const) {
      const at = Number(headers['webhook-timestamp']) * 1_000;
      expect(isFromGridpost(key, headers, body, at)).toBe(true);
      expect(isFromGridpost(key, headers, changed.body, at)).toBe(false);
      for (const shift of [-360_000, 360_000])
        expect(isFromGridpost(key, headers, body, at + shift)).toBe(false);
      expect(isFromGridpost(first.replace(/.{4}=$/, 'AAA='), headers, body, at)).toBe(false);
    }

    const rotated = await api.send('POST', `${subscriptionPath(topic, 'hmac')}:rotateSecret`, {});
    expectStatus(rotated, 200);
    const { secret: second } = rotated.json<Shown>();
    await deployment.stopServers();
    const again = await topology.start(deployment.ground);
    await again.api.accept(topic, eventOf({ id: 'b' }));
    const [both] = await sink.received(({ path, event }) => path === '/hmac' && event.attributes.id === 'b');
    expect([first, second].map((secret) => verified(secret, both!))).toEqual([true, true]);
    expectStatus(
      await again.api.send('POST', `${subscriptionPath(topic, 'hmac')}:rotateSecret`, {
        overlapInSeconds: 0,
      }),
      200,
    );
    await again.api.accept(topic, eventOf({ id: 'c' }));
    const [neither] = await sink.received(
      ({ path, event }) => path === '/hmac' && event.attributes.id === 'c',
    );
    expect([first, second].map((secret) => verified(secret, neither!))).toEqual([false, false]);
    await again.stop();
  });
});
