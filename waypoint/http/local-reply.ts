// The responses a waypoint gives itself when there is none from upstream. In: status, text, whether the request is gRPC. Out: head and
// body; gRPC gets its own form (200, trailers-only). Source: waypoint-telemetry.md §9.2.
import type { ResponseHead } from './http-exchange.ts';

export interface LocalReply {
  readonly head: ResponseHead;
  readonly body: Buffer | undefined;
}

const grpcStatus: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
};
const unknownGrpcStatus = 2;

export function localReply(status: number, text: string, form: 'http' | 'grpc'): LocalReply {
  const common = ['server', 'istio-envoy'];
  if (form === 'grpc') {
    const code = String(grpcStatus[status] ?? unknownGrpcStatus);
    const message = text === '' ? [] : ['grpc-message', percentEncode(text)];
    return {
      head: { status: 200, headers: ['content-type', 'application/grpc', 'grpc-status', code, ...message, ...common] },
      body: undefined,
    };
  }
  const body = Buffer.from(text);
  const headers = ['content-length', String(body.length), 'content-type', 'text/plain', ...common];
  return text === '' ? { head: { status, headers: common }, body: undefined } : { head: { status, headers }, body };
}

/** gRPC's rule for grpc-message: printable ASCII but `%` stays. */
function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
