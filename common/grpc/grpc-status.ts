// How a gRPC call ends: the statuses that we tell of or tell apart, and the text that comes with one (gRPC over HTTP/2, "Responses").

export const grpcStatus = { unknown: 2, deadlineExceeded: 4, internal: 13, unavailable: 14 } as const;

/** `grpc-message` is percent-encoded UTF-8; one that is not is told as it is. */
export function decodeGrpcMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
