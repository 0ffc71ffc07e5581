// How a gRPC call ends: the statuses that we tell of or tell apart, and the text that comes with one (gRPC over HTTP/2, "Responses").

export const grpcStatus = {
  unknown: 2,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** By number. */
export const grpcStatusNames: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** A status that is not OK: the server's, or UNAVAILABLE where the connection went away under the call. */
export class GrpcFailure extends Error {
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    super(details);
    this.name = 'GrpcFailure';
    this.code = code;
    this.details = details;
  }
}

/** `UNAUTHENTICATED: no token; check the token`. @param remedies by code */
export function describeGrpcFailure(
  { code, details }: GrpcFailure,
  remedies: Readonly<Partial<Record<number, string>>>,
): string {
  const remedy = remedies[code];
  return `${grpcStatusNames[code] ?? `gRPC status ${code}`}: ${details}${remedy === undefined ? '' : `; ${remedy}`}`;
}

/** Of an HTTP status that came without a gRPC one, or is to be told to a gRPC client. Source: http-grpc-status-mapping.md. */
export function grpcStatusOfHttp(status: number): number {
  return ofHttp[status] ?? grpcStatus.unknown;
}

const ofHttp: Readonly<Record<number, number>> = {
  400: grpcStatus.internal,
  401: grpcStatus.unauthenticated,
  403: grpcStatus.permissionDenied,
  404: 12,
  429: grpcStatus.unavailable,
  502: grpcStatus.unavailable,
  503: grpcStatus.unavailable,
  504: grpcStatus.unavailable,
};

/** `grpc-message` is percent-encoded UTF-8; one that is not is told as it is. */
export function decodeGrpcMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
