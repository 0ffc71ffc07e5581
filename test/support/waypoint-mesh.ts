// A mesh around one real waypoint, in this process and over loopback: manifests as a cluster would hold them, a CA, a tunnel from a
// client pod, and at each enrolled pod a tunnel server that hands on to whatever listens on the pod's address.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { createCaServer } from '../../common/ca/ca-server.ts';
import type { ConnectRequest } from '../../common/hbone/hbone.ts';
import { createTunnelPool } from '../../common/hbone/tunnel-pool.ts';
import { createTunnelServer } from '../../common/hbone/tunnel-server.ts';
import type { CertificateSource, WorkloadCertificate } from '../../common/identity/certificate.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { createCertificateStore } from '../../common/identity/certificate-store.ts';
import { type Identity, identityOf, parseIdentity } from '../../common/identity/identity.ts';
import { createLogging } from '../../common/logger.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import { copyStreams } from '../../common/net/copy-streams.ts';
import { createPlainSocketFactory } from '../../common/net/plain-socket-factory-socket.ts';
import { parseManifest } from '../../common/sources/manifests/manifest-parser.ts';
import { emptyClusterAllocation, materialize } from '../../deploy/local/materialize/materialize.ts';
import type { PodSpec } from '../../deploy/local/materialize/pod-spec.ts';
import { createWaypoint } from '../../waypoint/app.ts';
import { parseWaypointConfig } from '../../waypoint/config.ts';
import { collectLog } from './collected-log.ts';
import { at, endAt } from './mesh-objects.ts';

export interface TunnelRecord {
  readonly authority: string;
  readonly peer: string | undefined;
  readonly baggage: string | undefined;
}

export interface WaypointMesh {
  /** Of the waypoint. */
  readonly ip: string;
  /** Address of the first pod whose name begins so. */
  podIp(prefix: string): string;
  serviceIp(name: string): string;
  /** Of the first pod whose name begins so. */
  certificateOf(prefix: string): Promise<WorkloadCertificate>;
  readonly authority: CertificateAuthority;
  /** Opens a CONNECT to the waypoint as the pod `curl`. @throws MeshError when it is refused */
  connect(authority: string): Promise<ByteStream>;
  /** CONNECTs that reached the pods' tunnel servers. */
  readonly tunnels: TunnelRecord[];
  metrics(): Promise<string>;
  readonly logged: readonly string[];
  /** Replaces the manifests; resolves when the waypoint has read them. */
  write(...manifests: readonly string[]): Promise<void>;
}

const name = 'podinfo-waypoint';

/** What each mesh needs: the namespace `podinfo`, enrolled, and its waypoint. */
export const waypointManifest = `
apiVersion: v1
kind: Namespace
metadata: { name: podinfo, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: ${name} } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: podinfo }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
`;
const trustDomain = 'cluster.local';

/** @param unready pods that count as not ready, by name prefix */
export async function startWaypointMesh(
  t: Pick<Test, 'teardown'>,
  manifests: readonly string[],
  env: Readonly<Record<string, string>> = {},
  unready: readonly string[] = [],
): Promise<WaypointMesh> {
  const folder = mkdtempSync(join(tmpdir(), 'waypoint-mesh-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'objects.json');
  const prefix = `127.${60 + Math.floor(Math.random() * 190)}`;
  const firstHost = 256 * Math.floor(Math.random() * 250) + 5;
  let cluster = clusterOf(manifests, prefix, firstHost, unready);
  writeFileSync(file, listOf(cluster.objects));

  const authority = await createCertificateAuthority({ trustDomain });
  const log = collectLog();
  const certificates = createCertificateStore({ issuer: authority, log: log.log });
  t.teardown(() => certificates.close());
  const ca = await startCa(t, authority);
  const tunnels: TunnelRecord[] = [];
  for (const pod of cluster.pods) {
    if (pod.enrollment.kind === 'enrolled') await startPodTunnels(t, pod, certificates, tunnels);
  }

  const own = podNamed(cluster.pods, name);
  const logged: string[] = [];
  const logging = createLogging({ format: 'plain', sink: { write: (line: string) => void logged.push(line) } });
  const parsed = parseWaypointConfig(
    {
      GATEWAY_NAME: name,
      POD_NAMESPACE: 'podinfo',
      POD_NAME: own.name,
      SERVICE_ACCOUNT: own.serviceAccount,
      INSTANCE_IP: own.ip,
      BIND_INSTANCE_IP: 'true',
      AMBIENTD_MANIFESTS: file,
      CA_ADDRESS: ca,
      CA_ROOT_CA: authority.rootsPem,
      AUTH_TOKEN: 'token',
      PROTOCOL_DETECTION_TIMEOUT: '300ms',
      ...env,
    },
    () => false,
  );
  if (parsed.kind === 'problems') throw new Error(parsed.problems.join('\n'));
  const waypoint = createWaypoint(parsed.config, logging);
  t.teardown(() => waypoint.close());
  await waypoint.start();

  const client = podNamed(cluster.pods, 'curl');
  const sockets = createPlainSocketFactory({ bindAddress: at(client.ip) });
  const pool = createTunnelPool({ sockets, certificates, log: log.log });
  t.teardown(() => pool.close());
  const target = {
    nextHop: endAt(`${own.ip}:15008`),
    source: identityOfPod(client),
    expected: [identityOfPod(own)],
    sourceIp: at(client.ip),
    nextHopUid: own.uid,
  };
  return {
    ip: own.ip,
    tunnels,
    logged,
    authority,
    podIp: (podPrefix) => podNamed(cluster.pods, podPrefix).ip,
    serviceIp(service) {
      const found = cluster.objects.find((object) => object.kind === 'Service' && object.metadata.name === service);
      const ip: unknown = Reflect.get(Object(found?.['spec']), 'clusterIP');
      if (typeof ip !== 'string') throw new Error(`no service ${service}`);
      return ip;
    },
    certificateOf: (podPrefix) => certificates.get(identityOfPod(podNamed(cluster.pods, podPrefix))),
    connect: async (to) => (await pool.connect(target, to, [])).stream,
    metrics: async () => (await fetch(`http://${own.ip}:15090/stats/prometheus`)).text(),
    async write(...changed) {
      cluster = clusterOf(changed, prefix, firstHost, unready);
      writeFileSync(file, listOf(cluster.objects));
      await new Promise((settle) => setTimeout(settle, 1_000));
    },
  };
}

function clusterOf(manifests: readonly string[], prefix: string, firstHost: number, unready: readonly string[]) {
  const objects = manifests.flatMap((text, index) => {
    const parsed = parseManifest(text, `${index}.yaml`);
    if (parsed.state === 'broken') throw new Error(JSON.stringify(parsed.problems));
    return parsed.objects;
  });
  const settings = {
    podRange: { prefix, firstHost },
    serviceRange: { prefix: '10.96', firstHost: 10 },
    nodeName: 'laptop',
    nodeIp: '127.0.0.1',
    clusterDomain: 'cluster.local',
    addressPrefix: '',
  };
  const first = materialize(objects, new Map(), emptyClusterAllocation, settings);
  const ready = first.pods.filter((pod) => !unready.some((start) => pod.name.startsWith(start)));
  return materialize(objects, new Map(ready.map((pod) => [pod.uid, 'ready'])), first.allocation, settings);
}

function listOf(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

function podNamed(pods: readonly PodSpec[], prefix: string): PodSpec {
  const pod = pods.find((candidate) => candidate.name.startsWith(prefix));
  if (pod === undefined) throw new Error(`no pod ${prefix}, only ${pods.map((one) => one.name).join(', ')}`);
  return pod;
}

function identityOfPod(pod: PodSpec): Identity {
  return identityOf({ trustDomain, namespace: pod.namespace, serviceAccount: pod.serviceAccount });
}

async function startCa(
  t: Pick<Test, 'teardown'>,
  authority: Awaited<ReturnType<typeof createCertificateAuthority>>,
): Promise<string> {
  const server = createCaServer({
    authority,
    authorize: ({ requested }) => {
      const identity = parseIdentity(requested);
      if (identity !== undefined) return { kind: 'permit', identity };
      return { kind: 'deny', fault: 'malformed', reason: `${requested} is no identity` };
    },
    tls: await authority.issueServerCertificate(['127.0.0.1']),
    listen: { ip: at('127.0.0.1'), port: 0 },
    log: collectLog().log,
  });
  await server.start();
  t.teardown(() => server.close());
  return `https://127.0.0.1:${server.address.port}`;
}

/** What the ztunnel of a pod does on its port 15008, without policies. */
async function startPodTunnels(
  t: Pick<Test, 'teardown'>,
  pod: PodSpec,
  certificates: CertificateSource,
  tunnels: TunnelRecord[],
): Promise<void> {
  const sockets = createPlainSocketFactory({ bindAddress: at(pod.ip) });
  const carry = async (request: ConnectRequest): Promise<void> => {
    const baggage = request.headers.find(([header]) => header === 'baggage')?.[1];
    tunnels.push({ authority: request.authority, peer: request.peerIdentity?.uri, baggage });
    try {
      const to: SocketAddress = endAt(request.authority);
      const upstream = await sockets.connectStream({ to });
      copyStreams(request.accept([]), upstream, { received: () => undefined, sent: () => undefined }, () => undefined);
    } catch {
      request.reject(503);
    }
  };
  const server = createTunnelServer({
    certificates,
    identity: () => identityOfPod(pod),
    onRequest: (request) => void carry(request),
    log: collectLog().log,
  });
  const listener = await sockets.listenSockets({ port: 15_008, host: 'any' }, (accepted) => server.serve(accepted));
  t.teardown(async () => {
    server.close();
    await listener.close();
  });
}
