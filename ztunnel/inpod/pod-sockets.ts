// The sockets of a pod, as the thread that serves it opens them. In: where. Out: a factory, which its user closes.
import { borrowNamespace } from '../../common/net/network-namespace-socket.ts';
import { createPlainSocketFactory } from '../../common/net/plain-socket-factory-socket.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import type { PodNetwork } from './pod.ts';

export interface PodSocketOptions {
  /** Whether other threads listen on the same ports. */
  readonly sharing: 'alone' | 'shared';
  readonly ipv6: 'on' | 'off';
}

export async function openPodSockets(network: PodNetwork, options: PodSocketOptions): Promise<SocketFactory> {
  const families = options.ipv6 === 'on' ? 'both' : 'v4';
  switch (network.kind) {
    case 'namespace':
      return createPodSocketFactory({
        namespace: await borrowNamespace(network.descriptor),
        families,
        ...markOf(network.mark),
      });
    case 'own':
      return createPodSocketFactory({ namespace: 'own', families, ...markOf(network.mark) });
    case 'address':
      return createPlainSocketFactory({ bindAddress: network.address, reusePort: options.sharing === 'shared' });
  }
}

function markOf(mark: number | undefined): { readonly mark?: number } {
  return mark === undefined ? {} : { mark };
}
