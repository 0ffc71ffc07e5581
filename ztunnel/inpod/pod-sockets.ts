// The sockets of a pod, as the thread that serves it opens them. In: where. Out: a factory, which its user closes.
import { borrowNamespace } from '../../common/net/network-namespace-socket.ts';
import { createPlainSocketFactory } from '../../common/net/plain-socket-factory-socket.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import type { PodNetwork } from './pod.ts';

/** @param sharing whether other threads listen on the same ports */
export async function openPodSockets(network: PodNetwork, sharing: 'alone' | 'shared'): Promise<SocketFactory> {
  switch (network.kind) {
    case 'namespace':
      return createPodSocketFactory({
        namespace: await borrowNamespace(network.descriptor),
        ...markOf(network.mark),
      });
    case 'own':
      return createPodSocketFactory({ namespace: 'own', ...markOf(network.mark) });
    case 'address':
      return createPlainSocketFactory({ bindAddress: network.address, reusePort: sharing === 'shared' });
  }
}

function markOf(mark: number | undefined): { readonly mark?: number } {
  return mark === undefined ? {} : { mark };
}
