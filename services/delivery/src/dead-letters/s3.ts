/** Batches as objects of S3, or of what speaks its protocol; the bucket is in the path, which all of them understand. */
import { createHash } from 'node:crypto';
import type { Clock } from '@gridpost/model';
import { AwsV4Signer } from 'aws4fetch';
import type { Batch } from './batch.js';
import type { BatchRequest } from './requests.js';

export interface S3Account {
  /** Scheme, host and port. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The signed request that puts an object. Replaces what is there under the key. */
export async function putObject(
  account: S3Account,
  bucket: string,
  key: string,
  { contentType, body }: Batch,
  clock: Clock,
): Promise<BatchRequest> {
  const { endpoint, region, accessKeyId, secretAccessKey } = account;
  const signer = new AwsV4Signer({
    method: 'PUT',
    url: `${endpoint}/${bucket}/${key}`,
    // Signed with the rest, so that nobody on the way can put another body under it.
    headers: {
      'content-type': contentType,
      'x-amz-content-sha256': createHash('sha256').update(body).digest('hex'),
    },
    body: new Uint8Array(),
    service: 's3',
    region,
    accessKeyId,
    secretAccessKey,
    datetime: new Date(clock.now()).toISOString().replace(/[-:]|\.\d{3}/g, ''),
  });
  const { url, headers } = await signer.sign();
  return { url, method: 'PUT', headers: [...headers].flat(), body, reasonIn: codeIn };
}

/** It says why in an element of its own. */
function codeIn(excerpt: string): string {
  return /<Code>(\w{1,64})<\/Code>/.exec(excerpt)?.[1] ?? '';
}
