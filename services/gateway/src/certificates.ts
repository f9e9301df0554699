/** Certificates and keys in PEM, as they are written: whether they are what they are meant to be, and belong together. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** What is wrong with the text, in words that do not repeat it; undefined if nothing. */
export function certificatesFault(text: string): string | undefined {
  const certificates = certificatesIn(text);
  if (certificates === undefined) return 'expected certificates in PEM, one after another, and nothing else';
  return contextFault({ ca: text });
}

/** As `certificatesFault`, of the certificate that stands first, the rest of its chain, and its key. */
export function clientCertificateFaults(
  certificate: string,
  privateKey: string | undefined,
): { readonly certificate?: string; readonly privateKey?: string } {
  const chain = certificatesIn(certificate);
  if (chain === undefined)
    return {
      certificate: 'expected a certificate in PEM, perhaps with the rest of its chain, and nothing else',
    };
  if (privateKey === undefined) return {};
  const key = keyIn(privateKey);
  if (!key) return { privateKey: 'expected one private key in PEM, without a passphrase' };
  if (!chain[0]!.checkPrivateKey(key)) return { privateKey: 'is not the key of the certificate' };
  const fault = contextFault({ cert: certificate, key: privateKey });
  return fault === undefined ? {} : { certificate: fault };
}

/** Undefined if there is none, or anything else. */
function certificatesIn(text: string): readonly X509Certificate[] | undefined {
  const blocks = text.match(block);
  if (!blocks || text.replace(block, '').trim() !== '') return undefined;
  try {
    return blocks.map((each) => new X509Certificate(each));
  } catch {
    return undefined;
  }
}

function keyIn(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined;
  }
}

/** What OpenSSL says to all of it together, such as that a key is too short to be secure. */
function contextFault(options: Parameters<typeof createSecureContext>[0]): string | undefined {
  try {
    createSecureContext(options);
    return undefined;
  } catch (error) {
    const { reason } = error as { reason?: string };
    return `cannot be used: ${reason ?? 'OpenSSL refuses it'}`;
  }
}
