import { expect, test } from '@jest/globals';
import { limits } from '@gridpost/model';
import { createHttpServer } from './http-server.js';
import { adminKey, serve } from './testing/serve.js';

test('slow clients are given up on within 15 s, where Node would wait for minutes', () => {
  const server = createHttpServer();
  expect(server.headersTimeout).toBe(10_000);
  expect(server.requestTimeout).toBe(30_000);
  expect(server.keepAliveTimeout).toBe(65_000);
});

test('an answer that has been given is not spoilt by what the client sends after it', async () => {
  const { admin, connect } = await serve();
  await admin('PUT', '/topics/orders');
  const { socket, closed, until } = connect();
  socket.write(
    `POST /topics/orders:publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminKey}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const size = limits.requestBytesMax + 1;
  socket.write(`${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`);
  await until('PayloadTooLarge');
  socket.write('this is no chunk\r\n');
  const answer = await closed;
  expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413']);
  expect(answer.endsWith('}')).toBe(true);
});
