// Responses as bytes: those the mesh gives, those of name servers as they are passed on, and either cut to what a client
// takes. Records are found without following compressed names, so that no message is long work. Source: RFC 1035 §4.1.
import { type IpAddress, ipFamily, ipFromBytes, ipToBytes } from '../../common/net/address.ts';
import { type DnsQuery, encodeHead, flag, headerBytes, optRecord } from './query-codec.ts';

export interface LocalAnswer {
  readonly addresses: readonly IpAddress[];
  /** The name they belong to, by a CNAME record; undefined: the one that was asked for. */
  readonly canonicalName: string | undefined;
}

export interface ResponseRecord {
  readonly section: 'answer' | 'authority' | 'additional';
  readonly start: number;
  readonly end: number;
  readonly type: number;
  /** Of the TTL, which is followed by two bytes of length and the data. */
  readonly ttlAt: number;
}

/** Seconds that programs may keep what the mesh says. */
export const localTtlSeconds = 30;
export const recordType = { a: 1, cname: 5, soa: 6, aaaa: 28, opt: 41 } as const;
const classInternet = 1;
const namePointer = 0xc000;

/** From the mesh, with authority. */
export function encodeAnswer(query: DnsQuery, { addresses, canonicalName }: LocalAnswer): Buffer {
  const head = encodeHead(query, flag.authoritative | flag.available);
  const alias = canonicalName === undefined || addresses.length === 0 ? [] : [encodeName(canonicalName)];
  const named = alias.map((name) => encodeRecord(headerBytes, recordType.cname, name));
  // The data of the CNAME record is the name of all others.
  const owner = alias.length === 0 ? headerBytes : head.length + fixedBytes;
  const records = addresses.map((ip) =>
    encodeRecord(owner, ipFamily(ip) === 4 ? recordType.a : recordType.aaaa, ipToBytes(ip)),
  );
  head.writeUInt16BE(named.length + records.length, 6);
  return Buffer.concat([head, ...named, ...records, optRecord(query)]);
}

/** Of a record, before its data, with a pointer as its name. */
const fixedBytes = 12;

function encodeRecord(ownerAt: number, type: number, data: Uint8Array): Buffer {
  const record = Buffer.alloc(fixedBytes + data.length);
  record.writeUInt16BE(namePointer | ownerAt, 0);
  record.writeUInt16BE(type, 2);
  record.writeUInt16BE(classInternet, 4);
  record.writeUInt32BE(localTtlSeconds, 6);
  record.writeUInt16BE(data.length, 10);
  record.set(data, fixedBytes);
  return record;
}

/** @param name part of one that came in a query */
function encodeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(label));
  return Buffer.concat([...labels.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0)]);
}

/** A name server's response as one to this query: it is not ours, and we do recurse. */
export function relayResponse(query: DnsQuery, response: Buffer): Buffer {
  const relayed = Buffer.from(response);
  query.bytes.copy(relayed, 0, 0, 2);
  relayed.writeUInt16BE((response.readUInt16BE(2) & ~flag.authoritative) | flag.available, 2);
  return relayed;
}

/** As many answers as there is room for, and the mark that there are more. */
export function fitResponse(query: DnsQuery, response: Buffer, limitBytes: number): Buffer {
  if (response.length <= limitBytes) return response;
  const answers = recordsOf(response)?.filter(({ section }) => section === 'answer') ?? [];
  const option = optRecord(query);
  const kept = answers.filter(({ end }) => end + option.length <= limitBytes);
  const cut = Buffer.concat([response.subarray(0, kept.at(-1)?.end ?? query.questionEnd), option]);
  cut.writeUInt16BE(response.readUInt16BE(2) | flag.truncated, 2);
  cut.writeUInt16BE(kept.length, 6);
  cut.writeUInt16BE(0, 8);
  cut.writeUInt16BE(option.length > 0 ? 1 : 0, 10);
  return cut;
}

export function codeOfResponse(response: Buffer): number {
  return response.readUInt16BE(2) & 0xf;
}

/** @param query its question is a known length @returns whether this is an answer to these very bytes */
export function isResponseTo(query: Buffer, questionEnd: number, response: Buffer): boolean {
  return (
    response.length >= questionEnd &&
    response.readUInt16BE(0) === query.readUInt16BE(0) &&
    (response.readUInt16BE(2) & flag.response) !== 0 &&
    response.readUInt16BE(4) === 1 &&
    questionOf(response, questionEnd) === questionOf(query, questionEnd)
  );
}

/** The case of a name's letters is a server's own business; type and class are no letters. */
function questionOf(message: Buffer, end: number): string {
  const name = message.toString('latin1', headerBytes, end - 4).toLowerCase();
  return name + message.toString('latin1', end - 4, end);
}

/** Undefined when the message is cut short, or has another number of questions than one. */
export function recordsOf(response: Buffer): readonly ResponseRecord[] | undefined {
  if (response.length < headerBytes || response.readUInt16BE(4) !== 1) return undefined;
  const questionName = endOfName(response, headerBytes);
  if (questionName === undefined) return undefined;
  const records: ResponseRecord[] = [];
  let start = questionName + 4;
  for (const [index, section] of (['answer', 'authority', 'additional'] as const).entries()) {
    for (let left = response.readUInt16BE(6 + index * 2); left > 0; left--) {
      const nameEnd = endOfName(response, start);
      if (nameEnd === undefined || nameEnd + 10 > response.length) return undefined;
      const end = nameEnd + 10 + response.readUInt16BE(nameEnd + 8);
      if (end > response.length) return undefined;
      records.push({ section, start, end, type: response.readUInt16BE(nameEnd), ttlAt: nameEnd + 4 });
      start = end;
    }
  }
  return start <= response.length ? records : undefined;
}

/** Addresses among the answers, whatever their names are: a server sends those at the end of the aliases. */
export function addressesOf(response: Buffer, type: number): readonly IpAddress[] {
  const answers = recordsOf(response)?.filter((record) => record.section === 'answer' && record.type === type) ?? [];
  return answers.flatMap(({ ttlAt, end }) => ipFromBytes(response.subarray(ttlAt + 6, end)) ?? []);
}

function endOfName(message: Buffer, start: number): number | undefined {
  let at = start;
  for (let label = message[at]; label !== undefined; label = message[at]) {
    if (label === 0) return at + 1;
    if (label >= 0xc0) return at + 2;
    if (label >= 64) return undefined;
    at += label + 1;
  }
  return undefined;
}
