// The labels of one of many imagined clients of one database, as long as real ones are.
import { identityOf } from '../../common/identity/identity.ts';
import { type PeerLabels, type TcpLabelSet, ztunnelTcpLabels } from '../../common/telemetry/tcp-labels.ts';

const located = { cluster: 'Kubernetes', region: 'us-east1', zone: 'us-east1-b' };
const database: PeerLabels = {
  workload: 'mongodb-v1',
  namespace: 'bookinfo',
  canonicalName: 'mongodb',
  canonicalRevision: 'v1',
  app: 'mongodb',
  version: 'v1',
  ...located,
};

export function tcpLabelsOfPeer(number: number): TcpLabelSet {
  const name = `ratings-v2-${number}`;
  return ztunnelTcpLabels({
    reporter: 'destination',
    source: {
      workload: name,
      namespace: 'bookinfo',
      canonicalName: name,
      canonicalRevision: 'v2',
      app: name,
      version: 'v2',
      ...located,
    },
    sourceIdentity: identityOf({ trustDomain: 'cluster.local', namespace: 'bookinfo', serviceAccount: name }),
    destination: database,
    destinationIdentity: identityOf({
      trustDomain: 'cluster.local',
      namespace: 'bookinfo',
      serviceAccount: 'bookinfo-mongodb',
    }),
    service: { name: 'mongodb', namespace: 'bookinfo', hostname: 'mongodb.bookinfo.svc.cluster.local' },
    security: 'mutual_tls',
  });
}
