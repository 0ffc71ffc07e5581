// The addresses of a laptop's cluster, for each mode. Pods of the captured mode have networks of their own; without, they
// are addresses of the machine's loopback.
import type { ClusterSettings } from '../materialize/materialize.ts';

export const clusterDomain = 'cluster.local';
export const nodeName = 'ambientd';

export const capturedSettings: ClusterSettings = {
  podRange: { prefix: '10.244', firstHost: 2 },
  serviceRange: { prefix: '10.96', firstHost: 1 },
  nodeName,
  nodeIp: '10.244.0.1',
  clusterDomain,
  addressPrefix: '',
};

/** Meshes that share the machine's loopback stand side by side: each has two of these ranges. */
export const loopbackSlots = 60;

export function loopbackSettings(slot: number): ClusterSettings {
  const pods = `127.${244 - 2 * slot}`;
  return {
    podRange: { prefix: pods, firstHost: 2 },
    serviceRange: { prefix: `127.${243 - 2 * slot}`, firstHost: 1 },
    nodeName,
    nodeIp: `${pods}.0.1`,
    clusterDomain,
    addressPrefix: '127.',
  };
}

/** Where the CA listens; in explicit mode, who has this port of a node's address has its slot. */
export const caPort = 15_012;
