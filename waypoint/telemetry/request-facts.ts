// Everything that is known of a request when it has ended: what metrics, access log and expressions read.
// Made by whoever handles the request; nothing here is computed twice.
import type { Service } from '../../common/mesh/service.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import { findHeader, type HeaderList } from '../http/header-list.ts';
import type { ExchangeEnd, HttpProtocol, RequestHead, ResponseHead } from '../http/http-exchange.ts';
import type { Downstream } from '../served-target.ts';
import type { ResponseFlag } from './response-flags.ts';

export interface UpstreamFacts {
  readonly workload: Workload;
  readonly address: SocketAddress;
  /** Of HTTP, where it is spoken. */
  readonly protocol?: HttpProtocol | undefined;
  /** What a route named instead of what was asked. */
  readonly backend?: RoutedBackend | undefined;
}

export interface RoutedBackend {
  readonly service: Service;
  readonly servicePort: number;
  readonly subset: { readonly name: string } | undefined;
}

export interface RequestFacts {
  readonly downstream: Downstream;
  /** Undefined when no endpoint was chosen. */
  readonly upstream: UpstreamFacts | undefined;
  readonly request: RequestHead;
  /** As sent to the client; undefined when it went away before. */
  readonly response: ResponseHead | undefined;
  readonly responseTrailers: HeaderList;
  readonly flags: readonly ResponseFlag[];
  /** Why there was no answer from upstream, with the code; absent where there was, and where the request was not to be sent on. */
  readonly failure?: Error | undefined;
  /** `default` where no route has said anything, `-` where none has matched. */
  readonly routeName: string;
  /** Envoy's response_code_details. */
  readonly details: string;
  readonly startEpochMs: number;
  readonly durationMs: number;
  /** From the request's last byte sent to the response's first, about. */
  readonly upstreamMs: number | undefined;
  readonly end: ExchangeEnd;
}

export function isGrpc(request: RequestHead): boolean {
  const type = findHeader(request.headers, 'content-type');
  return type !== undefined && (type === 'application/grpc' || type.startsWith('application/grpc+'));
}

const statusOfHttp: Readonly<Record<number, string>> = {
  400: '13',
  401: '16',
  403: '7',
  404: '12',
  429: '14',
  502: '14',
  503: '14',
  504: '14',
};

/** Trailers, else headers, else what the HTTP status stands for; "" when nothing is known (§1.11). */
export function grpcStatusOf(facts: Pick<RequestFacts, 'response' | 'responseTrailers'>): string {
  const { response, responseTrailers } = facts;
  if (response === undefined) return '';
  const said = findHeader(responseTrailers, 'grpc-status') ?? findHeader(response.headers, 'grpc-status');
  if (said !== undefined) return said;
  return response.status === 200 ? '' : (statusOfHttp[response.status] ?? '2');
}
