// The responses a waypoint gives itself when there is none from upstream. In: status, text, whether the request is gRPC. Out: head and
// body; gRPC gets its own form (200, trailers-only). Source: waypoint-telemetry.md §9.2.
import { grpcStatusOfHttp } from '../../common/grpc/grpc-status.ts';
import type { ResponseHead } from './http-exchange.ts';

export interface LocalReply {
  readonly head: ResponseHead;
  readonly body: Buffer | undefined;
}

export function localReply(status: number, text: string, form: 'http' | 'grpc'): LocalReply {
  const common = ['server', 'istio-envoy'];
  if (form === 'grpc') {
    const code = String(grpcStatusOfHttp(status));
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
