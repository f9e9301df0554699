import { expect, test } from '@jest/globals';
import { describeWithRedis } from './deployment.js';
import { exchange } from './http.js';
import { startSingleRedis } from './redis.js';

describeWithRedis('a Redis of the test’s own', () => {
  test('keeps its data and its port through a kill, and can be frozen', async () => {
    const redis = await startSingleRedis();
    const say = (words: string) => exchange(`http://127.0.0.1:${redis.port}`, `${words}\r\nQUIT\r\n`, 200);
    expect(await say('SET a 1')).toMatch(/^\+OK/);
    await redis.kill();
    await expect(say('GET a')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await redis.restart();
    expect(await say('GET a')).toMatch(/^\$1\r\n1/);
    redis.freeze();
    expect(await say('GET a')).toBe('');
    redis.thaw();
    expect(await say('GET a')).toMatch(/^\$1\r\n1/);
    await redis.stop();
    await redis.stop();
  });
});
