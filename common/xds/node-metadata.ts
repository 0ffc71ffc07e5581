// How a proxy introduces itself to istiod (ztunnel.md §6.2, istio-control.md §10.3). Pure: facts in, the node out.
import type { DiscoveryNode, StructFields } from './discovery-codec.ts';

export interface NodeFacts {
  /** Default ztunnel. */
  readonly proxyType?: 'ztunnel' | 'waypoint';
  readonly instanceIp: string;
  readonly podName: string;
  /** istiod wants it to be the namespace of the token. */
  readonly podNamespace: string;
  readonly nodeName: string;
  /** ISTIO_META_* and proxyMetadata, without the prefix. */
  readonly metadata: StructFields;
}

export function describeNode(facts: NodeFacts): DiscoveryNode {
  const { proxyType = 'ztunnel', instanceIp, podName, podNamespace, nodeName, metadata } = facts;
  return {
    // The suffix is literal, whatever the cluster's domain: istiod reads the parts before it only.
    id: `${proxyType}~${instanceIp}~${podName}.${podNamespace}~${podNamespace}.svc.cluster.local`,
    metadata: { ...metadata, NAME: podName, NAMESPACE: podNamespace, INSTANCE_IPS: instanceIp, NODE_NAME: nodeName },
  };
}
