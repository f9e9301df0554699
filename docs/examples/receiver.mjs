// A webhook receiver to try Gridpost with: answers 204 and prints each event. `node docs/examples/receiver.mjs [port]`
import http from 'node:http';

const port = Number(process.argv[2] ?? 9000);
const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const attributes = Object.entries(request.headers).filter(([name]) => name.startsWith('ce-'));
    for (const [name, value] of attributes) console.log(`${name}: ${value}`);
    console.log(Buffer.concat(chunks).toString());
    response.writeHead(204).end();
  });
});
server.listen(port, '127.0.0.1', () => console.log(`waiting for webhooks on http://127.0.0.1:${port}/`));
