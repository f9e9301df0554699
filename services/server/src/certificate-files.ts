/**
 * The certificate and its key as files, which whoever renews them replaces while the server runs. They are looked at
 * again and again instead of being watched: that sees every way of replacing a file, by writing into it, by renaming
 * another over it, and by turning a link in the directories above it, as Kubernetes does, on every file system.
 */
import { hash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { TlsPair } from '@gridpost/gateway';
import type { Clock, Log } from '@gridpost/model';

export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
}

type Pair = { readonly cert: Buffer; readonly key: Buffer };

export class CertificateFiles {
  readonly #paths: CertificatePaths;
  readonly #clock: Clock;
  readonly #log: Log;
  /** What the last look found, good or not: a digest of the contents, or why there were none. */
  #seen: string | undefined;

  constructor(paths: CertificatePaths, clock: Clock, log: Log) {
    this.#paths = paths;
    this.#clock = clock;
    this.#log = log;
  }

  /** Rejects with a sentence if a file cannot be read or the two are no pair. */
  async read(): Promise<TlsPair> {
    const pair = await this.#load();
    this.#check(pair);
    this.#seen = markOf(pair);
    this.#announce(pair, 'serving HTTPS');
    return pair;
  }

  /**
   * One look. Calls `use` with what is new and good; the rest is logged once, and the pair in use stays. Never rejects.
   */
  async renewed(use: (pair: TlsPair) => void): Promise<void> {
    const found = await this.#load().catch((error: Error) => error.message);
    const mark = typeof found === 'string' ? found : markOf(found);
    if (mark === this.#seen) return;
    this.#seen = mark;
    try {
      if (typeof found === 'string') throw new Error(found);
      this.#check(found);
      use(found);
      this.#announce(found, 'the certificate was renewed');
    } catch (error) {
      this.#log.error(
        { error: (error as Error).message },
        'the new certificate is not used; the one before stays',
      );
    }
  }

  async #load(): Promise<Pair> {
    const [cert, key] = await Promise.all([
      readNamed('GRIDPOST_TLS_CERT', this.#paths.cert),
      readNamed('GRIDPOST_TLS_KEY', this.#paths.key),
    ]);
    return { cert, key };
  }

  #check(pair: Pair): void {
    try {
      createSecureContext(pair);
    } catch (error) {
      const { cert, key } = this.#paths;
      throw new Error(
        `GRIDPOST_TLS_CERT (${cert}) and GRIDPOST_TLS_KEY (${key}) are not a certificate and its key in PEM: ${(error as Error).message}`,
      );
    }
  }

  #announce({ cert }: Pair, message: string): void {
    const { subject, validTo } = new X509Certificate(cert);
    const isOver = Date.parse(validTo) <= this.#clock.now();
    if (isOver)
      this.#log.warn({ subject, validTo }, `${message}; it has expired, and clients will refuse it`);
    else this.#log.info({ subject, validTo }, message);
  }
}

function markOf({ cert, key }: Pair): string {
  return `${hash('sha256', cert)} ${hash('sha256', key)}`;
}

async function readNamed(setting: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`${setting} cannot be read: ${(error as Error).message}`);
  }
}
