// An access log's format, text or JSON, compiled once. In: the format as Istio's users write it. Out: a function from log facts to a line. Clients
// cannot forge a line: quotes and control characters of what they sent are escaped. Source: waypoint-telemetry.md §6.1.
import type { LogFacts } from './log-facts.ts';
import type { LogOperator, LogValue } from './log-operator.ts';
import { compileOperator } from './log-operators.ts';

/** Leaves are formats themselves; numbers and flags stay what they are. */
export type JsonFormat = { readonly [key: string]: JsonFormat | string | number | boolean | null };

export type LogTemplate =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'json'; readonly labels: JsonFormat };

/** How a value that does not exist is written: `-` and null, or not at all. */
export type AbsentValues = 'marked' | 'omitted';

export type CompiledFormat =
  | { readonly kind: 'format'; readonly write: (facts: LogFacts) => string }
  | { readonly kind: 'invalid'; readonly reason: string };

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly read: LogOperator; readonly maxLength: number };

export const defaultTextFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%';

export const defaultJsonFormat: JsonFormat = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

const longestFormat = 16_384;
const deepestJson = 8;

export function compileFormat(template: LogTemplate, absent: AbsentValues): CompiledFormat {
  try {
    if (template.kind === 'text') {
      const pieces = parsePieces(template.text.replace(/\n$/, ''));
      return { kind: 'format', write: (facts) => writePieces(pieces, facts, absent) };
    }
    const write = compileJson(template.labels, absent, deepestJson);
    return { kind: 'format', write: (facts) => JSON.stringify(write(facts)) };
  } catch (error) {
    return { kind: 'invalid', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** @throws Error with what is wrong */
function parsePieces(text: string): readonly Piece[] {
  if (text.length > longestFormat) throw new Error(`longer than ${longestFormat} characters`);
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(/%(?:%|([A-Z][A-Z0-9_]*)(?:\((.*?)\))?(?::(\d{1,5}))?%)/gs)) {
    const [whole, name, argument, maxLength] = match;
    pieces.push(...literal(text.slice(at, match.index)));
    at = match.index + whole.length;
    if (name === undefined) {
      pieces.push({ kind: 'text', text: '%' });
      continue;
    }
    const compiled = compileOperator(name, argument);
    if (compiled.kind === 'unknown') throw new Error(compiled.reason);
    pieces.push({ kind: 'value', read: compiled.evaluate, maxLength: Number(maxLength ?? Number.POSITIVE_INFINITY) });
  }
  pieces.push(...literal(text.slice(at)));
  return pieces;
}

function literal(text: string): readonly Piece[] {
  if (text.includes('%')) throw new Error(`a % without an operator: ${text.slice(text.indexOf('%'), 40)}`);
  return text === '' ? [] : [{ kind: 'text', text }];
}

function writePieces(pieces: readonly Piece[], facts: LogFacts, absent: AbsentValues): string {
  let line = '';
  for (const piece of pieces) {
    if (piece.kind === 'text') line += piece.text;
    else line += textOfValue(piece.read(facts), piece.maxLength, absent);
  }
  return line;
}

function textOfValue(value: LogValue, maxLength: number, absent: AbsentValues): string {
  if (value === undefined) return absent === 'marked' ? '-' : '';
  return typeof value === 'string' ? escapeText(value.slice(0, maxLength)) : String(value);
}

type Json = string | number | boolean | null | { readonly [key: string]: Json };

function compileJson(labels: JsonFormat, absent: AbsentValues, depth: number): (facts: LogFacts) => Json {
  if (depth === 0) throw new Error(`nested deeper than ${deepestJson}`);
  const members = Object.entries(labels).map(([key, label]) => {
    if (typeof label === 'string') return [key, compileLeaf(label, absent)] as const;
    if (typeof label === 'object' && label !== null) return [key, compileJson(label, absent, depth - 1)] as const;
    return [key, () => label] as const;
  });
  return (facts) => {
    const json: Record<string, Json> = {};
    for (const [key, write] of members) {
      const value = write(facts);
      if (value !== null || absent === 'marked') json[key] = value;
    }
    return json;
  };
}

/** An operator alone keeps its type. */
function compileLeaf(text: string, absent: AbsentValues): (facts: LogFacts) => Json {
  const pieces = parsePieces(text);
  const [only] = pieces;
  if (pieces.length === 1 && only?.kind === 'value') {
    return (facts) => {
      const value = only.read(facts);
      return typeof value === 'string' ? value.slice(0, only.maxLength) : (value ?? null);
    };
  }
  return (facts) => writePieces(pieces, facts, absent);
}

function escapeText(text: string): string {
  return text.replace(/["\\]|[^\x20-\x7e]/g, (character) => {
    return character === '"' || character === '\\'
      ? `\\${character}`
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
