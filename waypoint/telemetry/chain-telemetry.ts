// What is counted and logged, and how it is labelled, for traffic to one service port: resolved once per configuration, then only read.
// In: the resources and whose traffic it is. Out: label plans per metric, generators, expressions. Source: waypoint-telemetry.md §1.15.
import type { AttributeGenerator } from '../attributegen/attribute-generator.ts';
import type { WaypointTraffic } from '../resources/attachment.ts';
import { type AccessLog, configureLogging } from '../resources/logging-configuration.ts';
import { configureMetrics, type MetricShortName } from '../resources/metrics-configuration.ts';
import { generatorsFor } from '../resources/wasm-plugin.ts';
import type { WaypointResources } from '../resources/waypoint-resources.ts';
import { ExpressionList, type LabelPlan, planLabels } from './label-plan.ts';
import { commonLabelNames, httpLabelNames, tcpLabelNames } from './waypoint-labels.ts';

export interface ChainTelemetry {
  readonly generators: readonly AttributeGenerator[];
  readonly http: MetricPlans;
  readonly tcp: MetricPlans;
  /** Of gRPC calls. */
  readonly messages: MetricPlans;
  readonly reportingIntervalMs: number | undefined;
  readonly logs: readonly AccessLog[];
}

export interface MetricPlans {
  /** By short name; a metric that is absent is not emitted. */
  readonly plans: ReadonlyMap<MetricShortName, LabelPlan>;
  readonly expressions: ExpressionList;
}

const httpMetrics: readonly MetricShortName[] = [
  'requests_total',
  'request_duration_milliseconds',
  'request_bytes',
  'response_bytes',
];

const tcpMetrics: readonly MetricShortName[] = [
  'tcp_sent_bytes_total',
  'tcp_received_bytes_total',
  'tcp_connections_opened_total',
  'tcp_connections_closed_total',
];

const messageMetrics: readonly MetricShortName[] = ['request_messages_total', 'response_messages_total'];

export function planChain(resources: WaypointResources, traffic: WaypointTraffic, port: number): ChainTelemetry {
  const configuration = configureMetrics(resources.telemetries, traffic, resources.mesh);
  const planAll = (metrics: readonly MetricShortName[], names: readonly string[]): MetricPlans => {
    const plans = new Map<MetricShortName, LabelPlan>();
    const expressions = new ExpressionList(names.length);
    for (const metric of configuration.kind === 'on' ? metrics : []) {
      const changes = configuration.kind === 'on' ? configuration.changes.get(metric) : undefined;
      const plan = planLabels(names, changes, expressions);
      if (plan !== undefined) plans.set(metric, plan);
    }
    return { plans, expressions };
  };
  return {
    generators: generatorsFor(resources.plugins, traffic, port),
    http: planAll(httpMetrics, httpLabelNames),
    tcp: planAll(tcpMetrics, tcpLabelNames),
    messages: planAll(messageMetrics, commonLabelNames),
    reportingIntervalMs: configuration.kind === 'on' ? configuration.reportingIntervalMs : undefined,
    logs: configureLogging(resources.telemetries, traffic, resources.mesh),
  };
}
