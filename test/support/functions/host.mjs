/**
 * Hosts an app on `@azure/functions` behind the Event Grid extension's webhook, as Azure Functions does (the extension's
 * source, `EventGridExtensionConfigProvider` and `HttpRequestProcessor`): the key first, then the function's name, then
 * what `aeg-event-type` says. The package is the official one; what it wants of its host is `@azure/functions-core`.
 *
 * Usage: node host.mjs KEY
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import Module from 'node:module';

const [key] = process.argv.slice(2);
const functions = new Map();
let model;

const core = {
  version: '1.0.0',
  registerFunction(metadata, callback) {
    functions.set(metadata.name.toLowerCase(), { metadata, callback });
    return { dispose() {} };
  },
  setProgrammingModel(given) {
    model = given;
  },
  registerHook: () => ({ dispose() {} }),
  log() {},
  Disposable: class {},
};
const load = Module._load;
Module._load = (request, ...rest) =>
  request === '@azure/functions-core' ? core : load.call(Module, request, ...rest);

await import('./app.mjs');

const triggerOf = ({ metadata }) =>
  Object.entries(metadata.bindings).find(([, { type }]) => type === 'eventGridTrigger')?.[0];

async function invoke({ metadata, callback }, event) {
  const name = triggerOf({ metadata });
  const inputData = [{ name, data: { json: JSON.stringify(event) } }];
  const request = { invocationId: randomUUID(), inputData, triggerMetadata: {} };
  const invocation = model.getInvocationModel({
    invocationId: request.invocationId,
    metadata,
    request,
    log() {},
    state: undefined,
  });
  const { context, inputs } = await invocation.getArguments();
  const result = await invocation.invokeFunction(context, inputs, callback);
  await invocation.getResponse(context, result);
}

async function answer(request, body) {
  const url = new URL(request.url, 'http://host');
  if (url.pathname.toLowerCase() !== '/runtime/webhooks/eventgrid') return { status: 404 };
  if ((request.headers['x-functions-key'] ?? url.searchParams.get('code')) !== key) return { status: 401 };
  const functionName = url.searchParams.get('functionName') ?? '';
  const found = functions.get(functionName.toLowerCase());
  if (!found || !triggerOf(found)) return { status: 404, body: `cannot find function: '${functionName}'` };
  if (request.method === 'OPTIONS') {
    return { status: 200, headers: { 'WebHook-Allowed-Origin': request.headers['webhook-request-origin'] } };
  }
  switch (request.headers['aeg-event-type']) {
    case 'SubscriptionValidation': {
      const [{ data }] = JSON.parse(body);
      return { status: 200, body: JSON.stringify({ validationResponse: data.validationCode }) };
    }
    case 'Notification':
      try {
        await Promise.all([JSON.parse(body)].flat().map((event) => invoke(found, event)));
        return { status: 202 };
      } catch (error) {
        return { status: 500, body: error.message };
      }
    case 'Unsubscribe':
      return { status: 202 };
    default:
      return { status: 400 };
  }
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    const { status, headers = {}, body = '' } = await answer(request, Buffer.concat(chunks).toString());
    response.writeHead(status, headers).end(body);
  });
});
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
