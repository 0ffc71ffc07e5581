// Decides which HTTP the upstream is spoken to. In: what the port declares, the client's protocol, its content type. Out: the protocol.
// A port that declares http2 or grpc gets it; every other gets what the client speaks, as without a waypoint.
import type { AppProtocol } from '../../common/mesh/workload.ts';
import type { HttpProtocol } from '../http/http-exchange.ts';

export function chooseProtocol(
  declared: AppProtocol,
  downstream: HttpProtocol,
  upgrade: string | undefined,
): HttpProtocol {
  // An upgrade exists in HTTP/1.1 only.
  if (upgrade !== undefined) return 'HTTP/1.1';
  return declared === 'http2' || declared === 'grpc' ? 'HTTP/2' : downstream;
}
