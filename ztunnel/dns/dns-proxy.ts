// Answers the queries of one pod: from the mesh where it knows the name, else by the name servers. In: the bytes of a query. Out:
// those of its response, at most as many as the client takes; none where there must be none.
import type { Logger } from '../../common/log.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { IpAddress } from '../../common/net/address.ts';
import type { LocalWorkload } from '../connections/local-workload.ts';
import type { NameServers } from './dns-client.ts';
import type { DnsMetrics, DnsTransport } from './dns-metrics.ts';
import { type AddressType, type LookUpScope, lookUpName, type NameLookUp } from './look-up-name.ts';
import { type DnsQuery, decodeQuery, encodeFailure, encodeQuery, responseCode } from './query-codec.ts';
import { addressesOf, codeOfResponse, encodeAnswer, fitResponse, recordType, relayResponse } from './response-codec.ts';

export interface DnsProxyContext {
  readonly mesh: MeshView;
  readonly workload: LocalWorkload;
  readonly scope: LookUpScope;
  readonly nameServers: NameServers;
  readonly metrics: DnsMetrics;
  /** In [0, 1): the order of addresses, so that programs that take the first one spread. */
  readonly random: () => number;
  readonly log: Logger;
}

export interface DnsProxy {
  /** Never rejects. */
  answer(message: Buffer, transport: DnsTransport): Promise<Buffer | undefined>;
  /** As a program of the pod would resolve it. @throws MeshError WORKLOAD_UNKNOWN, and as `NameServers.ask` */
  resolve(hostname: string, type: AddressType): Promise<ResolvedName>;
}

export type ResolvedName =
  /** None: the name has no address of this type. */
  | { readonly kind: 'addresses'; readonly addresses: readonly IpAddress[] }
  | Extract<NameLookUp, { readonly kind: 'no-address' }>;

const maxMessageBytes = 65_535;

export function createDnsProxy(context: DnsProxyContext): DnsProxy {
  return {
    async answer(message, transport) {
      const decoded = decodeQuery(message);
      if (decoded.kind !== 'query') {
        context.log.debug({ transport, reason: decoded.reason }, 'message was no query that can be answered');
        return decoded.kind === 'refused' ? decoded.response : undefined;
      }
      const { query } = decoded;
      const response = await answerQuery(context, query, transport).catch((error: unknown) => {
        context.log.debug({ domain: query.name, error }, 'query failed');
        return encodeFailure(query.bytes, query, responseCode.failed);
      });
      return fitResponse(query, response, transport === 'udp' ? query.maxDatagramBytes : maxMessageBytes);
    },
    async resolve(hostname, type) {
      const client = await context.workload.get();
      const found = lookUp(context, client, hostname, type);
      if (found.kind !== 'unknown') return found;
      const encoded = encodeQuery(hostname, type);
      if (encoded.kind !== 'query') return { kind: 'addresses', addresses: [] };
      const response = await context.nameServers.ask(encoded.query);
      return { kind: 'addresses', addresses: addressesOf(response, type === 'A' ? recordType.a : recordType.aaaa) };
    },
  };
}

/** @throws MeshError WORKLOAD_UNKNOWN */
async function answerQuery(context: DnsProxyContext, query: DnsQuery, transport: DnsTransport): Promise<Buffer> {
  const { workload, metrics } = context;
  const client = workload.current() ?? (await workload.get());
  metrics.request(client, query, transport);
  const { type, name } = query;
  const isLocal = query.class === 'IN' && (type === 'A' || type === 'AAAA');
  const found = isLocal ? lookUp(context, client, name, type) : { kind: 'unknown' as const };
  switch (found.kind) {
    case 'addresses':
      tell(context, client, query, 'success', found.addresses.length);
      return encodeAnswer(query, found);
    case 'no-address':
      tell(
        context,
        client,
        query,
        found.reason === 'none' ? 'no records' : 'service does not support this record type',
      );
      return encodeAnswer(query, { addresses: [], canonicalName: undefined });
    case 'unknown':
      return await forward(context, client, query, transport);
  }
}

async function forward(
  context: DnsProxyContext,
  client: Workload,
  query: DnsQuery,
  transport: DnsTransport,
): Promise<Buffer> {
  const begunMs = performance.now();
  const report = (outcome: 'answered' | 'failed'): void =>
    context.metrics.upstream(client, query, { transport, outcome, durationMs: performance.now() - begunMs });
  try {
    const response = await context.nameServers.ask(query);
    const code = codeOfResponse(response);
    const isAnswer = code === responseCode.ok || code === responseCode.noSuchName;
    report(isAnswer ? 'answered' : 'failed');
    const result = isAnswer ? 'forwarded' : `forwarding failed (response code ${code})`;
    tell(context, client, query, result, response.readUInt16BE(6));
    return relayResponse(query, response);
  } catch (error) {
    report('failed');
    tell(context, client, query, `forwarding failed (${error instanceof Error ? error.message : String(error)})`);
    return encodeFailure(query.bytes, query, responseCode.failed);
  }
}

function lookUp(context: DnsProxyContext, client: Workload, name: string, type: AddressType): NameLookUp {
  const { mesh, scope, random } = context;
  const found = lookUpName({ mesh, client, name, type, scope });
  return found.kind === 'addresses' ? { ...found, addresses: shuffled(found.addresses, random) } : found;
}

function shuffled<T>(values: readonly T[], random: () => number): readonly T[] {
  return values
    .map((value) => ({ value, rank: random() }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ value }) => value);
}

function tell({ log }: DnsProxyContext, client: Workload, query: DnsQuery, result: string, endpoints = 0): void {
  if (!log.isLevelEnabled('debug')) return;
  const { workloadName, name, namespace } = client;
  const source = { 'src.workload': name || workloadName, 'src.namespace': namespace };
  log.debug({ ...source, query: query.type, domain: `${query.name}.`, result, endpoints }, 'query answered');
}
