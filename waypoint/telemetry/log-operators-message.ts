// Command operators for the messages themselves: headers, path, query, gRPC status. Source: Envoy's substitution_formatter.rst.
import { grpcStatusNames } from '../../common/grpc/grpc-status.ts';
import { type HeaderList, joinHeader } from '../http/header-list.ts';
import type { LogFacts } from './log-facts.ts';
import { type LogOperator, type OperatorTable, optional, required } from './log-operator.ts';
import { grpcStatusOf, isGrpc } from './request-facts.ts';

type ReadHeader = (facts: LogFacts, name: string) => string | undefined;

const ofRequest: ReadHeader = ({ request }, name) => {
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
};
const ofResponse: ReadHeader = ({ request }, name) => {
  if (request?.response === undefined) return undefined;
  return name === ':status' ? String(request.response.status) : joined(request.response.headers, name);
};
const ofTrailers: ReadHeader = ({ request }, name) => request && joined(request.responseTrailers, name);
const withoutQuery: ReadHeader = (facts, name) => ofRequest(facts, name)?.replace(/\?.*$/s, '');

function joined(headers: HeaderList, name: string): string | undefined {
  return joinHeader(headers, name) || undefined;
}

/** `X?Y`: the first of the two that is there. */
function header(read: ReadHeader): OperatorTable[string] {
  return required((names) => {
    const [main = '', alternative = ''] = names.toLowerCase().split('?');
    return (facts) => read(facts, main) ?? (alternative === '' ? undefined : read(facts, alternative));
  });
}

/** @param source ORIG, PATH or ORIG_OR_PATH, and the same of hosts */
function originalOr(source: string, original: string, now: string): ReadHeader {
  return (facts) => {
    const first = source.startsWith('ORIG') ? ofRequest(facts, original) : undefined;
    return first ?? (source === 'ORIG' ? undefined : ofRequest(facts, now));
  };
}

function path(argument: string): LogOperator | string {
  const [parts = '', source = ''] = argument.split(':');
  if (!['', 'WQ', 'NQ'].includes(parts) || !['', 'ORIG', 'PATH', 'ORIG_OR_PATH'].includes(source)) {
    return 'takes WQ or NQ, and ORIG, PATH or ORIG_OR_PATH';
  }
  const read = originalOr(source || 'ORIG_OR_PATH', 'x-envoy-original-path', ':path');
  return (facts) => (parts === 'NQ' ? read(facts, '')?.replace(/\?.*$/s, '') : read(facts, ''));
}

/** No connection inside a tunnel has a server name of its own. */
function serverName(argument: string): LogOperator | string {
  const [what = '', source = ''] = argument.split(':');
  if (
    !['', 'SNI_ONLY', 'SNI_FIRST', 'HOST_FIRST'].includes(what) ||
    !['', 'ORIG', 'HOST', 'ORIG_OR_HOST'].includes(source)
  ) {
    return 'takes SNI_ONLY, SNI_FIRST or HOST_FIRST, and ORIG, HOST or ORIG_OR_HOST';
  }
  if (what === '' || what === 'SNI_ONLY') return () => undefined;
  const read = originalOr(source || 'ORIG_OR_HOST', 'x-envoy-original-host', ':authority');
  return (facts) => read(facts, '');
}

function queryOf({ request }: LogFacts): string | undefined {
  const at = request?.request.path.indexOf('?') ?? -1;
  return at < 0 ? undefined : request?.request.path.slice(at + 1);
}

function queryParams(form: string): LogOperator | string {
  if (!['', 'ORIG', 'DECODED'].includes(form)) return 'takes ORIG or DECODED';
  return (facts) => (form === 'DECODED' ? decoded(queryOf(facts)) : queryOf(facts));
}

function decoded(query: string | undefined): string | undefined {
  if (query === undefined) return undefined;
  try {
    return decodeURIComponent(query);
  } catch {
    return query;
  }
}

/** Envoy's spelling of the first two in camel case. */
const camelNames: Readonly<Record<string, string>> = { OK: 'OK', CANCELLED: 'Canceled' };

function grpcNumber({ request }: LogFacts): number | undefined {
  if (request === undefined || !isGrpc(request.request)) return undefined;
  const status = grpcStatusOf(request);
  return /^\d{1,9}$/.test(status) ? Number(status) : undefined;
}

function grpcStatus(form: string): LogOperator | string {
  if (form === 'NUMBER') return grpcNumber;
  if (!['', 'CAMEL_STRING', 'SNAKE_STRING'].includes(form)) return 'takes CAMEL_STRING, SNAKE_STRING or NUMBER';
  return (facts) => {
    const number = grpcNumber(facts);
    if (number === undefined) return undefined;
    const name = grpcStatusNames[number] ?? String(number);
    return form === 'SNAKE_STRING' ? name : (camelNames[name] ?? camelCase(name));
  };
}

function camelCase(name: string): string {
  return name.replace(/([A-Z])([A-Z]*)_?/g, (_, first: string, rest: string) => first + rest.toLowerCase());
}

export const messageOperators: OperatorTable = {
  REQ: header(ofRequest),
  REQUEST_HEADER: header(ofRequest),
  REQ_WITHOUT_QUERY: header(withoutQuery),
  RESP: header(ofResponse),
  RESPONSE_HEADER: header(ofResponse),
  TRAILER: header(ofTrailers),
  RESPONSE_TRAILER: header(ofTrailers),
  PATH: optional(path),
  QUERY_PARAM: required((name) => (facts) => new URLSearchParams(queryOf(facts)).get(name) ?? undefined),
  QUERY_PARAMS: optional(queryParams),
  REQUESTED_SERVER_NAME: optional(serverName),
  GRPC_STATUS: optional(grpcStatus),
  GRPC_STATUS_NUMBER: optional(() => grpcNumber),
};
