/**
 * A secret of its own in every place there is for one; then everything is used that could let one out, and all that came
 * out is searched: answers, logs, metrics, dead letters, and the bytes of the store. Endpoints repeat whatever they get.
 */
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { makeCertificate, ObjectStore } from '@gridpost/model/testing';
import { Api, eventOf, expectStatus, publishPath, subscriptionPath } from '../support/api.js';
import { canary, type Evidence, filesIn, sightings } from '../support/canaries.js';
import { type Deployment, describeStores } from '../support/deployment.js';
import type { Answer, Call } from '../support/http.js';
import { runServer } from '../support/server.js';
import { agreement, type Receipt, startSink } from '../support/sink.js';
import { atEnd, temporaryDirectory } from '../support/teardown.js';
import { until } from '../support/waiting.js';

const topic = 'watched';
const group = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg';
const armPath = `${group}/providers/Microsoft.EventGrid/topics/${topic}/eventSubscriptions`;

describeStores('no secret comes out', (topology) => {
  test('of the API, logs, metrics, dead letters or the store, whatever happens', async () => {
    const pem = makeCertificate();
    const signingBytes = (): string => `whsec_${Buffer.from(canary()).toString('base64')}`;
    const secrets: Record<string, string> = {
      adminKey: canary(),
      rootKey: canary(),
      secretsKey: canary(),
      s3Secret: canary(),
      appKey: canary(),
      urlCode: canary(),
      deadLetterCode: canary(),
      functionKey: canary(),
      header: canary(),
      bearer: canary(),
      password: canary(),
      clientSecret: canary(),
      lettersToken: canary(),
      lettersPassword: canary(),
      issuedToken: canary(),
      wrongAdminKey: canary(),
      wrongTopicKey: canary(),
      malformed: canary(),
      privateKey: pem.key.split('\n')[1]!,
      ownSigning: signingBytes(),
      rotatedSigning: signingBytes(),
    };
    /** What is no secret stands everywhere: a search that does not find it finds nothing. */
    const planted = canary();

    const objects = await new ObjectStore({
      region: 'eu-central-1',
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: secrets.s3Secret!,
    }).listen();
    atEnd(() => objects.close());
    const letters = join(temporaryDirectory(), 'letters');
    mkdirSync(letters);
    const sink = await startSink();
    const settings = {
      GRIDPOST_LOG_LEVEL: 'debug',
      GRIDPOST_ADMIN_KEY: secrets.adminKey!,
      GRIDPOST_ROOT_KEY: secrets.rootKey!,
      GRIDPOST_SECRETS_KEY: secrets.secretsKey!,
      GRIDPOST_EGRESS_ALLOW: '127.0.0.0/8',
      GRIDPOST_FUNCTION_APPS: JSON.stringify({ shop: { url: sink.url(''), key: secrets.appKey } }),
      GRIDPOST_DEAD_LETTER_DELAY_SECONDS: '0',
      GRIDPOST_DEAD_LETTER_DIRECTORY: letters,
      GRIDPOST_DEAD_LETTER_S3_ENDPOINT: objects.url,
      GRIDPOST_DEAD_LETTER_S3_REGION: 'eu-central-1',
      GRIDPOST_DEAD_LETTER_S3_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      GRIDPOST_DEAD_LETTER_S3_SECRET_ACCESS_KEY: secrets.s3Secret!,
    };

    const issuer = await startSink();
    issuer.reply({
      status: 200,
      body: JSON.stringify({ access_token: secrets.issuedToken, token_type: 'bearer' }),
    });
    const statusOf = (path: string): number =>
      path.includes('-ok') ? 200 : path.includes('-retry') ? 500 : 400;
    sink.reply((receipt) => ({ status: statusOf(receipt.path), body: echo(receipt) }));
    const secureUrl = await startSecureSink(pem, (path) => statusOf(path));

    const evidence: Evidence[] = [];
    const deployments: Deployment[] = [];
    let deployment = await topology.start(undefined, settings);
    deployments.push(deployment);
    const ground = deployment.ground;
    /** Asks any gateway, and keeps the answer. */
    const ask = async (
      method: string,
      path: string,
      body?: unknown,
      {
        shows,
        headers,
        key = secrets.adminKey,
      }: { shows?: string[]; headers?: Call['headers']; key?: string } = {},
    ): Promise<Answer> => {
      const { gateways } = deployment;
      const api = new Api(gateways[evidence.length % gateways.length]!.url, key);
      const answer = await api.send(method, path, body, headers);
      const bytes = Buffer.concat([Buffer.from(JSON.stringify(answer.headers)), answer.body]);
      evidence.push({ where: `${method} ${path} ${answer.status}`, bytes, ...(shows ? { shows } : {}) });
      return answer;
    };

    expectStatus(await ask('PUT', `/topics/${topic}`, { properties: {}, tags: { planted } }), 201);
    const keys = (await ask('GET', `/topics/${topic}/keys`)).json<{ key1: string; key2: string }>();
    evidence.pop();
    const manager = (await ask('PUT', '/keys/watcher', { role: 'admin' })).json<{ keys: typeof keys }>().keys;
    evidence.pop();
    Object.assign(secrets, {
      key1: keys.key1,
      key2: keys.key2,
      manager1: manager.key1,
      manager2: manager.key2,
    });

    // Each kind of secret at an endpoint that takes events, one that refuses them, and one that fails.
    const url = (name: string): string => sink.url(`/${name}?code=${secrets.urlCode}`);
    const hook = (more: object, at = url): ((name: string) => object) => {
      return (name) => ({ endpointType: 'WebHook', properties: { endpointUrl: at(name), ...more } });
    };
    const functionName = (name: string): string => name.replace('byId', 'by');
    const kinds: Record<string, (name: string) => object> = {
      plain: hook({
        deliveryAttributeMappings: [
          { name: 'x-secret', type: 'Static', properties: { value: secrets.header, isSecret: true } },
        ],
      }),
      bearer: hook({ credentials: { type: 'bearer', token: secrets.bearer } }),
      basic: hook({ credentials: { type: 'basic', username: 'me', password: secrets.password } }),
      oauth2: hook({
        credentials: {
          type: 'oauth2',
          tokenUrl: issuer.url('/token'),
          clientId: 'me',
          clientSecret: secrets.clientSecret,
        },
      }),
      certificate: hook(
        {
          credentials: { type: 'clientCertificate', certificate: pem.cert, privateKey: pem.key },
          tls: { caCertificates: pem.cert },
        },
        (name) => `${secureUrl}/${name}?code=${secrets.urlCode}`,
      ),
      function: (name) => ({
        endpointType: 'AzureFunction',
        properties: { endpointUrl: sink.url('/'), functionName: name, key: secrets.functionKey },
      }),
      byId: (name) => ({
        endpointType: 'AzureFunction',
        properties: {
          resourceId: `${group}/providers/Microsoft.Web/sites/shop/functions/${functionName(name)}`,
        },
      }),
    };
    const deadLetterDestinations: Record<string, object> = {
      plain: { endpointType: 'Directory', properties: { path: 'kept' } },
      bearer: { endpointType: 'S3', properties: { bucket: 'letters' } },
      basic: {
        endpointType: 'WebHook',
        properties: {
          endpointUrl: sink.url(`/letters-ok?code=${secrets.deadLetterCode}`),
          credentials: { type: 'bearer', token: secrets.lettersToken },
          signed: true,
        },
      },
      oauth2: {
        endpointType: 'WebHook',
        properties: {
          endpointUrl: sink.url(`/letters-retry?code=${secrets.deadLetterCode}`),
          credentials: { type: 'basic', username: 'me', password: secrets.lettersPassword },
        },
      },
    };
    const names = Object.keys(kinds).flatMap((kind) => ['ok', 'bad', 'retry'].map((end) => `${kind}-${end}`));
    const bodyOf = (name: string): object => {
      const [kind] = name.split('-') as [string];
      const deadLetterDestination = deadLetterDestinations[kind];
      return {
        properties: {
          destination: kinds[kind]!(name),
          ...(deadLetterDestination ? { deadLetterDestination } : {}),
          ...(name === 'plain-ok' ? { signing: { scheme: 'v1', secret: secrets.ownSigning } } : {}),
          ...(name === 'bearer-ok' ? { signing: { scheme: 'v1' } } : {}),
          ...(kind === 'basic' ? { signing: { scheme: 'v1a' } } : {}),
        },
      };
    };
    const made = async (name: string, path: string, body?: unknown): Promise<void> => {
      const method = path.endsWith(':rotateSecret') ? 'POST' : 'PUT';
      const answer = await ask(method, path, body);
      expectStatus(answer, 200, 201);
      const { secret } =
        answer.json<{ properties?: { signing?: { secret?: string } }; secret?: string }>().properties
          ?.signing ?? answer.json<{ secret?: string }>();
      if (secret === undefined) return;
      // Meant to be shown, once.
      evidence.pop();
      secrets[name] = secret;
    };
    for (const name of names) await made(`${name} signing`, subscriptionPath(topic, name), bodyOf(name));
    await made('rotated signing', `${subscriptionPath(topic, 'bearer-ok')}:rotateSecret`, {});
    await made('own', `${subscriptionPath(topic, 'plain-ok')}:rotateSecret`, {
      secret: secrets.rotatedSigning,
    });
    expect(Object.keys(secrets)).toEqual(expect.arrayContaining(['bearer-ok signing', 'rotated signing']));

    // Refusals: each body with something wrong, and texts that are no body.
    for (const name of names.filter((each) => each.endsWith('-ok'))) {
      const { properties } = bodyOf(name) as { properties: { destination: { properties: object } } };
      for (const wrong of [{ attemptTimeoutInSeconds: 0 }, { credentials: { type: 'none' } }, { key: 1 }]) {
        const destination = {
          ...properties.destination,
          properties: { ...properties.destination.properties, ...wrong },
        };
        const answer = await ask('PUT', subscriptionPath(topic, 'refused'), {
          properties: { ...properties, destination },
        });
        expectStatus(answer, 400);
      }
      const text = JSON.stringify(bodyOf(name));
      expectStatus(await ask('PUT', subscriptionPath(topic, 'refused'), text.slice(0, -5)), 400);
      expectStatus(await ask('PUT', `${armPath}/refused?api-version=2025-02-15`, `${text}}`), 400);
    }
    expectStatus(await ask('PUT', subscriptionPath(topic, 'refused'), `{"a":"${secrets.malformed}`), 400);
    expectStatus(
      await ask('PUT', subscriptionPath(topic, 'refused'), {
        signing: { scheme: 'v1', secret: secrets.malformed },
      }),
      400,
    );
    for (const attemptTimeoutInSeconds of [30, 0]) {
      const template = {
        parameters: { url: { type: 'securestring' } },
        resources: [
          {
            type: 'Microsoft.EventGrid/topics/eventSubscriptions',
            name: `${topic}/templated`,
            properties: {
              destination: {
                endpointType: 'WebHook',
                properties: { endpointUrl: "[parameters('url')]", attemptTimeoutInSeconds },
              },
              signing: { scheme: 'v1' },
            },
          },
        ],
      };
      const deploying = {
        mode: 'Incremental',
        template,
        parameters: { url: { value: url('templated-ok') } },
      };
      const answer = await ask(
        'PUT',
        `${group}/providers/Microsoft.Resources/deployments/first?api-version=2021-04-01`,
        { properties: deploying },
      );
      expectStatus(answer, attemptTimeoutInSeconds === 0 ? 400 : 200);
      if (attemptTimeoutInSeconds === 0) continue;
      // Meant to be shown, once.
      evidence.pop();
      const [shown] = answer.json<{ properties: { signingSecrets: { secret: string }[] } }>().properties
        .signingSecrets;
      secrets['templated signing'] = shown!.secret;
    }
    expectStatus(await ask('GET', '/topics', undefined, { key: secrets.wrongAdminKey! }), 401);
    const publishing = { headers: { 'content-type': 'application/cloudevents+json' }, key: '' };
    const withKey = (key: string): typeof publishing => ({
      ...publishing,
      headers: { ...publishing.headers, ...{ 'aeg-sas-key': key } },
    });
    expectStatus(await ask('POST', publishPath(topic), eventOf(), withKey(secrets.wrongTopicKey!)), 401);
    await ask('POST', `${publishPath(topic)}?aeg-sas-key=${secrets.wrongTopicKey}`, eventOf(), publishing);

    // Deliveries that arrive, fail, and are given up.
    expectStatus(await ask('POST', publishPath(topic), eventOf({ id: planted }), withKey(keys.key1)), 200);
    const kept = ['certificate', 'function', 'byId'];
    for (const kind of kept) {
      await until(`${kind} is given up`, async () => {
        const answer = await ask('GET', `${subscriptionPath(topic, `${kind}-bad`)}/deadletters`);
        return answer.json<{ value: unknown[] }>().value.length > 0 && answer;
      });
      expect(evidence.at(-1)!.bytes.toString()).toContain('***');
    }
    await sink.received(({ path }) => path.startsWith('/letters-ok'));
    await sink.received(({ path }) => path.startsWith('/letters-retry'));
    await until('files are written', () => filesIn([letters]).length > 0 && objects.objects.size > 0);
    await deployment.counted('gridpost_deliveries_deferred_total', 1, { subscription: 'bearer-retry' });

    const look = async (): Promise<void> => {
      for (const name of names) {
        const path = subscriptionPath(topic, name);
        await ask('GET', path);
        await ask('GET', `${armPath}/${name}?api-version=2025-02-15`);
        await ask('GET', `${path}/deliveries`);
        await ask('POST', `${path}:explain`, { event: eventOf() });
        await ask('GET', `${path}/deadletters`);
        await ask('GET', `${path}/deliveries`);
        await ask('GET', `${path}/deadletters?format=eventgrid`);
        await ask('POST', `${path}:getFullUrl`, undefined, { shows: [secrets.urlCode!] });
        await ask('POST', `${path}:getDeliveryAttributes`, undefined, { shows: [secrets.header!] });
        await ask('POST', `${armPath}/${name}/getFullUrl?api-version=2025-02-15`, undefined, {
          shows: [secrets.urlCode!],
        });
      }
      for (const path of [
        ...[
          '/topics',
          `/topics/${topic}`,
          `/topics/${topic}/eventsubscriptions`,
          `${armPath}?api-version=2025-02-15`,
          `/topics/${topic}/events/${planted}`,
        ],
        ...['/metrics', '/readyz?verbose', '/openapi.json', '/nowhere', '/keys', '/keys/watcher'],
        `/topics/${topic}/events/${planted}`,
      ]) {
        await ask('GET', path);
        await ask('GET', path, undefined, { key: manager.key1 });
      }
    };
    await look();
    const answers = Buffer.concat(evidence.map(({ bytes }) => bytes)).toString();
    for (const sign of ['"token":null', '"privateKey":null', '"clientSecret":null', '"password":null'])
      expect(answers).toContain(sign);

    // With another key nothing is served; with the right one all is as it was.
    await deployment.stopServers();
    const wrong = await runServer({
      ...ground.settings,
      ...settings,
      GRIDPOST_SECRETS_KEY: canary(),
      GRIDPOST_ROLES: 'gateway,delivery',
    });
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('sealed with another key')]);
    evidence.push({ where: 'a start with another key', bytes: Buffer.from(wrong.stdout + wrong.stderr) });
    deployment = await topology.start(ground, settings);
    deployments.push(deployment);
    expectStatus(await ask('POST', publishPath(topic), eventOf({ id: 'again' }), withKey(keys.key2)), 200);
    await sink.received(({ path, body }) => path.includes('bearer-ok') && body.includes('"again"'));
    await look();
    expectStatus(
      await ask('POST', `${subscriptionPath(topic, 'function-bad')}/deadletters:redrive`, {}),
      202,
    );
    await ask('GET', '/jobs');
    expectStatus(await ask('DELETE', subscriptionPath(topic, 'plain-retry')), 204);
    await deployment.stopServers();

    for (const [index, { servers }] of deployments.entries())
      for (const { log, pid } of servers)
        evidence.push({ where: `log ${index} of ${pid}`, bytes: Buffer.from(log.join('\n')) });
    evidence.push(...filesIn([letters]));
    for (const [where, bytes] of objects.objects) evidence.push({ where: `object ${where}`, bytes });
    for (const { path, body } of sink.receipts)
      if (path.startsWith('/letters'))
        evidence.push({ where: `dead letters to ${path.split('?')[0]}`, bytes: body });
    const stored = filesIn(await ground.saved!());
    evidence.push(...stored);

    expect(sightings(secrets, evidence)).toEqual([]);
    // What endpoints were sent is what they had to be sent: it was all there to be let out.
    const sent = Buffer.from(sink.receipts.map(echo).join('\n'));
    const received = sightings(secrets, [{ where: 'sent', bytes: sent }]).map((each) => each.split(' ')[0]);
    expect(received).toEqual(
      expect.arrayContaining([
        'appKey',
        'urlCode',
        'functionKey',
        'header',
        'bearer',
        'password',
        'issuedToken',
        'lettersToken',
        'lettersPassword',
      ]),
    );

    const found = (some: readonly Evidence[]): number => sightings({ planted }, some).length;
    expect(found(stored)).toBeGreaterThan(0);
    for (const pattern of [
      /^GET \/topics\/watched 200$/,
      /^GET .*\/deliveries 200$/,
      /^GET \/topics\/watched\/events\/.* 200$/,
      /^log /,
      /letters\/kept/,
      /^object /,
      /^dead letters to/,
    ])
      expect([pattern, found(evidence.filter(({ where }) => pattern.test(where)))]).not.toEqual([pattern, 0]);
    await deployment.stop();
  }, 240_000);
});

test('the search finds a secret in each of its forms, and only there', () => {
  const secret = canary();
  const texts = [secret, Buffer.from(secret).toString('hex')];
  for (const before of ['', ':', 'me:', 'you:'])
    for (const encoding of ['base64', 'base64url'] as const)
      texts.push(Buffer.from(`${before}${secret}tail`).toString(encoding));
  for (const text of texts) {
    const bytes = Buffer.from(`"${text}"`);
    expect([text, sightings({ secret }, [{ where: 'here', bytes }])]).toEqual([text, ['secret in here']]);
    expect(sightings({ secret }, [{ where: 'here', bytes, shows: [secret] }])).toEqual([]);
    expect(sightings({ other: canary() }, [{ where: 'here', bytes }])).toEqual([]);
  }
});

/** What was received, what is secret first: of an answer that is a failure only the beginning is kept. */
function echo({ path, headers, body }: Pick<Receipt, 'path' | 'headers' | 'body'>): string {
  const { authorization, 'x-functions-key': key, 'x-secret': own, ...others } = headers;
  return [path, authorization, key, own, JSON.stringify(others), body].join(' ');
}

/** An endpoint that wants a client certificate, and repeats what it gets. */
async function startSecureSink(
  pem: ReturnType<typeof makeCertificate>,
  statusOf: (path: string) => number,
): Promise<string> {
  const server = createServer({ ...pem, ca: [pem.cert], requestCert: true }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, headers, url = '' } = request;
      const body = Buffer.concat(chunks);
      const yes = agreement({ method, headers, body });
      if (yes) response.writeHead(yes.status, yes.headers).end(yes.body);
      else response.writeHead(statusOf(url)).end(echo({ path: url, headers, body }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
