// The command operators of access log formats (`%RESPONSE_CODE%`, `%REQ(X?Y)%` …) that Istio and Envoy document. In: an operator's name and
// argument. Out: a function from log facts to its value, undefined where there is none. Source: waypoint-telemetry.md §6.1.
import { codeOf } from '../../common/errors.ts';
import { compileExpression } from '../../common/expressions/expression.ts';
import { textOf } from '../../common/expressions/value-text.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import { findHeader, type HeaderList, headerBytes, joinHeader } from '../http/header-list.ts';
import type { LogFacts } from './log-facts.ts';
import { formatStartTime } from './log-start-time.ts';
import { clusterName } from './request-attributes.ts';
import { grpcStatusOf, isGrpc } from './request-facts.ts';
import { flagsText } from './response-flags.ts';

export type LogValue = string | number | undefined;
export type LogOperator = (facts: LogFacts) => LogValue;

export type CompiledOperator =
  | { readonly kind: 'operator'; readonly evaluate: LogOperator }
  | { readonly kind: 'unknown'; readonly reason: string };

const none: LogOperator = () => undefined;

/** Without an argument. */
const plain: Readonly<Record<string, LogOperator>> = {
  PROTOCOL: ({ request }) => request?.request.protocol,
  RESPONSE_CODE: ({ request }) => request?.response?.status ?? 0,
  RESPONSE_CODE_DETAILS: ({ request }) => request?.details || undefined,
  RESPONSE_FLAGS: ({ flags }) => flagsText(flags),
  /** Of a connection that passes unread, whose line has no response code details. */
  CONNECTION_TERMINATION_DETAILS: ({ request, failure }) =>
    request === undefined && failure ? codeOf(failure) : undefined,
  UPSTREAM_TRANSPORT_FAILURE_REASON: ({ flags, failure }) =>
    flags.includes('UF') && failure ? `${codeOf(failure)}: ${failure.message}` : undefined,
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: none,
  BYTES_RECEIVED: ({ receivedBytes }) => receivedBytes,
  BYTES_SENT: ({ sentBytes }) => sentBytes,
  DURATION: ({ durationMs }) => Math.round(durationMs),
  RESPONSE_DURATION: ({ request }) => rounded(request?.upstreamMs),
  RESPONSE_TX_DURATION: ({ request, durationMs }) =>
    request?.upstreamMs === undefined ? undefined : Math.round(durationMs - request.upstreamMs),
  REQUEST_HEADERS_BYTES: ({ request }) => request?.request.headBytes ?? 0,
  RESPONSE_HEADERS_BYTES: ({ request }) =>
    request?.response === undefined ? 0 : headerBytes(request.response.headers),
  UPSTREAM_HOST: ({ upstream }) => upstream && formatSocketAddress(upstream.address),
  UPSTREAM_REMOTE_ADDRESS: ({ upstream }) => upstream && formatSocketAddress(upstream.address),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: ({ upstream }) => upstream?.address.ip,
  UPSTREAM_REMOTE_PORT: ({ upstream }) => upstream?.address.port,
  UPSTREAM_CLUSTER: ({ downstream, upstream }) => clusterName(downstream.target, upstream),
  UPSTREAM_CLUSTER_RAW: ({ downstream, upstream }) => clusterName(downstream.target, upstream),
  UPSTREAM_LOCAL_ADDRESS: none,
  ...addressOperators('DOWNSTREAM_LOCAL', ({ downstream }) => downstream.target.address),
  ...addressOperators('DOWNSTREAM_REMOTE', ({ downstream }) => downstream.address),
  ...addressOperators('DOWNSTREAM_DIRECT_REMOTE', ({ downstream }) => downstream.address),
  DOWNSTREAM_PEER_URI_SAN: ({ downstream }) => downstream.identity?.uri,
  DOWNSTREAM_LOCAL_URI_SAN: ({ downstream }) => downstream.localIdentity.uri,
  REQUESTED_SERVER_NAME: none,
  ROUTE_NAME: ({ request }) => request?.routeName,
  VIRTUAL_CLUSTER_NAME: none,
  STREAM_ID: ({ request }) => request && findHeader(request.request.headers, 'x-request-id'),
};

/** With one. */
const withArgument: Readonly<Record<string, (argument: string) => CompiledOperator>> = {
  START_TIME: (format) => operator((facts) => formatStartTime(facts.startEpochMs, format)),
  REQ: (names) => operator(headerOperator(names, requestHeader)),
  REQ_WITHOUT_QUERY: (names) =>
    operator(headerOperator(names, (facts, name) => requestHeader(facts, name)?.replace(/\?.*$/s, ''))),
  RESP: (names) =>
    operator(headerOperator(names, ({ request }, name) => request?.response && joined(request.response.headers, name))),
  TRAILER: (names) =>
    operator(headerOperator(names, ({ request }, name) => request && joined(request.responseTrailers, name))),
  GRPC_STATUS: () => operator(grpcStatus),
  GRPC_STATUS_NUMBER: () => operator(grpcStatus),
  FILTER_STATE: (argument) => operator(filterStateOperator(argument)),
  DYNAMIC_METADATA: () => operator(none),
  CLUSTER_METADATA: () => operator(none),
  UPSTREAM_METADATA: () => operator(none),
  METADATA: () => operator(none),
  CEL: celOperator,
};

const optionalArgument = ['START_TIME', 'GRPC_STATUS', 'GRPC_STATUS_NUMBER'];

export function compileOperator(name: string, argument: string | undefined): CompiledOperator {
  const simple = Object.hasOwn(plain, name) ? plain[name] : undefined;
  if (simple !== undefined && argument === undefined) return operator(simple);
  const making = Object.hasOwn(withArgument, name) ? withArgument[name] : undefined;
  if (making !== undefined && (argument !== undefined || optionalArgument.includes(name)))
    return making(argument ?? '');
  if (simple === undefined && making === undefined) return { kind: 'unknown', reason: `%${name}% is no operator` };
  const needs = making === undefined ? 'takes no argument' : `needs an argument: %${name}(…)%`;
  return { kind: 'unknown', reason: `%${name}% ${needs}` };
}

function operator(evaluate: LogOperator): CompiledOperator {
  return { kind: 'operator', evaluate };
}

function addressOperators(prefix: string, read: (facts: LogFacts) => SocketAddress): Record<string, LogOperator> {
  return {
    [`${prefix}_ADDRESS`]: (facts) => formatSocketAddress(read(facts)),
    [`${prefix}_ADDRESS_WITHOUT_PORT`]: (facts) => read(facts).ip,
    [`${prefix}_PORT`]: (facts) => read(facts).port,
  };
}

/** `X?Y`: the first of the two that is there. */
function headerOperator(
  names: string,
  read: (facts: LogFacts, name: string) => string | undefined,
): (facts: LogFacts) => string | undefined {
  const [main = '', alternative = ''] = names.toLowerCase().split('?');
  return (facts) => read(facts, main) ?? (alternative === '' ? undefined : read(facts, alternative));
}

function requestHeader({ request }: LogFacts, name: string): string | undefined {
  if (request === undefined) return undefined;
  const { method, path, authority, scheme, headers } = request.request;
  switch (name) {
    case ':method':
      return method;
    case ':path':
      return path;
    case ':authority':
    case 'host':
      return authority || undefined;
    case ':scheme':
      return scheme;
    default:
      return joined(headers, name);
  }
}

function joined(headers: HeaderList, name: string): string | undefined {
  return joinHeader(headers, name) || undefined;
}

function grpcStatus({ request }: LogFacts): LogValue {
  if (request === undefined || !isGrpc(request.request)) return undefined;
  const status = grpcStatusOf(request);
  return /^\d{1,9}$/.test(status) ? Number(status) : undefined;
}

/** `key`, `key:PLAIN`, `key:TYPED`, `key:FIELD:name`. A peer as a whole has no text. */
function filterStateOperator(argument: string): LogOperator {
  const [key = '', how = 'TYPED', field = ''] = argument.split(':');
  // Beside a peer that expressions read, Envoy keeps the same one for access logs.
  const name = key.replace(/^((?:up|down)stream_peer)_obj$/, '$1');
  return ({ attributes }) => {
    const state: unknown = 'filter_state' in attributes ? attributes.filter_state : undefined;
    const value: unknown = state instanceof Map ? state.get(name) : undefined;
    const found: unknown = how === 'FIELD' && value instanceof Map ? value.get(field) : value;
    return typeof found === 'string' && found !== '' ? found : undefined;
  };
}

function celOperator(text: string): CompiledOperator {
  const expression = compileExpression(text);
  if (expression.kind === 'invalid') return { kind: 'unknown', reason: `%CEL(${text})%: ${expression.reason}` };
  return operator(({ attributes }) => {
    const outcome = expression.evaluate(attributes);
    return outcome.kind === 'value' ? textOf(outcome.value) : undefined;
  });
}

function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value);
}
