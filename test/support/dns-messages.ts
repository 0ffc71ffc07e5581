// DNS messages for tests, put together and taken apart by the library: queries as programs send them, responses as name
// servers give them, and what is in either as one line each.
import {
  type Answer,
  type DecodedPacket,
  decode,
  encode,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  type RecordType,
} from 'dns-packet';
import { type DnsQuery, decodeQuery } from '../../ztunnel/dns/query-codec.ts';

export interface QueryMore {
  readonly id?: number;
  /** Sends an OPT record. */
  readonly payloadBytes?: number;
}

export function aQuery(name: string, type: RecordType = 'A', { id = 4_242, payloadBytes }: QueryMore = {}): Buffer {
  const option = (udpPayloadSize: number): Answer => ({
    ...{
      type: 'OPT',
      name: '.',
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
      udpPayloadSize,
    },
  });
  const additionals = payloadBytes === undefined ? [] : [option(payloadBytes)];
  return encode({ type: 'query', id, flags: RECURSION_DESIRED, questions: [{ type, name }], additionals });
}

export function decodedQuery(bytes: Buffer): DnsQuery {
  const decoded = decodeQuery(bytes);
  if (decoded.kind !== 'query') throw new Error(decoded.reason);
  return decoded.query;
}

export interface Records {
  readonly code?: number;
  readonly answers?: Answer[];
  readonly authorities?: Answer[];
  readonly additionals?: Answer[];
  /** Further flags. */
  readonly flags?: number;
}

/** Of a name server, to this query. */
export function aResponse(query: Buffer, { code = 0, flags = 0, ...records }: Records = {}): Buffer {
  const { id, questions } = decode(query);
  const head = { type: 'response', id, flags: RECURSION_DESIRED | RECURSION_AVAILABLE | flags | code } as const;
  return encode({ ...head, questions, ...records });
}

export function anAddress(name: string, data: string, ttl = 60): Answer {
  return { type: data.includes(':') ? 'AAAA' : 'A', name, ttl, data };
}

/** `name ttl type data`, in an order of its own. */
export function recordsIn(message: Buffer, section: 'answers' | 'authorities' | 'additionals' = 'answers'): string[] {
  return (decode(message)[section] ?? []).map((record) => describe(record)).sort();
}

function describe(record: Answer): string {
  if (record.type === 'OPT') return `OPT ${record.udpPayloadSize} ${record.extendedRcode}`;
  const data = 'data' in record ? record.data : '';
  return `${record.name} ${'ttl' in record ? record.ttl : ''} ${record.type} ${typeof data === 'string' ? data : JSON.stringify(data)}`;
}

/** Response code and flags: `NOERROR aa rd ra`. */
export function headOf(message: Buffer): string {
  const packet: DecodedPacket & { readonly rcode?: string } = decode(message);
  const set = (['aa', 'tc', 'rd', 'ra', 'ad', 'cd'] as const).filter((name) => packet[`flag_${name}`]);
  return [packet.rcode, ...set].join(' ');
}
