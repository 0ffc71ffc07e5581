// How a gRPC call ends: the statuses that we tell of or tell apart, and the text that comes with one (gRPC over HTTP/2, "Responses").

export const grpcStatus = { unknown: 2, deadlineExceeded: 4, internal: 13, unavailable: 14 } as const;

/** Of an HTTP status that came without a gRPC one, or is to be told to a gRPC client. Source: http-grpc-status-mapping.md. */
export function grpcStatusOfHttp(status: number): number {
  return ofHttp[status] ?? grpcStatus.unknown;
}

const ofHttp: Readonly<Record<number, number>> = {
  400: grpcStatus.internal,
  401: 16,
  403: 7,
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
