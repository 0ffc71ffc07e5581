// ztunnel's own part of /config_dump: its settings without secrets, and per pod the connections that live now (ztunnel.md
// §12). Pure: values in, JSON values out.
import type { ConnectionState, ProxyState } from '../common/admin/config-dump.ts';
import type { Json } from '../common/admin/sorted-json.ts';
import { writeDirectives } from '../common/log-levels.ts';
import { formatSocketAddress } from '../common/net/address.ts';
import type { ZtunnelConfig } from './config.ts';
import type { ConnectionPath, ConnectionTracker } from './connections/connection-tracker.ts';
import type { ServedPod } from './inpod/pod-proxies.ts';

export function dumpSettings(config: ZtunnelConfig): Json {
  const { ca, logDirectives, mode, ports, series, ...rest } = config;
  const token = ca.token.kind === 'literal' ? { kind: 'literal' } : { ...ca.token };
  return {
    ...rest,
    mode: mode.kind === 'dedicated' ? { ...mode, workload: { ...mode.workload } } : { ...mode },
    ports: { ...ports },
    series: { ...series },
    // Headers may carry credentials.
    ca: { ...ca, rootCa: { ...ca.rootCa }, token, headers: Object.keys(ca.headers) },
    logDirectives: writeDirectives(logDirectives),
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
    originalDst: originalDestination,
    protocol,
  };
}
