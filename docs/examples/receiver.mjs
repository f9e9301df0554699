// A webhook receiver to try Gridpost with: agrees to get events, answers 204 to each and prints it.
// `node docs/examples/receiver.mjs [port]`
import http from 'node:http';

const port = Number(process.argv[2] ?? 9000);
const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString();
    const { headers } = request;
    // Both handshakes (docs/validation.md): here whoever asks may send.
    if (request.method === 'OPTIONS') {
      response.writeHead(200, { 'WebHook-Allowed-Origin': headers['webhook-request-origin'] ?? '*' }).end();
      return;
    }
    if (headers['aeg-event-type'] === 'SubscriptionValidation') {
      response.end(JSON.stringify({ validationResponse: JSON.parse(body)[0].data.validationCode }));
      return;
    }
    const attributes = Object.entries(headers).filter(([name]) => name.startsWith('ce-'));
    for (const [name, value] of attributes) console.log(`${name}: ${value}`);
    console.log(body);
    response.writeHead(204).end();
  });
});
server.listen(port, '127.0.0.1', () => console.log(`waiting for webhooks on http://127.0.0.1:${port}/`));
