// Metrics of the set of pods, of their sockets and of the names they look up, under the names of Istio's ztunnel (ztunnel.md §10).
import { identityOf } from '../../common/identity/identity.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import { addOnce, type MetricDefinition, type Recorder, type Series } from '../../common/telemetry/recorder.ts';

export interface ProxyCounters {
  readonly started: Series;
  readonly stopped: Series;
  setActive(count: number): void;
  setPending(count: number): void;
}

export interface OpenSockets {
  readonly source: Series;
  readonly destination: Series;
}

const socketsOpen: MetricDefinition = {
  name: 'istio_tcp_sockets_open',
  help: 'The number of accepted sockets that are open (unstable)',
  kind: 'gauge',
  labelNames: ['reporter'],
};

const build: MetricDefinition = {
  name: 'istio_build',
  help: 'Istio component build info',
  kind: 'gauge',
  labelNames: ['component', 'tag'],
};

export function countBuild(recorder: Recorder, tag: string): void {
  recorder.gauge(build, ['ztunnel', tag]).add(1);
}

function ofPods(name: string, help: string, kind: 'counter' | 'gauge'): MetricDefinition {
  return { name: `workload_manager_${name}`, help: `${help} (unstable)`, kind, labelNames: [] };
}

export function createProxyCounters(recorder: Recorder): ProxyCounters {
  const active = recorder.gauge(ofPods('active_proxy_count', 'The number of pods that are served', 'gauge'), []);
  const pending = recorder.gauge(
    ofPods('pending_proxy_count', 'The number of pods whose proxy could not be started yet', 'gauge'),
    [],
  );
  return {
    started: recorder.counter(
      ofPods('proxies_started_total', 'The number of proxies that were started', 'counter'),
      [],
    ),
    stopped: recorder.counter(
      ofPods('proxies_stopped_total', 'The number of proxies that were stopped', 'counter'),
      [],
    ),
    setActive: settable(active),
    setPending: settable(pending),
  };
}

function settable(gauge: Series): (value: number) => void {
  let before = 0;
  return (value) => {
    gauge.add(value - before);
    before = value;
  };
}

export function createOpenSockets(recorder: Recorder): OpenSockets {
  return { source: recorder.gauge(socketsOpen, ['source']), destination: recorder.gauge(socketsOpen, ['destination']) };
}

const onDemandDns: MetricDefinition = {
  name: 'istio_on_demand_dns_total',
  help: 'The number of look-ups of workloads and services that have a name and no address (unstable)',
  kind: 'counter',
  labelNames: [
    'source_workload',
    'source_canonical_service',
    'source_canonical_revision',
    'source_workload_namespace',
    'source_principal',
    'source_app',
    'source_version',
    'source_cluster',
    'hostname',
  ],
};

/** Told of each look-up: who needed it, and the name. */
export type CountOnDemandDns = (source: Workload, hostname: string) => void;

export function createOnDemandDnsCounter(recorder: Recorder): CountOnDemandDns {
  return (source, hostname) => {
    const { workloadName, canonicalName, canonicalRevision, namespace, clusterId } = source;
    const principal = identityOf(source).uri;
    const end = [principal, canonicalName, canonicalRevision, clusterId];
    const values = [workloadName, canonicalName, canonicalRevision, namespace, ...end].map((text) => text || 'unknown');
    addOnce(recorder.counter(onDemandDns, [...values, hostname]), 1);
  };
}
