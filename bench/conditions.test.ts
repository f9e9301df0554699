import { describe, expect, test } from '@jest/globals';
import { describeConditions, fileSystemOf } from './conditions.js';

const mounts = [
  '/dev/vda / ext4 rw 0 0',
  'tmpfs /tmp tmpfs rw 0 0',
  '/dev/vdb /tmp/disk xfs rw 0 0',
  'overlay /tmp/disk overlay rw 0 0',
  '',
].join('\n');

describe('fileSystemOf', () => {
  test.each([
    ['/home/bench', 'ext4'],
    ['/tmp', 'tmpfs'],
    ['/tmp/bench', 'tmpfs'],
    ['/tmpfile', 'ext4'],
    ['/tmp/disk/bench', 'overlay'],
  ])('of %s is %s', (path, type) => {
    expect(fileSystemOf(path, mounts)).toBe(type);
  });

  test('of nothing that is mounted is unknown', () => {
    expect(fileSystemOf('/x', '')).toBe('unknown');
  });
});

test('conditions are told in one line', () => {
  const line = describeConditions({
    date: '2026-03-01T10:00:00.000Z',
    commit: 'abc1234567+',
    cpu: 'Some CPU',
    cores: 2,
    memoryBytes: 8 * 1024 ** 3,
    kernel: '6.1.0',
    node: 'v20.20.2',
    redis: '7.0.15',
    fileSystem: 'ext4',
    loadBefore: 0.123,
    rounds: 5,
  });
  expect(line).toBe(
    '2026-03-01, commit abc1234567+, 5 runs. Some CPU, 2 cores, 8 GiB, Linux 6.1.0, stores on ext4; ' +
      'Node v20.20.2, Redis 7.0.15; load before the run 0.12.',
  );
});
