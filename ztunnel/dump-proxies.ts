// The pods of /config_dump, each with the connections that live now (ztunnel.md §12). Pure: what is served in, values out.
import type { ConnectionState, ProxyState } from '../common/admin/config-dump.ts';
import { formatSocketAddress } from '../common/net/address.ts';
import type { ConnectionPath, ConnectionTracker } from './connections/connection-tracker.ts';
import type { ServedPod } from './inpod/pod-proxies.ts';

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
