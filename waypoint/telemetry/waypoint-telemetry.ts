// Everything that is told about traffic: metrics, generated attributes, access log. In: facts at the end of a request or connection,
// and the resources, which may change at any time. Plans are made once per service port and set of resources.
import type { Attributes, Expression } from '../../common/expressions/expression.ts';
import { addOnce, type Recorder } from '../../common/telemetry/recorder.ts';
import type { TcpReport } from '../../common/telemetry/tcp-reporter.ts';
import { generateAttributes } from '../attributegen/attribute-generator.ts';
import type { WaypointTraffic } from '../resources/attachment.ts';
import { standardLog } from '../resources/mesh-telemetry.ts';
import type { WaypointResources } from '../resources/waypoint-resources.ts';
import type { Downstream, ServedTarget } from '../served-target.ts';
import { type ChainTelemetry, planChain } from './chain-telemetry.ts';
import { type LogFacts, logFactsOfConnection, logFactsOfRequest, type TcpFacts } from './log-facts.ts';
import { connectionAttributes, requestAttributes, requestPhaseAttributes } from './request-attributes.ts';
import type { RequestFacts, UpstreamFacts } from './request-facts.ts';
import { createRequestMetrics } from './request-metrics.ts';
import { createTcpMetrics } from './tcp-metrics.ts';

export interface LogSink {
  /** @param line with its line feed */
  write(line: string): void;
}

export interface WaypointTelemetryOptions {
  readonly recorder: Recorder;
  /** Where an access log goes, by path. */
  readonly output: (path: string) => LogSink;
  /** In Istio's default format to standard output, whatever the resources say. */
  readonly accessLog: 'on' | 'off';
  readonly tcpIntervalMs: number;
  readonly waypoint: Omit<WaypointTraffic, 'service'>;
}

export interface WaypointTelemetry {
  /** Takes effect for requests and connections that end, or open, from now on. */
  useResources(resources: WaypointResources): void;
  requestEnded(facts: RequestFacts): void;
  connectionOpened(downstream: Downstream, upstream: UpstreamFacts | undefined): TcpReport;
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

  function writeLogs(facts: LogFacts, { logs }: ChainTelemetry): void {
    const configured = logs.length === 0 && options.accessLog === 'on' ? [standardLog] : logs;
    for (const { path, write, filter } of configured) {
      if (filter !== undefined && !isTrue(filter, facts.attributes)) continue;
      options.output(path).write(`${write(facts)}\n`);
    }
  }

  return {
    useResources(changed) {
      resources = changed;
      chains = new Map();
    },
    requestEnded(facts) {
      const chain = chainOf(facts.downstream.target);
      const filterState = new Map<string, string>();
      const attributes = requestAttributes(facts, filterState);
      if (chain.generators.length > 0) {
        const early = (): object => requestPhaseAttributes(facts, filterState);
        const failures = generateAttributes(
          chain.generators,
          (phase) => (phase === 'request' ? early() : attributes),
          filterState,
        );
        if (failures > 0) addOnce(recorder.counter(errorCount, ['attributegen', 'runtime']), failures);
      }
      requests.record(facts, chain, () => attributes);
      writeLogs(logFactsOfRequest(facts, attributes), chain);
    },
    connectionOpened: (downstream, upstream) => connections.open(downstream, upstream, chainOf(downstream.target)),
    connectionEnded(facts) {
      const { downstream, upstream } = facts;
      const attributes = connectionAttributes(downstream, noFilterState, () => upstream);
      writeLogs(logFactsOfConnection(facts, attributes), chainOf(downstream.target));
    },
    forget: (downstream) => requests.forget(downstream),
    close: () => connections.close(),
  };
}

/** Envoy's filter: what cannot be evaluated, or is no boolean, lets no line pass. */
function isTrue(filter: Expression, attributes: Attributes): boolean {
  if (filter.kind === 'invalid') return false;
  const outcome = filter.evaluate(attributes);
  return outcome.kind === 'value' && outcome.value === true;
}
