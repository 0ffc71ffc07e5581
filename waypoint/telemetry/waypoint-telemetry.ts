// Everything that is told about traffic: metrics, generated attributes, access log. In: facts at the end of a request or connection,
// and the resources, which may change at any time. Plans are made once per service port and set of resources.
import type { Logger } from '../../common/log.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import { addOnce, type Recorder } from '../../common/telemetry/recorder.ts';
import type { TcpReport } from '../../common/telemetry/tcp-reporter.ts';
import { generateAttributes } from '../attributegen/attribute-generator.ts';
import type { WaypointTraffic } from '../resources/attachment.ts';
import type { WaypointResources } from '../resources/waypoint-resources.ts';
import type { Downstream, ServedTarget } from '../served-target.ts';
import { requestLogLine, type TcpFacts, tcpLogLine } from './access-log-line.ts';
import { type ChainTelemetry, planChain } from './chain-telemetry.ts';
import { requestAttributes, requestPhaseAttributes } from './request-attributes.ts';
import type { RequestFacts } from './request-facts.ts';
import { createRequestMetrics } from './request-metrics.ts';
import { createTcpMetrics } from './tcp-metrics.ts';

export interface WaypointTelemetryOptions {
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly accessLog: 'on' | 'off';
  readonly tcpIntervalMs: number;
  readonly waypoint: Omit<WaypointTraffic, 'service'>;
}

export interface WaypointTelemetry {
  /** Takes effect for requests and connections that end, or open, from now on. */
  useResources(resources: WaypointResources): void;
  requestEnded(facts: RequestFacts): void;
  connectionOpened(downstream: Downstream, destination: Workload | undefined): TcpReport;
  connectionEnded(facts: TcpFacts): void;
  /** The client's connection has closed. */
  forget(downstream: Downstream): void;
  close(): void;
}

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
  const { recorder, log } = options;
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
      if (options.accessLog === 'on') log.info(requestLogLine(facts));
    },
    connectionOpened: (downstream, destination) =>
      connections.open(downstream, destination, chainOf(downstream.target)),
    connectionEnded(facts) {
      if (options.accessLog === 'on') log.info(tcpLogLine(facts));
    },
    forget: (downstream) => requests.forget(downstream),
    close: () => connections.close(),
  };
}
