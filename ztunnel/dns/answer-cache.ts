// Responses of name servers that one pod has had, for as long as their records may be kept (RFC 1035 §7.4, RFC 2308). In: the bytes
// of a query, and what came. Out: the same response with less time left. Bounded in bytes; the oldest leave first.
import { headerBytes, responseCode } from './query-codec.ts';
import { codeOfResponse, type ResponseRecord, recordsOf, recordType } from './response-codec.ts';

export interface AnswerCache {
  /** @param query its first two bytes do not matter @returns with the id that the query has */
  get(query: Buffer, nowMs: number): Buffer | undefined;
  /** Keeps nothing of what may not be kept. */
  put(query: Buffer, response: Buffer, nowMs: number): void;
}

interface KeptResponse {
  readonly response: Buffer;
  readonly ttlsAt: readonly number[];
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** Some hundreds of responses. */
const maxBytes = 128 * 1_024;
const longestSeconds = 3_600;
/** That a name is not there may change with the next deployment. */
const longestNegativeSeconds = 30;
const truncatedFlag = 0x0200;

export function createAnswerCache(): AnswerCache {
  const kept = new Map<string, KeptResponse>();
  let bytes = 0;
  const sizeOf = (key: string, { response }: KeptResponse): number => key.length + response.length;
  const drop = (key: string): void => {
    const known = kept.get(key);
    if (known === undefined) return;
    kept.delete(key);
    bytes -= sizeOf(key, known);
  };
  return {
    get(query, nowMs) {
      const key = keyOf(query);
      const known = kept.get(key);
      if (known === undefined) return undefined;
      if (nowMs < known.untilMs) return aged(known, query, nowMs);
      drop(key);
      return undefined;
    },
    put(query, response, nowMs) {
      const lifetime = lifetimeOf(response);
      const key = keyOf(query);
      if (lifetime === undefined || key.length + response.length > maxBytes / 4) return;
      const { seconds, ttlsAt } = lifetime;
      drop(key);
      const value = { response, ttlsAt, sinceMs: nowMs, untilMs: nowMs + seconds * 1_000 };
      kept.set(key, value);
      bytes += sizeOf(key, value);
      for (const oldest of kept.keys()) {
        if (bytes <= maxBytes) break;
        drop(oldest);
      }
    },
  };
}

/** Flags and EDNS options count: whoever asks otherwise gets another answer. */
function keyOf(query: Buffer): string {
  return query.toString('latin1', 2);
}

function aged({ response, ttlsAt, sinceMs }: KeptResponse, query: Buffer, nowMs: number): Buffer {
  const copy = Buffer.from(response);
  query.copy(copy, 0, 0, 2);
  const seconds = Math.floor((nowMs - sinceMs) / 1_000);
  for (const at of ttlsAt) copy.writeUInt32BE(Math.max(0, response.readUInt32BE(at) - seconds), at);
  return copy;
}

function lifetimeOf(response: Buffer): { readonly seconds: number; readonly ttlsAt: readonly number[] } | undefined {
  const records = recordsOf(response)?.filter(({ type }) => type !== recordType.opt);
  const code = response.length < headerBytes ? undefined : codeOfResponse(response);
  if (records === undefined || (code !== responseCode.ok && code !== responseCode.noSuchName)) return undefined;
  if ((response.readUInt16BE(2) & truncatedFlag) !== 0) return undefined;
  const isPositive = code === responseCode.ok && records.some(({ section }) => section === 'answer');
  const seconds = isPositive
    ? Math.min(longestSeconds, ...records.map(({ ttlAt }) => response.readUInt32BE(ttlAt)))
    : negativeSeconds(response, records);
  return seconds <= 0 ? undefined : { seconds, ttlsAt: records.map(({ ttlAt }) => ttlAt) };
}

/** By the zone's SOA record, whose last field is the least of its times. */
function negativeSeconds(response: Buffer, records: readonly ResponseRecord[]): number {
  const authority = records.find(({ section, type }) => section === 'authority' && type === recordType.soa);
  if (authority === undefined || authority.end - authority.ttlAt < 26) return 0;
  const { ttlAt, end } = authority;
  return Math.min(longestNegativeSeconds, response.readUInt32BE(ttlAt), response.readUInt32BE(end - 4));
}
