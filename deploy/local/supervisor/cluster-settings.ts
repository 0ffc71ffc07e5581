// The addresses of a laptop's cluster, for each mode. Pods of the captured mode have networks of their own; without, they
// are addresses of the machine's loopback.
import type { ClusterSettings } from '../materialize/materialize.ts';

export const clusterDomain = 'cluster.local';
export const nodeName = 'ambientd';

const captured: ClusterSettings = {
  podRange: { prefix: '10.244', firstHost: 2 },
  serviceRange: { prefix: '10.96', firstHost: 1 },
  nodeName,
  nodeIp: '10.244.0.1',
  clusterDomain,
  addressPrefix: '',
};

const explicit: ClusterSettings = {
  podRange: { prefix: '127.244', firstHost: 2 },
  serviceRange: { prefix: '127.96', firstHost: 1 },
  nodeName,
  nodeIp: '127.244.0.1',
  clusterDomain,
  addressPrefix: '127.',
};

export function clusterSettings(mode: 'captured' | 'explicit'): ClusterSettings {
  return mode === 'captured' ? captured : explicit;
}
