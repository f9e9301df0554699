/**
 * Compares what a store keeps of deliveries with itself: every record with the queues, the uses of payloads and the counts
 * of subscriptions that must agree with it; and the attempt log's blocks with what is charged for them. What the port does not show, such as a payload that nobody needs any more, is
 * found here.
 */
import { deepEqual } from 'node:assert/strict';
import { chargedBlockBytes, chargedBytes } from '@gridpost/store';
import { eachKey } from './nodes.js';

const notHeld = 255;
const chunkBytesMax = 4_096;

/** What records say, and what is stored, in the same words. */
class Books {
  readonly #lines = new Map<string, number>();

  add(line: string, count = 1): void {
    this.#lines.set(line, (this.#lines.get(line) ?? 0) + count);
  }

  get lines(): string[] {
    return [...this.#lines].flatMap(([line, count]) => (count === 0 ? [] : [`${line} ${count}`])).sort();
  }
}

/** Throws where a store of this prefix, which nobody is using, disagrees with itself. */
export async function audit(url: string, prefix: string): Promise<void> {
  const due = new Books();
  const stored = new Books();
  await eachKey(url, prefix, async (node, key) => {
    const [, base, name, of] = /^(\{.*?\}):(\w+)(?::(.*))?$/.exec(key) ?? [];
    if (name === 'held') auditEntry(base!, of!, await node.hgetallBuffer(key), due, stored);
    if (of !== undefined && ['due', 'age', 'dead'].includes(name!))
      for (const member of await node.zrange(key, '0', '-1')) stored.add(`${base} ${name} ${of} ${member}`);
    if (name === 'attempts' && of !== undefined)
      for (const [, [, block]] of await node.xrangeBuffer(key, '-', '+'))
        for (const part of of === 'failures' ? [of, 'all'] : ['all'])
          due.add(`${base} attempts ${part}`, chargedBlockBytes(block!.length));
    if (name === 'attempts' && of === undefined)
      for (const part of ['failures', 'all'])
        stored.add(`${base} attempts ${part}`, Number(await node.hget(key, part)));
    if (name === 'usage')
      for (const [field, count] of Object.entries(await node.hgetall(key)))
        stored.add(`${base} usage ${field}`, Number(count));
  });
  deepEqual(stored.lines, due.lines);
}

function auditEntry(
  base: string,
  entry: string,
  fields: Record<string, Buffer>,
  due: Books,
  stored: Books,
): void {
  const facts = fields[':']!;
  const count = facts[0]!;
  const chunkOf = (index: number) => facts[1 + index]!;
  const chargeOf = (index: number) => facts.readUInt32LE(1 + count + 4 * index);
  const member = (number: number) => `${entry}${String(number).padStart(3, '0')}`;
  const here = `${base} ${entry}`;
  const use = (index: number) => due.add(`${here} uses of chunk ${chunkOf(index)}`);
  for (let at = 1 + 5 * count, chunk = 0; at < facts.length; at += 4, chunk++)
    stored.add(`${here} uses of chunk ${chunk}`, facts.readUInt32LE(at));
  for (const [field, value] of Object.entries(fields)) {
    const [, subscription, kind, number] = /^(\w*)([:.@]?)(\d*)$/.exec(field)!;
    if (kind === '') {
      due.add(`${base} age ${subscription} ${entry}`);
      const open = [...value.entries()].filter(([, run]) => run !== notHeld);
      for (const run of new Set(open.map(([, name]) => name))) {
        due.add(`${base} due ${subscription} ${member(run)}`);
        due.add(`${here} run ${subscription} ${run}`);
      }
      for (const [index] of open) {
        use(index);
        due.add(`${base} usage ${subscription}`, chargeOf(index));
        due.add(`${base} usage ${subscription}:open`);
      }
    } else if (kind === '.') {
      due.add(`${base} dead ${subscription} ${member(Number(number))}`);
      due.add(`${base} usage ${subscription}:dead`, chargeOf(Number(number)));
      use(Number(number));
    } else if (kind === '@') auditChunk(`${here} chunk ${number}`, value, Number(number));
    else if (number !== '') stored.add(`${here} run ${subscription} ${number}`);
  }

  function auditChunk(line: string, chunk: Buffer, number: number): void {
    const indexes = Array.from({ length: count }, (_, index) => index).filter((i) => chunkOf(i) === number);
    let at = 0;
    for (const index of indexes) {
      const frame = chunk.readUInt32LE(at + 1 + chunk[at]!);
      due.add(`${line} charge of ${index}`, chargedBytes(frame));
      stored.add(`${line} charge of ${index}`, chargeOf(index));
      at += 1 + chunk[at]! + 4 + frame;
    }
    due.add(`${line} bytes`, at);
    stored.add(`${line} bytes`, chunk.length);
    if (indexes.length > 1 && at > chunkBytesMax) throw new Error(`${line}: ${at} bytes`);
    // A chunk is there exactly while it is used.
    due.add(`${line} used`);
    if (facts.readUInt32LE(1 + 5 * count + 4 * number) > 0) stored.add(`${line} used`);
  }
}
