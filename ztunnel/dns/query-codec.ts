// Queries of programs: bytes in, what they ask out, or the answer to what cannot be answered. The bytes may be anything.
// Source: RFC 1035 §4.1, RFC 6891; ztunnel.md §9.
import { type DecodedPacket, decode, encode } from 'dns-packet';

export interface DnsQuery {
  /** As it came. */
  readonly bytes: Buffer;
  /** Lower case, without a final dot; '' is the root. */
  readonly name: string;
  /** `A`, `AAAA` …, `UNKNOWN_999` where there is no word for it. */
  readonly type: string;
  /** `IN` nearly always. */
  readonly class: string;
  /** Where its question ends; it begins at byte 12. */
  readonly questionEnd: number;
  /** What the client takes in one datagram. */
  readonly maxDatagramBytes: number;
  /** With its OPT record. */
  readonly edns: { readonly dnssecOk: boolean } | undefined;
}

export type DecodedQuery =
  | { readonly kind: 'query'; readonly query: DnsQuery }
  | { readonly kind: 'refused'; readonly response: Buffer; readonly reason: string }
  /** Too short to be answered, or no query at all: an answer to an answer would go on for ever. */
  | { readonly kind: 'ignored'; readonly reason: string };

/** More than any query needs, with a name of 255 bytes and many EDNS options. */
export const maxQueryBytes = 4_096;
export const headerBytes = 12;
/** Of the second byte pair. */
export const flag = { response: 0x8000, authoritative: 0x0400, truncated: 0x0200, desired: 0x0100, available: 0x0080 };
export const responseCode = { ok: 0, malformed: 1, failed: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const;

/** RFC 1035: without EDNS nobody has to take more. */
const plainDatagramBytes = 512;
/** Beside the question: an OPT record, a signature, the known version of a zone. */
const maxRecords = 4;
const opcodeBits = 0x7800;
/** What a response repeats: opcode, whether recursion is desired, and that signatures are not to be checked. */
const repeatedBits = opcodeBits | flag.desired | 0x0010;

/** Never throws. */
export function decodeQuery(bytes: Buffer): DecodedQuery {
  if (bytes.length < headerBytes) return { kind: 'ignored', reason: `${bytes.length} bytes are no message` };
  const flags = bytes.readUInt16BE(2);
  if ((flags & flag.response) !== 0) return { kind: 'ignored', reason: 'it is a response' };
  if ((flags & opcodeBits) !== 0) {
    const response = encodeFailure(bytes, undefined, responseCode.notImplemented);
    return { kind: 'refused', response, reason: `operation ${(flags & opcodeBits) >> 11} is not served` };
  }
  const malformed = (reason: string): DecodedQuery => ({
    kind: 'refused',
    response: encodeFailure(bytes, undefined, responseCode.malformed),
    reason,
  });
  const questionEnd = endOfQuestion(bytes);
  if (questionEnd === undefined || bytes.readUInt16BE(4) !== 1) return malformed('there must be one question');
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  if (records > maxRecords || bytes.length > maxQueryBytes) return malformed('it is larger than a query is');
  try {
    return readQuery(bytes, decode(bytes), questionEnd);
  } catch (error) {
    return malformed(error instanceof Error ? error.message : String(error));
  }
}

/** Those of RFC 9460, which every browser asks for. */
const newerTypes: Readonly<Record<string, string>> = { UNKNOWN_64: 'SVCB', UNKNOWN_65: 'HTTPS' };

function readQuery(bytes: Buffer, packet: DecodedPacket, questionEnd: number): DecodedQuery {
  const [question] = packet.questions ?? [];
  if (question === undefined) throw new RangeError('there is no question');
  const option = packet.additionals?.find((record) => record.type === 'OPT');
  const query: DnsQuery = {
    bytes,
    name: question.name === '.' ? '' : question.name.toLowerCase(),
    type: newerTypes[question.type] ?? question.type,
    class: question.class ?? 'IN',
    questionEnd,
    maxDatagramBytes: Math.max(plainDatagramBytes, option?.udpPayloadSize ?? 0),
    edns: option && { dnssecOk: option.flag_do },
  };
  if (option !== undefined && option.ednsVersion > 0) {
    const response = encodeFailure(bytes, query, badVersion);
    return { kind: 'refused', response, reason: `EDNS ${option.ednsVersion} is not known` };
  }
  return { kind: 'query', query };
}

/** A name without pointers, type and class; nothing stands before it that a pointer could lead to. */
function endOfQuestion(bytes: Buffer): number | undefined {
  let at = headerBytes;
  for (let label = bytes[at]; label !== undefined && label < 64; label = bytes[at]) {
    if (label === 0) return at + 5 <= bytes.length ? at + 5 : undefined;
    at += label + 1;
  }
  return undefined;
}

/** Of RFC 6891: more than the four bits of the header hold. */
const badVersion = 16;

/** A response without records. @param query undefined where the question could not be read: it is not repeated */
export function encodeFailure(bytes: Buffer, query: DnsQuery | undefined, code: number): Buffer {
  const flags = flag.available | (code & 0xf);
  if (query === undefined) return responseHead(bytes, headerBytes, flags);
  return Buffer.concat([encodeHead(query, flags), optRecord(query, code >> 4)]);
}

/** Header and question of a response to this query, whose counts of records are zero but for its OPT record. */
export function encodeHead(query: DnsQuery, flags: number): Buffer {
  return responseHead(query.bytes, query.questionEnd, flags, query.edns === undefined ? 0 : 1);
}

function responseHead(bytes: Buffer, questionEnd: number, flags: number, additionals = 0): Buffer {
  const head = Buffer.from(bytes.subarray(0, questionEnd));
  head.writeUInt16BE(flag.response | (bytes.readUInt16BE(2) & repeatedBits) | flags, 2);
  head.writeUInt16BE(questionEnd > headerBytes ? 1 : 0, 4);
  head.fill(0, 6, headerBytes);
  head.writeUInt16BE(additionals, 10);
  return head;
}

/** Empty for a client that did not send one. */
export function optRecord(query: DnsQuery, extendedCode = 0): Buffer {
  if (query.edns === undefined) return Buffer.alloc(0);
  const record = Buffer.alloc(11);
  record.writeUInt16BE(41, 1);
  record.writeUInt16BE(query.maxDatagramBytes, 3);
  record.writeUInt8(extendedCode, 5);
  if (query.edns.dnssecOk) record.writeUInt16BE(0x8000, 7);
  return record;
}

/** A query of our own, as a program would have sent it. */
export function encodeQuery(name: string, type: 'A' | 'AAAA'): DecodedQuery {
  return decodeQuery(encode({ type: 'query', flags: flag.desired, questions: [{ type, name }] }));
}
