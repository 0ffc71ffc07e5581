// ztunnel's own part of /config_dump: its settings without secrets, and per pod the connections that live now (ztunnel.md
// §12). Pure: values in, JSON values out.
import type { ConnectionState, ProxyState } from '../common/admin/config-dump.ts';
import type { Json } from '../common/admin/sorted-json.ts';
import { writeDirectives } from '../common/log-levels.ts';
import { formatSocketAddress } from '../common/net/address.ts';
import type { MeshSourceConfig, XdsConfig } from '../common/sources/mesh-source-config.ts';
import type { ControlPlaneConfig } from '../common/tls/control-plane-config.ts';
import type { ZtunnelConfig } from './config.ts';
import type { ConnectionPath, ConnectionTracker } from './connections/connection-tracker.ts';
import type { ServedPod } from './inpod/pod-proxies.ts';

export function dumpSettings(config: ZtunnelConfig): Json {
  const { ca, localMesh, logDirectives, mode, ports, series, source, ...rest } = config;
  return {
    ...rest,
    mode: mode.kind === 'dedicated' ? { ...mode, workload: { ...mode.workload } } : { ...mode },
    ports: { ...ports },
    series: { ...series },
    source: dumpSource(source),
    localMesh: localMesh.kind === 'literal' ? { kind: localMesh.kind } : { ...localMesh },
    ca: dumpControlPlane(ca),
    logDirectives: writeDirectives(logDirectives),
  };
}

function dumpSource(source: MeshSourceConfig): Json {
  if (source.kind === 'xds') return { kind: source.kind, ...dumpXds(source.xds) };
  return source.kind === 'kubernetes' ? { kind: source.kind, access: { ...source.access } } : { ...source };
}

function dumpXds({ node, ...controlPlane }: XdsConfig) {
  return { ...dumpControlPlane(controlPlane), node: { ...node, metadata: Object.keys(node.metadata) } };
}

/** Tokens, and headers, which may carry credentials, are left out. */
function dumpControlPlane({ address, alternativeHostname, headers, rootCa, token }: ControlPlaneConfig) {
  return {
    address,
    alternativeHostname,
    headers: Object.keys(headers),
    rootCa: { ...rootCa },
    token: token.kind === 'literal' ? { kind: token.kind } : { ...token },
  };
}

export function dumpProxies(pods: readonly ServedPod[]): readonly ProxyState[] {
  return pods.map(({ pod: { uid, name }, proxy }) => ({
    uid,
    workload: name,
    state: 'Up',
    inbound: pathsOf(proxy.connections, 'inbound'),
    outbound: pathsOf(proxy.connections, 'outbound'),
  }));
}

function pathsOf(connections: ConnectionTracker, direction: 'inbound' | 'outbound'): readonly ConnectionState[] {
  return [...connections.live()].flatMap(({ state }) => (state.kind === direction ? [dumpPath(state.route)] : []));
}

function dumpPath({ protocol, source, originalDestination, actualDestination }: ConnectionPath): ConnectionState {
  return {
    src: formatSocketAddress(source),
    actualDst: formatSocketAddress(actualDestination),
    originalDst:
      typeof originalDestination === 'object' ? formatSocketAddress(originalDestination) : originalDestination,
    protocol,
  };
}
