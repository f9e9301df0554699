/**
 * As much of an object store as takes objects (Amazon S3, PutObject, path-style) on a free port, and only under a right
 * signature. It is computed here anew, from AWS's description of it alone ("Create a signed AWS API request", SigV4).
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ObjectStoreAccount {
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export class ObjectStore {
  /** By bucket and key, with a slash between. */
  readonly objects = new Map<string, Buffer>();
  /** Buckets and keys of all requests that were answered 200, in order. */
  readonly puts: string[] = [];
  /** Codes of the errors answered, in order. */
  readonly errors: string[] = [];
  /** Answers every request with this error while it is set. */
  down: string | undefined;
  readonly #account: ObjectStoreAccount;
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();

  constructor(account: ObjectStoreAccount) {
    this.#account = account;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('error', () => undefined);
      request.on('end', () => {
        const error = this.#put(request, Buffer.concat(chunks));
        if (error === undefined) response.writeHead(200).end();
        else {
          this.errors.push(error);
          response.writeHead(error === 'SlowDown' ? 503 : 403, { 'content-type': 'application/xml' });
          response.end(`<?xml version="1.0"?><Error><Code>${error}</Code></Error>`);
        }
        for (const check of this.#waiting) check();
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  /** Resolves as soon as `condition` holds; it is looked at after each request. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const check = (): void => {
          this.#waiting.delete(check);
          resolve();
        };
        this.#waiting.add(check);
      });
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #put(request: IncomingMessage, body: Buffer): string | undefined {
    if (this.down !== undefined) return this.down;
    if (request.method !== 'PUT') return 'MethodNotAllowed';
    const error = this.#refusal(request, body);
    if (error !== undefined) return error;
    const name = decodeURIComponent(request.url!.slice(1));
    this.objects.set(name, body);
    this.puts.push(name);
    return undefined;
  }

  #refusal({ method, url, headers }: IncomingMessage, body: Buffer): string | undefined {
    const shape =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/;
    const [, id, day, region, names, given] = shape.exec(headers.authorization ?? '') ?? [];
    if (!id || !day || !region || !names || !given) return 'AccessDenied';
    if (id !== this.#account.accessKeyId) return 'InvalidAccessKeyId';
    if (region !== this.#account.region) return 'AuthorizationHeaderMalformed';
    const signed = names.split(';');
    for (const needed of ['host', 'x-amz-content-sha256', 'x-amz-date'])
      if (!signed.includes(needed)) return 'AccessDenied';
    const hash = sha256(body);
    if (headers['x-amz-content-sha256'] !== hash) return 'XAmzContentSHA256Mismatch';
    const date = String(headers['x-amz-date']);
    if (!/^\d{8}T\d{6}Z$/.test(date) || !date.startsWith(day)) return 'AccessDenied';
    const canonical = [
      method,
      url!,
      '',
      ...signed.map((name) => `${name}:${String(headers[name]).trim()}`),
      '',
      names,
      hash,
    ].join('\n');
    const scope = `${day}/${region}/s3/aws4_request`;
    const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(Buffer.from(canonical))].join('\n');
    const key = [day, region, 's3', 'aws4_request'].reduce<Buffer>(
      (secret, part) => hmac(secret, part),
      Buffer.from(`AWS4${this.#account.secretAccessKey}`),
    );
    const right = timingSafeEqual(hmac(key, toSign), Buffer.from(given, 'hex'));
    return right ? undefined : 'SignatureDoesNotMatch';
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
