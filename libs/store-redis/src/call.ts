/**
 * One command on its way to Redis: ioredis's `Command`, with what ioredis does not tell and what it does slowly.
 *
 * - It remembers the socket it was written to, so that a failure can be classified: what was never written is certainly
 *   not stored (`failure.ts`), and a confirmation must be asked for on the very connection that wrote (`durability.ts`).
 * - Once given up it is never executed. ioredis writes queued commands after their promise has been rejected; a call that
 *   was given up writes a PING in its place, which keeps requests and replies paired.
 * - It encodes itself with one copy, and the calls of one tick leave in one system call: at 1 KiB per append that halves
 *   the client's CPU time.
 * - It keeps its arguments out of `Command.args`, which ioredis attaches to every error: they are users' data.
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { InBag } from '@gridpost/model';
import { Command } from 'ioredis';
import type { Key } from './keys.js';

export type Argument = string | Buffer;

/** A Lua script: constant text, run by its digest, with one key that names the slot; all its keys derive from that one. */
export class Script {
  readonly text: string;
  readonly #evalsha: string;
  readonly #heads = new Map<string, string>();

  constructor(text: string) {
    this.text = text;
    const digest = createHash('sha1').update(text).digest('hex');
    this.#evalsha = `$7\r\nevalsha\r\n$40\r\n${digest}\r\n$1\r\n1\r\n`;
  }

  /** Command, digest, number of keys and key, encoded; kept, since there are only as many as partitions. */
  head(key: string): string {
    let head = this.#heads.get(key);
    if (head === undefined) {
      head = `${this.#evalsha}$${key.length}\r\n${key}\r\n`;
      this.#heads.set(key, head);
    }
    return head;
  }
}

/** Words that `head` stands for: command, digest or text, number of keys, key. */
const scriptWords = 4;
const ping = '*1\r\n$4\r\nPING\r\n';

export class Call extends Command implements InBag {
  /** The connection the call was last written to. */
  socket: Socket | undefined;
  /** When it was made, on the watch of its link (`link.ts`), in ms. */
  madeAt = 0;
  bagIndex = -1;
  readonly #key: string;
  readonly #head: string;
  readonly #headWords: number;
  readonly #words: readonly Argument[];
  #givenUp = false;

  private constructor(
    name: string,
    key: string,
    head: string,
    headWords: number,
    words: readonly Argument[],
  ) {
    super(name, [], {});
    this.#key = key;
    this.#head = head;
    this.#headWords = headWords;
    this.#words = words;
  }

  /** Runs a script by its digest, which the server may not know (`NOSCRIPT`). */
  static script(script: Script, key: Key, args: readonly Argument[]): Call {
    return new Call('evalsha', key, script.head(key), scriptWords, args);
  }

  /** Runs a script by its text, after which the server knows it. */
  static scriptText({ text }: Script, key: Key, args: readonly Argument[]): Call {
    return new Call('eval', key, '', 0, ['eval', text, '1', key, ...args]);
  }

  static command(name: string, ...args: readonly Argument[]): Call {
    return new Call(name, '', '', 0, [name, ...args]);
  }

  /** A command on a key, which a cluster is routed by. */
  static keyed(name: string, key: Key, ...args: readonly Argument[]): Call {
    return new Call(name, key, '', 0, [name, key, ...args]);
  }

  /** Rejects now. If it has been written its connection is cut, since replies come in order; otherwise it never will be. */
  giveUp(error: Error): void {
    this.#givenUp = true;
    this.socket?.destroy();
    this.reject(error);
  }

  /** Routing by key, for `Cluster`. */
  override getKeys(): (string | Buffer)[] {
    return this.#key ? [this.#key] : [];
  }

  /** ioredis's timer per command: the watch takes its place. */
  override setTimeout(): void {}

  override toWritable(socket: Socket): string | Buffer {
    if (this.#givenUp) return ping;
    this.socket = socket;
    if (!socket.writableCorked) {
      socket.cork();
      process.nextTick(uncork, socket);
    }
    return encode(this.#head, this.#headWords, this.#words);
  }
}

function uncork(socket: Socket): void {
  socket.uncork();
}

/** RESP: `*count`, then `$length` and the bytes of each word. */
function encode(head: string, headWords: number, words: readonly Argument[]): Buffer {
  const start = `*${headWords + words.length}\r\n${head}`;
  const lengths = new Array<number>(words.length);
  let size = Buffer.byteLength(start);
  for (let i = 0; i < words.length; i++) {
    const length = Buffer.byteLength(words[i]!);
    lengths[i] = length;
    size += length + 5 + digits(length);
  }
  const wire = Buffer.allocUnsafe(size);
  let cursor = wire.write(start, 0);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    cursor += wire.write(`$${lengths[i]}\r\n`, cursor, 'latin1');
    cursor += typeof word === 'string' ? wire.write(word, cursor) : word.copy(wire, cursor);
    wire[cursor++] = 13;
    wire[cursor++] = 10;
  }
  return wire;
}

function digits(length: number): number {
  let count = 1;
  for (let left = length; left >= 10; left /= 10) count++;
  return count;
}
