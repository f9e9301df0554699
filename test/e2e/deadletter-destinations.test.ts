/** Dead letters written to where a subscription wants them, by the running product, also when it is killed over it. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ObjectStore } from '@gridpost/model/testing';
import { type Api, eventOf, expectStatus, subscriptionBody, subscriptionPath } from '../support/api.js';
import { type Deployment, describeStores } from '../support/deployment.js';
import type { Settings } from '../support/server.js';
import { type Sink, startSink } from '../support/sink.js';
import { atEnd, temporaryDirectory } from '../support/teardown.js';
import { until } from '../support/waiting.js';

const account = { region: 'eu-central-1', accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'not/a+secret=' };

interface Document {
  readonly id: string;
}

describeStores('dead-letter destinations', (topology) => {
  let deployment: Deployment;
  let api: Api;
  let sink: Sink;
  let objects: ObjectStore;
  let root: string;
  let settings: Settings;

  beforeAll(async () => {
    objects = await new ObjectStore(account).listen();
    atEnd(() => objects.close());
    root = join(temporaryDirectory(), 'letters');
    mkdirSync(root);
    settings = {
      GRIDPOST_DEAD_LETTER_DELAY_SECONDS: '0',
      GRIDPOST_DEAD_LETTER_DIRECTORY: root,
      GRIDPOST_DEAD_LETTER_S3_ENDPOINT: objects.url,
      GRIDPOST_DEAD_LETTER_S3_REGION: account.region,
      GRIDPOST_DEAD_LETTER_S3_ACCESS_KEY_ID: account.accessKeyId,
      GRIDPOST_DEAD_LETTER_S3_SECRET_ACCESS_KEY: account.secretAccessKey,
    };
    deployment = await topology.start(undefined, settings);
    api = deployment.api;
    sink = await startSink();
    sink.replyAt('/refusing', { status: 400 });
  });
  afterAll(() => deployment?.stop());

  const destinations = {
    directory: () => ({ endpointType: 'Directory', properties: { path: 'kept' } }),
    objects: () => ({ endpointType: 'S3', properties: { bucket: 'letters' } }),
    hook: () => ({ endpointType: 'WebHook', properties: { endpointUrl: sink.url('/letters') } }),
  };

  const subscribe = (topic: string, name: string, deadLetterDestination: object): Promise<void> =>
    api.putSubscription(topic, name, {
      url: sink.url('/refusing'),
      properties: { deadLetterDestination },
    });

  /** Every document that has arrived in files of a subscription, in objects, or in requests to a path. */
  const arrived = {
    directory: (topic: string) =>
      readdirSync(root, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.startsWith(`kept/${topic}/`) && file.endsWith('.json'))
        .flatMap((file) => documentsIn(readFileSync(join(root, file)))),
    objects: (topic: string) =>
      [...objects.objects]
        .filter(([name]) => name.startsWith(`letters/${topic}/`))
        .flatMap(([, body]) => documentsIn(body)),
    hook: (_: string) => sink.on('/letters').flatMap(({ body }) => documentsIn(body)),
  };
  const documentsIn = (body: Buffer): Document[] => JSON.parse(body.toString()) as Document[];
  const idsIn = (documents: readonly Document[]): string[] =>
    [...new Set(documents.map(({ id }) => id))].sort();

  test('what an endpoint refuses appears as arrays in the directory, in the bucket and at the webhook', async () => {
    await api.putTopic('written');
    for (const [name, destination] of Object.entries(destinations))
      await subscribe('written', name, destination());
    const ids = Array.from({ length: 12 }, (_, i) => `w${i}`).sort();
    for (const id of ids) await api.accept('written', eventOf({ id, data: { id } }));
    for (const name of Object.keys(destinations) as (keyof typeof destinations)[]) {
      await until(`all are written by way of ${name}`, () => idsIn(arrived[name]('written')).length === 12);
      const documents = arrived[name]('written');
      expect(idsIn(documents)).toEqual(ids);
      expect(documents[0]).toMatchObject({
        specversion: '1.0',
        deadletterreason: 'UndeliverableDueToBadRequest',
        deliveryattempts: 1,
        lastdeliveryoutcome: 'BadRequest',
      });
      await until(
        `${name} lists none any more`,
        async () => (await api.deadLetters('written', name)).length === 0,
      );
    }
    for (const destination of ['Directory', 'S3', 'WebHook'])
      await deployment.counted('gridpost_deadletters_written_total', 12, { destination });
    expect(objects.errors).toEqual([]);
    // Every process has the secret, and none shows it.
    const log = deployment.servers.flatMap(({ log }) => log).join('\n');
    expect(log).not.toContain(account.secretAccessKey);
  });

  test('what the settings do not name is refused, and nothing can be written beside the directory', async () => {
    await api.putTopic('barred');
    for (const path of ['../outside', '/etc', 'a/../../b']) {
      const destination = { endpointType: 'Directory', properties: { path } };
      const body = subscriptionBody({
        url: sink.url('/refusing'),
        properties: { deadLetterDestination: destination },
      });
      const answer = await api.send('PUT', subscriptionPath('barred', 'hook'), body);
      expectStatus(answer, 400);
      expect(answer.body.toString()).toContain('/properties/deadLetterDestination/properties/path');
    }
  });

  test('a worker that is killed while they are being taken has them written again, under the same id', async () => {
    await api.putTopic('killed');
    sink.replyAt('/killed', 'silence');
    await subscribe('killed', 'hook', {
      endpointType: 'WebHook',
      properties: { endpointUrl: sink.url('/killed') },
    });
    await api.accept('killed', eventOf({ id: 'k' }));
    const [first] = await sink.received('/killed');
    for (const server of deployment.servers) server.kill('SIGKILL');
    await Promise.all(deployment.servers.map(({ exited }) => exited));
    sink.replyAt('/killed', { status: 200 });
    deployment = await topology.start(deployment.ground, settings);
    api = deployment.api;
    const receipts = await sink.received('/killed', 2, 60_000);
    for (const { headers, body } of receipts) {
      expect(headers['webhook-id']).toBe(first!.headers['webhook-id']);
      expect(idsIn(documentsIn(body))).toEqual(['k']);
    }
    await until(
      'none is listed any more',
      async () => (await api.deadLetters('killed', 'hook')).length === 0,
    );
  });
});
