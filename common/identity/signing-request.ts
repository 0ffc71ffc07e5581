// The certificate signing request that a proxy makes for an identity (ztunnel.md §7): fresh P-256 key, empty subject, one critical URI name
// (PKCS#10: RFC 2986; names: RFC 5280 §4.2.1.6). Written by hand: the library that the CA uses takes 9 MB of a daemon on every node.
import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { contextTag, derTags } from './der-reader.ts';
import { derObjectIdentifier, derValue, pemText } from './der-writer.ts';
import type { Identity } from './identity.ts';

export interface SigningRequest {
  readonly csrPem: string;
  /** PKCS#8. */
  readonly privateKeyPem: string;
}

const ecdsaWithSha256 = '1.2.840.10045.4.3.2';
const extensionRequest = '1.2.840.113549.1.9.14';
const subjectAltName = '2.5.29.17';
/** `uniformResourceIdentifier [6]` of GeneralName. */
const uriTag = 0x86;
const setTag = 0x31;

const newKeyPair = promisify(generateKeyPair);

export async function createSigningRequest(identity: Identity): Promise<SigningRequest> {
  const { publicKey, privateKey } = await newKeyPair('ec', { namedCurve: 'P-256' });
  const toSign = requestInfo(identity.uri, publicKey.export({ type: 'spki', format: 'der' }));
  const signature = sign('sha256', toSign, privateKey);
  const request = derValue(
    derTags.sequence,
    toSign,
    derValue(derTags.sequence, derObjectIdentifier(ecdsaWithSha256)),
    derValue(derTags.bitString, Buffer.of(0), signature),
  );
  return {
    csrPem: pemText('CERTIFICATE REQUEST', request),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** What is signed. @param publicKey SubjectPublicKeyInfo, DER */
function requestInfo(uri: string, publicKey: Buffer): Buffer {
  const names = derValue(derTags.sequence, derValue(uriTag, Buffer.from(uri, 'latin1')));
  const extension = derValue(
    derTags.sequence,
    derObjectIdentifier(subjectAltName),
    derValue(derTags.boolean, Buffer.of(0xff)),
    derValue(derTags.octetString, names),
  );
  const attribute = derValue(
    derTags.sequence,
    derObjectIdentifier(extensionRequest),
    derValue(setTag, derValue(derTags.sequence, extension)),
  );
  const version = derValue(derTags.integer, Buffer.of(0));
  const noName = derValue(derTags.sequence);
  return derValue(derTags.sequence, version, noName, publicKey, derValue(contextTag(0), attribute));
}
