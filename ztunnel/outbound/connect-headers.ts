// The headers of the CONNECT that carries a pod's connection: who it is, which service it meant, a fresh trace.
// Order and content: ztunnel.md §3.3. Pure: randomness is given.
import { formatForwarded } from '../../common/hbone/forwarded.ts';
import type { ConnectHeaders } from '../../common/hbone/hbone.ts';
import { formatTraceparent, traceparentOf } from '../../common/hbone/traceparent.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import { baggageText } from '../connections/workload-baggage.ts';

export interface ConnectFacts {
  readonly source: Workload;
  readonly sourceAddress: SocketAddress;
  /** Of the service that was addressed, if one was. */
  readonly serviceHostname: string | undefined;
  /** 24 random bytes. */
  readonly traceSeed: Buffer;
}

export function connectHeaders({ source, sourceAddress, serviceHostname, traceSeed }: ConnectFacts): ConnectHeaders {
  return [
    ['baggage', baggageText(source)],
    ['forwarded', formatForwarded(sourceAddress, serviceHostname)],
    ['traceparent', formatTraceparent(traceparentOf(traceSeed))],
  ];
}
