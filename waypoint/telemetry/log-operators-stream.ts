// Command operators for what became of a request or connection and what is known of it: code, flags, route, trace, state, expressions.
// Source: Envoy's substitution_formatter.rst.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { codeOf } from '../../common/errors.ts';
import { compileExpression, type Outcome } from '../../common/expressions/expression.ts';
import { textOf } from '../../common/expressions/value-text.ts';
import { findHeader } from '../http/header-list.ts';
import type { LogFacts } from './log-facts.ts';
import {
  absent,
  type LogOperator,
  type LogValue,
  type OperatorTable,
  optional,
  plain,
  required,
} from './log-operator.ts';
import { flagsLongText, flagsText } from './response-flags.ts';
import { traceOf } from './trace-of-request.ts';

function details(form: string): LogOperator | string {
  if (form === 'ALLOW_WHITESPACES') return ({ request }) => request?.details || undefined;
  if (form !== '') return 'takes ALLOW_WHITESPACES';
  return ({ request }) => request?.details.replace(/\s/g, '_') || undefined;
}

/** `key`, `key:PLAIN`, `key:TYPED`, `key:FIELD:name`. A peer as a whole has no text. */
function filterState(argument: string): LogOperator {
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

function cel(read: (outcome: Extract<Outcome, { kind: 'value' }>) => LogValue): OperatorTable[string] {
  return required((text) => {
    const expression = compileExpression(text);
    if (expression.kind === 'invalid') return `does not compile: ${text}: ${expression.reason}`;
    return ({ attributes }) => {
      const outcome = expression.evaluate(attributes);
      return outcome.kind === 'value' ? read(outcome) : undefined;
    };
  });
}

/** Numbers and flags keep their types. */
function typedValue({ value }: Extract<Outcome, { kind: 'value' }>): LogValue {
  if (typeof value === 'boolean' || typeof value === 'number') return value;
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : textOf(value);
}

const trace = (which: 'traceId' | 'spanId'): LogOperator => {
  return ({ request }) => request && traceOf(request.request.headers)?.[which];
};

const closeOperators = [
  'UPSTREAM_DETECTED_CLOSE_TYPE',
  'UPSTREAM_LOCAL_CLOSE_REASON',
  'DOWNSTREAM_DETECTED_CLOSE_TYPE',
  'DOWNSTREAM_LOCAL_CLOSE_REASON',
  'DOWNSTREAM_TRANSPORT_FAILURE_REASON',
];
const idOperators = ['CONNECTION_ID', 'UPSTREAM_CONNECTION_ID', 'UPSTREAM_CONNECTION_IDS_ATTEMPTED'];
const configurationOperators = ['VIRTUAL_CLUSTER_NAME', 'FILTER_CHAIN_NAME', 'LOCAL_REPLY_BODY', 'CUSTOM_FLAGS'];
/** Of a filter or an Envoy, and of a process' environment, which is not for logs. */
const stateOperators = [
  'DYNAMIC_METADATA',
  'CLUSTER_METADATA',
  'UPSTREAM_METADATA',
  'METADATA',
  'UPSTREAM_FILTER_STATE',
  'ENVIRONMENT',
];

/** The tunnel's TLS is told by the identities of its ends; the connection inside has none, as in Istio's waypoint. */
const certificateOperators = [
  ...['IP', 'DNS', 'EMAIL', 'OTHERNAME'].flatMap((kind) => [
    `DOWNSTREAM_LOCAL_${kind}_SAN`,
    `DOWNSTREAM_PEER_${kind}_SAN`,
  ]),
  ...['LOCAL_SUBJECT', 'PEER_SUBJECT', 'PEER_ISSUER', 'TLS_SESSION_ID', 'TLS_CIPHER', 'TLS_GROUP', 'TLS_VERSION'].map(
    (name) => `DOWNSTREAM_${name}`,
  ),
  ...['FINGERPRINT_256', 'FINGERPRINT_1', 'SERIAL', 'CERT', 'CERT_V_START', 'CERT_V_END'].map(
    (name) => `DOWNSTREAM_PEER_${name}`,
  ),
  ...['FINGERPRINTS_256', 'FINGERPRINTS_1', 'SERIALS'].map((name) => `DOWNSTREAM_PEER_CHAIN_${name}`),
  ...['FINGERPRINT_256', 'SERIAL'].map((name) => `DOWNSTREAM_PEER_ISSUER_${name}`),
  ...['PEER_SUBJECT', 'PEER_ISSUER', 'TLS_SESSION_ID', 'TLS_CIPHER', 'TLS_GROUP', 'TLS_VERSION', 'SERVER_NAME'].map(
    (name) => `UPSTREAM_${name}`,
  ),
  ...['CERT', 'CERT_V_START', 'CERT_V_END', 'URI_SAN', 'DNS_SAN', 'IP_SAN'].map((name) => `UPSTREAM_PEER_${name}`),
  ...['URI_SAN', 'DNS_SAN', 'IP_SAN'].map((name) => `UPSTREAM_LOCAL_${name}`),
  'TLS_JA3_FINGERPRINT',
  'TLS_JA4_FINGERPRINT',
];

const nothingToTell = [
  ...closeOperators,
  ...idOperators,
  ...configurationOperators,
  ...stateOperators,
  ...certificateOperators,
];

/** Of a connection that passes unread, whose line has no response code details. */
const terminationDetails: LogOperator = ({ request, failure }) =>
  request === undefined && failure ? codeOf(failure) : undefined;
const upstreamFailure: LogOperator = ({ flags, failure }) =>
  flags.includes('UF') && failure ? `${codeOf(failure)}: ${failure.message}` : undefined;

export const streamOperators: OperatorTable = {
  ...Object.fromEntries(nothingToTell.map((name) => [name, absent])),
  PROTOCOL: plain(({ request }) => request?.request.protocol),
  UPSTREAM_PROTOCOL: plain(({ request, upstream }) => request && upstream?.protocol),
  RESPONSE_CODE: plain(({ request }) => request?.response?.status ?? 0),
  RESPONSE_CODE_DETAILS: optional(details),
  RESPONSE_FLAGS: plain(({ flags }) => flagsText(flags)),
  RESPONSE_FLAGS_LONG: plain(({ flags }) => flagsLongText(flags)),
  CONNECTION_TERMINATION_DETAILS: plain(terminationDetails),
  UPSTREAM_TRANSPORT_FAILURE_REASON: plain(upstreamFailure),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: plain(({ upstream }) => (upstream === undefined ? 0 : 1)),
  ROUTE_NAME: plain(({ request }) => request?.routeName),
  STREAM_ID: plain(({ request }) => request && findHeader(request.request.headers, 'x-request-id')),
  TRACE_ID: plain(trace('traceId')),
  SPAN_ID: plain(trace('spanId')),
  ACCESS_LOG_TYPE: plain(({ request }: LogFacts) => (request === undefined ? 'TcpConnectionEnd' : 'DownstreamEnd')),
  HOSTNAME: plain(() => hostname()),
  UNIQUE_ID: plain(() => randomUUID()),
  FILTER_STATE: required(filterState),
  CEL: cel(({ value }) => textOf(value)),
  TYPED_CEL: cel(typedValue),
};
