// What OpenSSL and Node say when a handshake fails, in words that help here: one line, without source paths and without
// advice for other settings. Source: X509_verify_cert_error_string(3), RFC 8446 §6.2 (alerts).

const reasons: Record<string, string> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the peer's certificate is of another root than ours",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the peer's certificate is of another root than ours",
  SELF_SIGNED_CERT_IN_CHAIN: "the peer's certificate is of another root than ours",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the peer's certificate is signed by itself",
  CERT_SIGNATURE_FAILURE: "the peer's certificate is of another root of the same name",
  CERT_HAS_EXPIRED: "the peer's certificate has expired; look at its clock and its renewal",
  CERT_NOT_YET_VALID: "the peer's certificate is not valid yet; look at both clocks",
  INVALID_PURPOSE: "the peer's certificate is not meant for this side of TLS",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the peer refused our certificate: it is of another root than theirs',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'the peer refused our certificate',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the peer wants a certificate and got none',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'the client presented no certificate',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the peer speaks no TLS here',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the peer offers no TLS 1.3',
  ERR_SSL_NO_SHARED_CIPHER: 'the peer offers none of our cipher suites',
  ERR_SSL_HTTP_REQUEST: 'the peer speaks plain HTTP',
  ECONNRESET: 'the peer reset the connection',
  EPIPE: 'the peer closed the connection',
};

/** @param error of node:tls, or OpenSSL's verdict on a chain */
export function tlsFailureText(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const known = reasons[code];
  if (known !== undefined) return `${known} (${code})`;
  const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : undefined;
  return reason ?? (error.message.split(/[;\n]/, 1)[0] ?? '').trim();
}
