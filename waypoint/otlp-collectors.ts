// The collectors that access logs go to, each with its queue: found in the mesh by name at each call, and reached like every upstream, through the
// mesh where they are in it. In: records by collector. Out: calls; counts of what became of each record.
import { grpcStatus } from '../common/grpc/grpc-status.ts';
import type { Logger } from '../common/log.ts';
import type { MeshView } from '../common/mesh/mesh-view.ts';
import type { Workload } from '../common/mesh/workload.ts';
import type { ExportAnswer } from '../common/telemetry/otlp/export-plan.ts';
import { createExporter, type Exporter } from '../common/telemetry/otlp/exporter.ts';
import { decodeExportResponse, exportLogsPath, type OtlpAttributes } from '../common/telemetry/otlp/otlp-codec.ts';
import { addOnce, type MetricDefinition, type Recorder } from '../common/telemetry/recorder.ts';
import type { LogCollector } from './resources/mesh-telemetry.ts';
import type { CollectorSinks } from './telemetry/access-logs.ts';
import { chooseUpstream, type UpstreamEndpoint } from './upstream/choose-upstream.ts';
import type { ClientPool } from './upstream/client-pool.ts';
import { callGrpc } from './upstream/grpc-call.ts';

export interface OtlpCollectors extends CollectorSinks {
  /** Sends what waits, for as long as the time allows (milliseconds from now). */
  drain(deadlineMs: number): Promise<void>;
  close(): void;
}

export interface OtlpCollectorsOptions {
  readonly mesh: MeshView;
  readonly self: () => Workload;
  readonly clients: Pick<ClientPool, 'clientFor'>;
  /** Who writes the records. */
  readonly resource: OtlpAttributes;
  readonly recorder: Recorder;
  readonly log: Logger;
}

const callTimeoutMs = 10_000;
/** Collectors that no configuration names any more have this long to take what waits for them. */
const farewellMs = 5_000;

const records: MetricDefinition = {
  name: 'ambientd_access_log_records_total',
  help: 'The number of access log records for a collector: exported, refused by it, or dropped because there was no_room (unstable)',
  kind: 'counter',
  labelNames: ['provider', 'outcome'],
};

export function createOtlpCollectors(options: OtlpCollectorsOptions): OtlpCollectors {
  const { recorder, resource, log } = options;
  const exporters = new Map<string, Exporter>();

  function exporterFor(collector: LogCollector): Exporter {
    const key = keyOf(collector);
    const known = exporters.get(key);
    if (known !== undefined) return known;
    const exporter = createExporter({
      resource,
      scope: collector.logName,
      name: collector.name,
      log,
      random: Math.random,
      send: (request) => send(options, collector, request),
      count: (outcome, count) => addOnce(recorder.counter(records, [collector.name, outcome.replace('-', '_')]), count),
    });
    exporters.set(key, exporter);
    return exporter;
  }

  return {
    add: (collector, record) => exporterFor(collector).add(record),
    keepOnly(collectors) {
      const kept = new Set(collectors.map(keyOf));
      for (const [key, exporter] of exporters) {
        if (kept.has(key)) continue;
        exporters.delete(key);
        void exporter.drain(farewellMs);
      }
    },
    async drain(deadlineMs) {
      await Promise.all([...exporters.values()].map((exporter) => exporter.drain(deadlineMs)));
    },
    close() {
      for (const exporter of exporters.values()) exporter.close();
    },
  };
}

function keyOf({ name, namespace = '', hostname, port, logName }: LogCollector): string {
  return JSON.stringify([name, namespace, hostname, port, logName]);
}

async function send(options: OtlpCollectorsOptions, collector: LogCollector, message: Buffer): Promise<ExportAnswer> {
  const endpoint = findEndpoint(options, collector);
  if (typeof endpoint === 'string') return failed(grpcStatus.unavailable, endpoint);
  const client = options.clients.clientFor(endpoint, 'HTTP/2');
  const { hostname: authority } = collector;
  const answer = await callGrpc(client, { authority, path: exportLogsPath, message, timeoutMs: callTimeoutMs });
  if (answer.kind === 'failed') return failed(answer.status, answer.reason, answer.hasDetails);
  try {
    return { kind: 'accepted', ...decodeExportResponse(answer.message) };
  } catch (error) {
    return { kind: 'accepted', rejected: 0, message: String(error) };
  }
}

/** @returns the endpoint, or why there is none */
function findEndpoint({ mesh, self }: OtlpCollectorsOptions, collector: LogCollector): UpstreamEndpoint | string {
  const { hostname, namespace, port } = collector;
  const service = mesh.serviceByHostname(hostname, namespace);
  if (service === undefined) return `the mesh has no service ${hostname}; the provider names it by its full hostname`;
  const source = self();
  const ip = service.addresses[0]?.ip ?? source.addresses[0];
  if (ip === undefined) return `service ${hostname} has no address`;
  const target = { kind: 'service', service, servicePort: port, address: { ip, port }, appProtocol: 'grpc' } as const;
  const choice = chooseUpstream(mesh, target, source, Math.random());
  return choice.kind === 'endpoint' ? choice.endpoint : choice.detail;
}

function failed(status: number, reason: string, isToldToRetry = false): ExportAnswer {
  return { kind: 'failed', status, reason, isTold: isToldToRetry ? 'to retry' : 'nothing' };
}
