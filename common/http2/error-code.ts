// Error codes of HTTP/2 (RFC 9113 §7) and the one error type that a session ends with.

export const errorCodes = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

export type ErrorCodeName = keyof typeof errorCodes;

/** What the peer did that ends the whole connection. */
export interface ConnectionFault {
  readonly kind: 'fault';
  readonly code: ErrorCodeName;
  /** For GOAWAY's debug data and our log. */
  readonly detail: string;
}

export function fault(code: ErrorCodeName, detail: string): ConnectionFault {
  return { kind: 'fault', code, detail };
}

const names = new Map<number, string>(Object.entries(errorCodes).map(([name, code]) => [code, name]));

export function errorCodeText(code: number): string {
  return names.get(code) ?? `unknown code ${code}`;
}
