import t from 'tap';
import { formatBaggage, parseBaggage } from '../../../common/hbone/baggage.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { believePeer } from '../../../common/peer/believe-peer.ts';
import {
  baggageOfMetadata,
  labelsOfMetadata,
  metadataOfBaggage,
  noMetadata,
} from '../../../common/peer/peer-metadata.ts';
import { ratingsPeer } from '../../support/peer-frames.ts';

const { metadata } = ratingsPeer;
const proven = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'ratings' });

t.test('metadata as baggage, and back, keeps what both know', async (t) => {
  const line = formatBaggage(baggageOfMetadata(metadata));
  t.equal(
    line,
    'k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=ratings-v2,service.name=ratings,service.version=v2',
  );
  t.same(metadataOfBaggage(parseBaggage([line])), { ...metadata, instanceName: '' });
});

t.test('in baggage, app and version stand in for missing canonical names, and pod for an unknown type', async (t) => {
  const baggage = baggageOfMetadata({ ...noMetadata, app: 'web', version: 'v3' });
  t.match(baggage, { canonicalName: 'web', canonicalRevision: 'v3', workloadType: 'pod' });
});

t.test('labels are the metadata under their names', async (t) => {
  t.same(labelsOfMetadata(metadata), {
    workload: 'ratings-v2',
    namespace: 'default',
    canonicalName: 'ratings',
    canonicalRevision: 'v2',
    app: 'ratings',
    version: 'v2',
    cluster: 'Kubernetes',
    region: '',
    zone: '',
  });
});

t.test('what agrees with the certificate is believed, whole', async (t) => {
  t.same(believePeer(metadata, proven), { kind: 'believed', claim: metadata });
  const named = { ...metadata, identity: proven.uri };
  t.same(believePeer(named, proven), { kind: 'believed', claim: named });
});

t.test('who claims another namespace or identity is not believed at all', async (t) => {
  t.match(believePeer({ ...metadata, namespace: 'bank' }, proven), {
    kind: 'contradicts',
    detail: 'the peer says that its namespace is "bank", its certificate says "default"',
  });
  t.match(believePeer({ ...metadata, identity: 'spiffe://cluster.local/ns/default/sa/admin' }, proven), {
    kind: 'contradicts',
  });
});

t.test('without a certificate a claimed identity counts for nothing', async (t) => {
  const claimed = { ...metadata, identity: 'spiffe://cluster.local/ns/default/sa/admin' };
  t.same(believePeer(claimed, undefined), { kind: 'believed', claim: metadata });
});
