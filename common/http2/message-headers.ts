// Requests and responses as header fields (RFC 9113 §8.1–8.3, §8.5). In: decoded fields. Out: the message, or why it is malformed.
// A request with another method than CONNECT is well-formed here: who serves the tunnel answers it.
import type { HeaderField } from './hpack-tables.ts';

export type RequestHead =
  | {
      readonly kind: 'request';
      readonly method: string;
      /** Empty when the request has none. */
      readonly authority: string;
      readonly headers: readonly HeaderField[];
    }
  | { readonly kind: 'malformed'; readonly detail: string };

export type ResponseHead =
  | { readonly kind: 'response'; readonly status: number; readonly headers: readonly HeaderField[] }
  | { readonly kind: 'malformed'; readonly detail: string };

const requestPseudo = new Set([':method', ':authority', ':scheme', ':path']);
const responsePseudo = new Set([':status']);
/** Fields that belong to one HTTP/1.1 connection (§8.2.2). */
const connectionFields = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);
// RFC 9110 §5.6.2 tokens without upper case, and field values without the bytes that could end a line (§8.2.1).
const fieldName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const forbiddenInValue = /[\0\r\n]|^[ \t]|[ \t]$/;

export function readRequest(fields: readonly HeaderField[]): RequestHead {
  const leading = countPseudo(fields, requestPseudo);
  if (typeof leading === 'string') return { kind: 'malformed', detail: leading };
  const method = fieldNamed(fields, ':method');
  if (!method) return { kind: 'malformed', detail: 'no :method' };
  if (method === 'CONNECT' && (hasField(fields, ':scheme') || hasField(fields, ':path'))) {
    return { kind: 'malformed', detail: 'CONNECT with :scheme or :path' };
  }
  const authority = fieldNamed(fields, ':authority') ?? '';
  return { kind: 'request', method, authority, headers: fields.slice(leading) };
}

export function readResponse(fields: readonly HeaderField[]): ResponseHead {
  const leading = countPseudo(fields, responsePseudo);
  if (typeof leading === 'string') return { kind: 'malformed', detail: leading };
  const status = fieldNamed(fields, ':status') ?? '';
  if (!/^[1-9][0-9][0-9]$/.test(status)) return { kind: 'malformed', detail: `:status "${status.slice(0, 20)}"` };
  return { kind: 'response', status: Number(status), headers: fields.slice(leading) };
}

/** How many pseudo-fields lead the others, or what is wrong with a field. */
function countPseudo(fields: readonly HeaderField[], known: ReadonlySet<string>): number | string {
  let leading = 0;
  let index = -1;
  for (const [name, value] of fields) {
    index += 1;
    if (forbiddenInValue.test(value)) return `a forbidden byte in the value of ${name}`;
    if (name.startsWith(':')) {
      if (!known.has(name)) return `unknown pseudo-header ${name.slice(0, 40)}`;
      if (positionOf(fields, name) < index) return `${name} twice`;
      if (leading < index) return `${name} after other fields`;
      leading += 1;
      continue;
    }
    if (!fieldName.test(name)) return `field name ${JSON.stringify(name.slice(0, 40))}`;
    if (connectionFields.has(name) || (name === 'te' && value !== 'trailers'))
      return `connection-specific field ${name}`;
  }
  return leading;
}

function hasField(fields: readonly HeaderField[], name: string): boolean {
  return positionOf(fields, name) >= 0;
}

function fieldNamed(fields: readonly HeaderField[], name: string): string | undefined {
  return fields[positionOf(fields, name)]?.[1];
}

function positionOf(fields: readonly HeaderField[], name: string): number {
  for (let index = 0; index < fields.length; index++) if (fields[index]?.[0] === name) return index;
  return -1;
}
