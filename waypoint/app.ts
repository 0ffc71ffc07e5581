// A waypoint, put together: construction, and the order in which its parts start and stop. In: its configuration and a log.
// Out: something that runs. What the parts do stands in their own files.

import type { Route } from '../common/admin/http-route.ts';
import { createHttpServer as createAdminServer } from '../common/admin/http-server.ts';
import { metricsRoutes } from '../common/admin/metrics-routes.ts';
import { createReadiness, type Readiness, readinessRoutes } from '../common/admin/readiness.ts';
import { createCaClient } from '../common/ca/ca-client.ts';
import { formatBaggage } from '../common/hbone/baggage.ts';
import type { ConnectHeaders } from '../common/hbone/hbone.ts';
import { createTunnelPool } from '../common/hbone/tunnel-pool.ts';
import { createTunnelServer } from '../common/hbone/tunnel-server.ts';
import { createCertificateStore } from '../common/identity/certificate-store.ts';
import { createCrlFileWatcher } from '../common/identity/crl-file-watcher.ts';
import { identityOf } from '../common/identity/identity.ts';
import type { RevocationList } from '../common/identity/revocation-list.ts';
import type { Runnable } from '../common/lifecycle.ts';
import type { Logging } from '../common/logger.ts';
import { createMeshIndex } from '../common/mesh/mesh-index.ts';
import type { MeshView } from '../common/mesh/mesh-view.ts';
import type { Workload } from '../common/mesh/workload.ts';
import type { IpAddress } from '../common/net/address.ts';
import { createPlainSocketFactory } from '../common/net/plain-socket-factory-socket.ts';
import type { Listener } from '../common/net/socket-factory.ts';
import { createPeerClaims } from '../common/peer/peer-claims.ts';
import type { ToldPeer } from '../common/peer/peer-exchange-codec.ts';
import { baggageOfMetadata } from '../common/peer/peer-metadata.ts';
import { peerOfWorkload } from '../common/peer/workload-peer.ts';
import { createFailureJournal } from '../common/telemetry/failure-journal.ts';
import { readLogMetrics } from '../common/telemetry/log-metrics.ts';
import { createMetricsRegistry, type MetricsRegistry } from '../common/telemetry/metrics-registry.ts';
import type { OtlpAttributes } from '../common/telemetry/otlp/otlp-codec.ts';
import type { Recorder } from '../common/telemetry/recorder.ts';
import { readRuntimeMetrics } from '../common/telemetry/runtime-metrics.ts';
import { createPeerRevocations } from '../common/tls/peer-revocations-socket.ts';
import type { WaypointConfig } from './config.ts';
import { describedWorkload } from './described-workload.ts';
import { type Authorization, createAuthorization } from './filters/authorization.ts';
import { createHttpServer } from './http/http-server.ts';
import { createAdmission } from './listener/admit-stream.ts';
import { createMeshSource } from './mesh-source.ts';
import { createOtlpCollectors, type OtlpCollectors } from './otlp-collectors.ts';
import { noResources, type WaypointResources } from './resources/waypoint-resources.ts';
import { createRouting, type Routing } from './routes/routing.ts';
import { createWaypointTelemetry, type WaypointTelemetry } from './telemetry/waypoint-telemetry.ts';
import { createTraffic } from './traffic.ts';
import { createClientPool } from './upstream/client-pool.ts';
import { createEndpointDialer } from './upstream/endpoint-dialer.ts';

export interface Waypoint extends Runnable {
  /** Ports it listens on, once started. */
  readonly ports: WaypointConfig['ports'];
}

const tasks = { state: 'state', certificate: 'certificate', listener: 'HBONE listener' } as const;

export function createWaypoint(config: WaypointConfig, logging: Logging): Waypoint {
  const log = logging.logger('waypoint');
  const readiness = createReadiness(Object.values(tasks));
  const metrics = createMetrics(config, logging);
  const mesh = createMeshIndex();
  const credentials = createCredentials(config, logging, metrics.recorder);
  const upstreams = createUpstreams({ config, logging, mesh, credentials, recorder: metrics.recorder });
  const collectors = createCollectors({ config, logging, mesh, upstreams, recorder: metrics.recorder });
  const telemetry = createTelemetry(config, logging, metrics.recorder, collectors);
  const routing = createRouting(mesh, config);
  const authorization = createAuthorization(config);
  const path = createDataPath({ config, logging, mesh, routing, authorization, telemetry, credentials, upstreams });
  const onResources = (resources: WaypointResources): void => {
    telemetry.useResources(resources);
    routing.useResources(resources);
    authorization.usePolicies(resources.policies);
    readiness.done(tasks.state);
  };
  const source = createMeshSource({ config, writer: mesh, recorder: metrics.recorder, logging, onResources });
  const { servers, stats, prometheus, ready } = createServers(config, logging, metrics, readiness);
  let listener: Listener | undefined;

  return {
    get ports() {
      const hbone = listener?.address.port ?? config.ports.hbone;
      return { hbone, stats: stats.port, prometheus: prometheus.port, readiness: ready.port };
    },
    async start() {
      const { identity, certificates } = credentials;
      metrics.recorder.gauge(buildMetric, ['proxy', config.istioVersion]).add(1);
      for (const part of [...servers, credentials, source]) await part.start();
      certificates.get(identity).then(
        () => readiness.done(tasks.certificate),
        (error: unknown) => log.error({ identity: identity.uri, error }, 'no certificate yet'),
      );
      listener = await path.listen();
      readiness.done(tasks.listener);
      const gateway = `${config.namespace}/${config.gateway}`;
      log.info({ gateway, identity: identity.uri, port: listener.address.port }, 'waypoint started');
    },
    async drain(deadlineMs) {
      readiness.pend('draining');
      await listener?.close();
      const endMs = performance.now() + deadlineMs;
      await path.drain(deadlineMs);
      await collectors.drain(Math.max(0, endMs - performance.now()));
    },
    async close() {
      await listener?.close();
      path.close();
      telemetry.close();
      collectors.close();
      upstreams.close();
      await source.close();
      await credentials.close();
      for (const server of servers) await server.close();
    },
  };
}

function createMetrics(config: WaypointConfig, logging: Logging): MetricsRegistry {
  const metrics = createMetricsRegistry(config.series);
  metrics.readAtScrape(readRuntimeMetrics());
  metrics.readAtScrape(readLogMetrics(logging));
  return metrics;
}

/** Who we are, and whose certificates are not believed any more. */
function createCredentials(config: WaypointConfig, logging: Logging, recorder: Recorder) {
  const log = logging.logger('identity');
  const ca = createCaClient({ ...config.ca, clusterId: config.clusterId, askAs: 'workload' });
  const certificates = createCertificateStore({ issuer: ca, log });
  const { crlPath: path } = config;
  const revocations = path === undefined ? undefined : createPeerRevocations({ recorder, log });
  const onLists = (lists: readonly RevocationList[]): void => revocations?.use(lists);
  const file = path === undefined ? undefined : createCrlFileWatcher({ path, log, onLists });
  return {
    identity: identityOf(config),
    certificates,
    revocations,
    start: async () => await file?.start(),
    async close() {
      await file?.close();
      certificates.close();
      ca.close();
    },
  };
}

function createTelemetry(
  config: WaypointConfig,
  logging: Logging,
  recorder: Recorder,
  collectors: OtlpCollectors,
): WaypointTelemetry {
  const { gateway, namespace, rootNamespace, accessLog, tcpReportingIntervalMs } = config;
  const lines = logging.lines('access');
  const now = (): number => performance.now();
  const options = {
    recorder,
    failures: createFailureJournal({ recorder, lines, linesPerSecond: config.failureLines, now }),
    lines,
    output: (path: string) => logging.output(path),
    collectors,
    accessLog,
    tcpIntervalMs: tcpReportingIntervalMs,
    waypoint: { gateway, namespace, rootNamespace },
  };
  return createWaypointTelemetry(options, noResources);
}

interface DataPathParts {
  readonly config: WaypointConfig;
  readonly logging: Logging;
  readonly mesh: MeshView;
  readonly routing: Routing;
  readonly authorization: Authorization;
  readonly telemetry: WaypointTelemetry;
  readonly credentials: ReturnType<typeof createCredentials>;
  readonly upstreams: ReturnType<typeof createUpstreams>;
}

/** What this waypoint itself opens: tunnels, connections and HTTP to the endpoints of services. */
function createUpstreams({
  config,
  logging,
  mesh,
  credentials,
  recorder,
}: Pick<DataPathParts, 'config' | 'logging' | 'mesh' | 'credentials'> & { readonly recorder: Recorder }) {
  const { certificates, revocations, identity } = credentials;
  const own = ownAddress(config);
  const self = (): Workload => {
    return mesh.workloadByName({ ...config, name: config.podName }, undefined) ?? ownDescription(config);
  };
  const sockets = createPlainSocketFactory(own === undefined ? {} : { bindAddress: own });
  const tunnels = createTunnelPool({
    ...{ sockets, certificates, revocations, log: logging.logger('tunnel') },
    settings: { maxBusyTunnels: config.maxBusyTunnels },
  });
  const peerClaims = createPeerClaims({ recorder, log: logging.logger('tunnel') });
  const introduction = (): ToldPeer => peerOfWorkload('waypoint', self());
  const headers = (): ConnectHeaders => [['baggage', formatBaggage(baggageOfMetadata(introduction().metadata))]];
  const sourceIp = config.instanceIp;
  const dial = createEndpointDialer({
    ...{ tunnels, sockets, certificates, revocations, peerClaims, identity, sourceIp, headers },
    self: introduction,
    hbonePort: hboneOfWorkloads,
  });
  const clients = createClientPool(dial, introduction);
  return {
    self,
    introduction,
    peerClaims,
    sockets,
    dial,
    clients,
    close() {
      clients.close();
      tunnels.close();
      sockets.close();
    },
  };
}

interface CollectorParts extends Pick<DataPathParts, 'config' | 'logging' | 'mesh' | 'upstreams'> {
  readonly recorder: Recorder;
}

function createCollectors({ config, logging, mesh, upstreams, recorder }: CollectorParts): OtlpCollectors {
  const { serviceAccount, namespace, podName } = config;
  const resource: OtlpAttributes = [
    ['service.name', `${serviceAccount}.${namespace}`],
    ['k8s.namespace.name', namespace],
    ['k8s.pod.name', podName],
  ];
  const { self, clients } = upstreams;
  return createOtlpCollectors({ mesh, self, clients, resource, recorder, log: logging.logger('access') });
}

function createDataPath(parts: DataPathParts) {
  const { config, logging, mesh, routing, authorization, telemetry, credentials, upstreams } = parts;
  const log = logging.logger('waypoint');
  const { certificates, revocations, identity } = credentials;
  const { self, introduction, peerClaims, sockets, dial, clients } = upstreams;
  const http = createHttpServer();
  const traffic = createTraffic({
    ...{ mesh, self, http, clients, dial, routing, authorization, telemetry, log, introduction, peerClaims },
    network: config.network,
  });
  const onRequest = createAdmission({
    mesh,
    waypoint: config,
    peerClaims,
    silenceMs: config.protocolDetectionMs,
    onStream: traffic.carry,
    onRefused({ peerAddress: source, peerIdentity: identity, localAddress: local, authority }, error) {
      telemetry.refused({ source, identity, local, authority, error });
    },
  });
  const server = createTunnelServer({
    certificates,
    revocations,
    identity: () => identity,
    onRequest,
    onRefused({ peer: source, local }, error) {
      telemetry.refused({ source, identity: undefined, local, authority: undefined, error });
    },
    log: logging.logger('tunnel'),
  });
  return {
    listen(): Promise<Listener> {
      const at = { port: config.ports.hbone, host: 'any', keepAlive: true } as const;
      return sockets.listenSockets(at, (accepted) => server.serve(accepted));
    },
    async drain(deadlineMs: number) {
      http.drain();
      await server.drain(deadlineMs);
    },
    close() {
      http.close();
      server.close();
    },
  };
}

function createServers(config: WaypointConfig, logging: Logging, metrics: MetricsRegistry, readiness: Readiness) {
  const log = logging.logger('admin');
  const host = ownAddress(config) ?? 'any';
  const serve = (name: string, port: number, routes: readonly Route[]) => {
    return createAdminServer({ name, listen: { host, port }, routes, log });
  };
  const scrape = metricsRoutes((accept) => metrics.expose(accept));
  const stats = serve('metrics server', config.ports.stats, scrape);
  const prometheus = serve('Prometheus server', config.ports.prometheus, scrape);
  const ready = serve('readiness server', config.ports.readiness, readinessRoutes(readiness));
  return { servers: [ready, stats, prometheus], stats, prometheus, ready };
}

function ownAddress(config: WaypointConfig): IpAddress | undefined {
  return config.bind === 'own' ? config.instanceIp : undefined;
}

/** Where every workload's ztunnel takes tunnels. */
const hboneOfWorkloads = 15_008;

const buildMetric = {
  name: 'istio_build',
  help: 'Version of this proxy',
  kind: 'gauge',
  labelNames: ['component', 'tag'],
} as const;

function ownDescription(config: WaypointConfig): Workload {
  return describedWorkload({
    ...config,
    name: config.podName,
    node: config.nodeName,
    workloadName: config.gateway,
    workloadType: 'deployment',
    canonicalName: config.gateway,
    canonicalRevision: 'latest',
    region: '',
    zone: '',
  });
}
