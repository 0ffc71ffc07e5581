// The check of a certificate signing request that came to the CA (proxies make theirs in `signing-request.ts`). PEM text in, a public
// key or names out.
import { MeshError } from '../errors.ts';
import { x509 } from './x509.ts';

/** No request of a known key type comes near this. */
const maxRequestBytes = 16_384;

/**
 * The key that the request asks to have certified, after proof that the sender holds it. Names in it are not trusted.
 * @throws MeshError RESOURCE_INVALID
 */
export async function readSigningRequest(csrPem: string): Promise<x509.PublicKey> {
  const request = parse(csrPem);
  const verified = await request.verify().catch((cause: unknown) => {
    throw invalid(`its signature cannot be checked: ${String(cause)}`, cause);
  });
  if (!verified) throw invalid('its signature was not made by the key it names');
  return request.publicKey;
}

/** The first URI name that the request asks for; "" when there is none. @throws MeshError RESOURCE_INVALID */
export function readRequestedUri(csrPem: string): string {
  const { SubjectAlternativeNameExtension } = x509;
  const extensions = parse(csrPem).extensions.filter(
    (extension) => extension instanceof SubjectAlternativeNameExtension,
  );
  return extensions.flatMap(({ names }) => names.items).find(({ type }) => type === 'url')?.value ?? '';
}

function parse(csrPem: string): x509.Pkcs10CertificateRequest {
  if (csrPem.length > maxRequestBytes) {
    throw invalid(`it has ${csrPem.length} bytes, more than the ${maxRequestBytes} that are read`);
  }
  if (!csrPem.includes('-----BEGIN ')) throw invalid('it is no PEM text');
  try {
    return new x509.Pkcs10CertificateRequest(csrPem);
  } catch (cause) {
    throw invalid(`it is no PKCS#10 structure: ${String(cause)}`, cause);
  }
}

function invalid(reason: string, cause?: unknown): MeshError {
  return new MeshError('RESOURCE_INVALID', `certificate signing request refused: ${reason}`, { cause });
}
