// A certificate revocation list (RFC 5280 §5) as far as decisions need it. Plain values: it can be sent to another thread.

export interface RevocationList {
  /** The issuer's name as DER, a character for each byte. */
  readonly issuer: string;
  /** Contents of the INTEGERs, a character for each byte. */
  readonly serialNumbers: ReadonlySet<string>;
  /** What is signed. */
  readonly signedPart: Uint8Array;
  readonly signature: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
}

export interface SignatureAlgorithm {
  readonly key: 'ec' | 'rsa' | 'ed25519';
  /** As node:crypto names it; null where the key tells. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
}
