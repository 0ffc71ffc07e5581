// Everything that is told about traffic: metrics, generated attributes, access log. In: facts at the end of a request or connection,
// and the resources, which may change at any time. Plans are made once per service port and set of resources.
import type { Attributes } from '../../common/expressions/expression.ts';
import type { LineLog } from '../../common/line-log.ts';
import type { FailureJournal } from '../../common/telemetry/failure-journal.ts';
import { addOnce, type Recorder } from '../../common/telemetry/recorder.ts';
import type { TcpReport } from '../../common/telemetry/tcp-reporter.ts';
import { generateAttributes } from '../attributegen/attribute-generator.ts';
import type { WaypointTraffic } from '../resources/attachment.ts';
import type { WaypointResources } from '../resources/waypoint-resources.ts';
import type { Downstream, ServedTarget } from '../served-target.ts';
import { type AccessLogsOptions, createAccessLogs } from './access-logs.ts';
import { type ChainTelemetry, planChain } from './chain-telemetry.ts';
import { createFailureLines, type Refusal } from './failure-lines.ts';
import { logFactsOfConnection, logFactsOfRequest, type TcpFacts } from './log-facts.ts';
import { createMessageMetrics, type MessageReport } from './message-metrics.ts';
import { connectionAttributes, requestAttributes, requestPhaseAttributes } from './request-attributes.ts';
import type { RequestFacts, UpstreamFacts } from './request-facts.ts';
import { createRequestMetrics } from './request-metrics.ts';
import type { ResponseFlag } from './response-flags.ts';
import { createTcpMetrics } from './tcp-metrics.ts';

export interface WaypointTelemetryOptions extends AccessLogsOptions {
  readonly recorder: Recorder;
  readonly failures: FailureJournal;
  /** Of scope `access`. */
  readonly lines: LineLog;
  readonly tcpIntervalMs: number;
  readonly waypoint: Omit<WaypointTraffic, 'service'>;
}

export interface WaypointTelemetry {
  /** Takes effect for requests and connections that end, or open, from now on. */
  useResources(resources: WaypointResources): void;
  /** Before there was a stream to serve. */
  refused(refusal: Refusal): void;
  /** A gRPC call has an endpoint, or will not have one. */
  callStarted(downstream: Downstream, upstream: UpstreamFacts | undefined): MessageReport;
  requestEnded(facts: RequestFacts): void;
  /** @param flags why it will not be connected; none where it is */
  connectionOpened(
    downstream: Downstream,
    upstream: UpstreamFacts | undefined,
    flags: readonly ResponseFlag[],
  ): TcpReport;
  connectionEnded(facts: TcpFacts): void;
  /** The client's connection has closed. */
  forget(downstream: Downstream): void;
  close(): void;
}

const noFilterState: ReadonlyMap<string, string> = new Map();

const errorCount = {
  name: 'error_count',
  help: 'Attribute generators that stopped at a condition which failed',
  kind: 'counter',
  labelNames: ['wasm_filter', 'type'],
} as const;

export function createWaypointTelemetry(
  options: WaypointTelemetryOptions,
  first: WaypointResources,
): WaypointTelemetry {
  const { recorder } = options;
  const requests = createRequestMetrics(recorder);
  const connections = createTcpMetrics(recorder, options.tcpIntervalMs);
  const messages = createMessageMetrics(recorder, options.tcpIntervalMs);
  const accessLogs = createAccessLogs(options);
  const failures = createFailureLines(options.failures, options.lines);
  let resources = first;
  let chains = new Map<string, ChainTelemetry>();

  function chainOf(target: ServedTarget): ChainTelemetry {
    const service = target.kind === 'service' ? target.service : undefined;
    const key = service === undefined ? '' : `${target.address.port}/${service.namespace}/${service.name}`;
    const known = chains.get(key);
    if (known !== undefined) return known;
    const chain = planChain(resources, { ...options.waypoint, service }, target.address.port);
    chains.set(key, chain);
    return chain;
  }

  return {
    refused: failures.refused,
    useResources(changed) {
      resources = changed;
      const providers = [...changed.mesh.providers.values()];
      options.collectors.keepOnly(providers.flatMap((one) => (one.kind === 'otlp' ? one.collector : [])));
      chains = new Map();
    },
    callStarted: (downstream, upstream) => messages.open({ downstream, upstream }, chainOf(downstream.target)),
    requestEnded(facts) {
      const chain = chainOf(facts.downstream.target);
      const filterState = new Map<string, string>();
      const attributes = requestAttributes(facts, filterState);
      runGenerators(recorder, chain, facts, attributes, filterState);
      requests.record(facts, chain, () => attributes);
      accessLogs.write(logFactsOfRequest(facts, attributes), chain.logs);
      failures.requestEnded(facts);
    },
    connectionOpened(downstream, upstream, flags) {
      return connections.open({ downstream, upstream, flags }, chainOf(downstream.target));
    },
    connectionEnded(facts) {
      const { downstream, upstream } = facts;
      const attributes = connectionAttributes(downstream, noFilterState, () => upstream);
      accessLogs.write(logFactsOfConnection(facts, attributes), chainOf(downstream.target).logs);
      failures.connectionEnded(facts);
    },
    forget: (downstream) => requests.forget(downstream),
    close() {
      connections.close();
      messages.close();
      options.failures.close();
    },
  };
}

/** What they generate is in the filter state from then on, and in the attributes. */
function runGenerators(
  recorder: Recorder,
  { generators }: ChainTelemetry,
  facts: RequestFacts,
  attributes: Attributes,
  filterState: Map<string, string>,
): void {
  if (generators.length === 0) return;
  const early = (): Attributes => requestPhaseAttributes(facts, filterState);
  const failures = generateAttributes(generators, (phase) => (phase === 'request' ? early() : attributes), filterState);
  if (failures > 0) addOnce(recorder.counter(errorCount, ['attributegen', 'runtime']), failures);
}
