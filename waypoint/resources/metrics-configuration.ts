// What Telemetry resources say about the metrics of one waypoint's traffic to one service. In: all Telemetry resources, the traffic.
// Out: metrics off, or on with their drops and tag changes. Mode is SERVER. Source: waypoint-telemetry.md §2.4, §2.5.
import { attachesTo, type WaypointTraffic } from './attachment.ts';
import { defaultMeshTelemetry, type MeshTelemetry } from './mesh-telemetry.ts';
import type { MetricOverride, MetricsEntry, TagChange, TelemetryResource } from './telemetry.ts';

export interface MetricChanges {
  readonly emission: 'emitted' | 'dropped';
  /** In the order of their names. */
  readonly tags: ReadonlyMap<string, TagChange>;
}

export type MetricsConfiguration =
  | { readonly kind: 'off' }
  | {
      readonly kind: 'on';
      /** By short name; a metric that is absent is unchanged. */
      readonly changes: ReadonlyMap<string, MetricChanges>;
      readonly reportingIntervalMs: number | undefined;
    };

export const metricShortNames = [
  'requests_total',
  'request_duration_milliseconds',
  'request_bytes',
  'response_bytes',
  'request_messages_total',
  'response_messages_total',
  'tcp_sent_bytes_total',
  'tcp_received_bytes_total',
  'tcp_connections_opened_total',
  'tcp_connections_closed_total',
] as const;

export type MetricShortName = (typeof metricShortNames)[number];

export function configureMetrics(
  telemetries: readonly TelemetryResource[],
  traffic: WaypointTraffic,
  mesh: MeshTelemetry = defaultMeshTelemetry,
): MetricsConfiguration {
  const entries = applicableTelemetries(telemetries, traffic).flatMap(({ metrics }) => metrics);
  return mergeMetrics(entries, mesh);
}

/** Later ones override earlier ones: mesh, waypoint's namespace, service's namespace, then what is attached by targetRefs. */
export function applicableTelemetries(
  telemetries: readonly TelemetryResource[],
  traffic: WaypointTraffic,
): readonly TelemetryResource[] {
  const byAge = [...telemetries].sort((a, b) => {
    if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
    return a.name < b.name ? -1 : 1;
  });
  const namespaces = new Set([
    traffic.rootNamespace,
    traffic.namespace,
    traffic.service?.namespace ?? traffic.namespace,
  ]);
  const wide = [...namespaces].flatMap((namespace) => {
    const first = byAge.find((one) => one.namespace === namespace && one.attachment.kind === 'namespace-wide');
    return first === undefined ? [] : [first];
  });
  const attached = [...namespaces].flatMap((namespace) =>
    byAge.filter(({ attachment, namespace: own }) => {
      return own === namespace && attachment.kind === 'targets' && attachesTo(attachment.targets, own, traffic);
    }),
  );
  return [...wide, ...attached];
}

/** Providers of kind prometheus are one: they share one endpoint. */
export function mergeMetrics(entries: readonly MetricsEntry[], mesh: MeshTelemetry): MetricsConfiguration {
  const includesPrometheus = (names: readonly string[]): boolean =>
    names.some((name) => mesh.providers.get(name.toLowerCase())?.kind === 'prometheus');
  const inScope = entries.reduce<readonly string[]>(
    (scope, { providers }) => (providers.length > 0 ? providers : scope),
    mesh.defaultMetrics,
  );
  if (!includesPrometheus(inScope)) return { kind: 'off' };
  const merged = new Map<string, { dropped: boolean; tags: Map<string, TagChange> }>();
  let everything: 'on' | 'off' = 'on';
  let effective = mesh.defaultMetrics;
  let reportingIntervalMs: number | undefined;
  for (const entry of entries) {
    if (entry.providers.length > 0) effective = entry.providers;
    if (!includesPrometheus(effective)) continue;
    reportingIntervalMs = entry.reportingIntervalMs ?? reportingIntervalMs;
    for (const override of entry.overrides) {
      if (override.mode === 'client') continue;
      everything = override.metric === 'all' && override.disabled === true ? 'off' : 'on';
      if (everything === 'on') applyOverride(merged, override);
    }
  }
  if (everything === 'off') return { kind: 'off' };
  const changes = new Map<string, MetricChanges>();
  for (const [name, { dropped, tags }] of merged) {
    const sorted = new Map([...tags].sort(([a], [b]) => (a < b ? -1 : 1)));
    changes.set(name, { emission: dropped ? 'dropped' : 'emitted', tags: sorted });
  }
  return { kind: 'on', changes, reportingIntervalMs };
}

function applyOverride(
  merged: Map<string, { dropped: boolean; tags: Map<string, TagChange> }>,
  override: MetricOverride,
): void {
  const names: readonly string[] = override.metric === 'all' ? metricShortNames : [override.metric];
  for (const name of names) {
    let metric = merged.get(name);
    if (metric === undefined) merged.set(name, (metric = { dropped: false, tags: new Map() }));
    if (override.disabled !== undefined) metric.dropped = override.disabled;
    for (const [tag, change] of override.tags) metric.tags.set(tag, change);
  }
}
