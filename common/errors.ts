// The closed list of reasons for which ambientd refuses or loses a connection, request or resource.
// A code is permanent: access log, metric flag and `ambientd why` name the same one. What a code means on the wire
// stands in `onTheWire` and nowhere else. Flags are those of ztunnel's metrics (src/proxy/metrics.rs).

export type MeshErrorCode = keyof typeof onTheWire;

export interface OnTheWire {
  /** Status that answers a CONNECT request which fails with this code. */
  readonly connectStatus: 400 | 401 | 503;
  /** Value of the label `response_flags` of the TCP metrics. */
  readonly responseFlag:
    | '-'
    | 'DENY'
    | 'CONNECT'
    | 'H2_HANDSHAKE_FAILURE'
    | 'NETWORK_POLICY'
    | 'IDENTITY_ERROR'
    | 'CERT_REVOKED';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
}

export const onTheWire = {
  AUTHORIZATION_DENIED: { connectStatus: 401, responseFlag: 'DENY', level: 'info' },
  POLICY_CHANGED: { connectStatus: 401, responseFlag: 'DENY', level: 'info' },
  METHOD_NOT_CONNECT: { connectStatus: 400, responseFlag: '-', level: 'debug' },
  TARGET_MALFORMED: { connectStatus: 400, responseFlag: '-', level: 'debug' },
  TARGET_NOT_HERE: { connectStatus: 400, responseFlag: '-', level: 'warn' },
  TARGET_UNKNOWN: { connectStatus: 503, responseFlag: '-', level: 'warn' },
  SELF_CALL: { connectStatus: 503, responseFlag: '-', level: 'warn' },
  SOURCE_UNKNOWN: { connectStatus: 503, responseFlag: '-', level: 'warn' },
  WORKLOAD_UNKNOWN: { connectStatus: 503, responseFlag: '-', level: 'warn' },
  NO_HEALTHY_UPSTREAM: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  WAYPOINT_UNKNOWN: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  NO_ROUTE: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  UPSTREAM_REFUSED: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  UPSTREAM_UNREACHABLE: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  UPSTREAM_PROTOCOL: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  UPSTREAM_CONNECT_TIMEOUT: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  TUNNEL_CONNECT_TIMEOUT: { connectStatus: 503, responseFlag: 'NETWORK_POLICY', level: 'warn' },
  TUNNEL_REFUSED: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  TUNNEL_LOST: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  TUNNEL_PROTOCOL: { connectStatus: 503, responseFlag: 'H2_HANDSHAKE_FAILURE', level: 'warn' },
  // ztunnel keeps TLS_FAILURE for its own settings of TLS: a handshake that fails is a connection that fails.
  TLS_FAILED: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  PEER_IDENTITY_MISMATCH: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  CERTIFICATE_REVOKED: { connectStatus: 503, responseFlag: 'CERT_REVOKED', level: 'warn' },
  IDENTITY_UNAVAILABLE: { connectStatus: 503, responseFlag: 'IDENTITY_ERROR', level: 'error' },
  CONNECTION_RESET: { connectStatus: 503, responseFlag: 'CONNECT', level: 'debug' },
  DRAINED: { connectStatus: 503, responseFlag: '-', level: 'info' },
  ADDRESS_IN_USE: { connectStatus: 503, responseFlag: '-', level: 'error' },
  NOT_PERMITTED: { connectStatus: 503, responseFlag: '-', level: 'error' },
  NOT_SUPPORTED: { connectStatus: 503, responseFlag: '-', level: 'warn' },
  CONFIG_INVALID: { connectStatus: 503, responseFlag: '-', level: 'error' },
  RESOURCE_INVALID: { connectStatus: 503, responseFlag: '-', level: 'error' },
  IO_FAILED: { connectStatus: 503, responseFlag: 'CONNECT', level: 'warn' },
  INTERNAL: { connectStatus: 503, responseFlag: 'CONNECT', level: 'error' },
} as const satisfies Record<string, OnTheWire>;

/** An expected failure: a stable code, and a message that names what failed, on which object, and the likely remedy. */
export class MeshError extends Error {
  readonly code: MeshErrorCode;

  constructor(code: MeshErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'MeshError';
    this.code = code;
  }

  get onTheWire(): OnTheWire {
    return onTheWire[this.code];
  }
}

/** Of whatever was thrown: what nobody expected is INTERNAL. */
export function codeOf(error: unknown): MeshErrorCode {
  return error instanceof MeshError ? error.code : 'INTERNAL';
}

/** Whatever was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new MeshError('INTERNAL', String(thrown));
}
