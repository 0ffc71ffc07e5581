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
  const split = splitPseudo(fields, requestPseudo);
  if (typeof split === 'string') return { kind: 'malformed', detail: split };
  const { pseudo, headers } = split;
  const method = fieldNamed(pseudo, ':method');
  if (!method) return { kind: 'malformed', detail: 'no :method' };
  if (method === 'CONNECT' && (hasField(pseudo, ':scheme') || hasField(pseudo, ':path'))) {
    return { kind: 'malformed', detail: 'CONNECT with :scheme or :path' };
  }
  return { kind: 'request', method, authority: fieldNamed(pseudo, ':authority') ?? '', headers };
}

export function readResponse(fields: readonly HeaderField[]): ResponseHead {
  const split = splitPseudo(fields, responsePseudo);
  if (typeof split === 'string') return { kind: 'malformed', detail: split };
  const status = fieldNamed(split.pseudo, ':status') ?? '';
  if (!/^[1-9][0-9][0-9]$/.test(status)) return { kind: 'malformed', detail: `:status "${status.slice(0, 20)}"` };
  return { kind: 'response', status: Number(status), headers: split.headers };
}

interface SplitFields {
  /** At most four. */
  readonly pseudo: readonly HeaderField[];
  readonly headers: readonly HeaderField[];
}

function splitPseudo(fields: readonly HeaderField[], known: ReadonlySet<string>): SplitFields | string {
  const pseudo: HeaderField[] = [];
  const headers: HeaderField[] = [];
  for (const field of fields) {
    const [name, value] = field;
    if (forbiddenInValue.test(value)) return `a forbidden byte in the value of ${name}`;
    if (name.startsWith(':')) {
      if (!known.has(name)) return `unknown pseudo-header ${name.slice(0, 40)}`;
      if (hasField(pseudo, name)) return `${name} twice`;
      if (headers.length > 0) return `${name} after other fields`;
      pseudo.push(field);
      continue;
    }
    if (!fieldName.test(name)) return `field name ${JSON.stringify(name.slice(0, 40))}`;
    if (connectionFields.has(name) || (name === 'te' && value !== 'trailers'))
      return `connection-specific field ${name}`;
    headers.push(field);
  }
  return { pseudo, headers };
}

function hasField(fields: readonly HeaderField[], name: string): boolean {
  return fieldNamed(fields, name) !== undefined;
}

function fieldNamed(fields: readonly HeaderField[], name: string): string | undefined {
  for (const field of fields) if (field[0] === name) return field[1];
  return undefined;
}
