import t from 'tap';
import { formatBaggage } from '../../../common/hbone/baggage.ts';
import { decodePeerMetadata, encodePeerMetadata } from '../../../common/peer/peer-headers.ts';
import { baggageOfMetadata } from '../../../common/peer/peer-metadata.ts';
import { metadataOfWorkload, peerOfWorkload } from '../../../common/peer/workload-peer.ts';
import { aWorkload } from '../../support/mesh-objects.ts';

const workload = aWorkload({
  name: 'ratings-v2-5f8',
  addresses: ['10.0.0.7', 'fd00::7'],
  serviceAccount: 'bookinfo-ratings',
  canonicalName: 'ratings',
  canonicalRevision: 'v2',
  workloadName: 'ratings-v2',
  locality: { region: 'r1', zone: 'z1', subzone: '' },
});

t.test('a workload tells the same of itself by every way', async (t) => {
  const metadata = metadataOfWorkload(workload);
  t.match(metadata, {
    identity: 'spiffe://cluster.local/ns/default/sa/bookinfo-ratings',
    instanceName: 'ratings-v2-5f8',
    app: 'ratings',
    version: 'v2',
  });
  t.same(decodePeerMetadata(encodePeerMetadata(metadata)), metadata);
  t.equal(
    formatBaggage(baggageOfMetadata(metadata)),
    'k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=ratings-v2,service.name=ratings,' +
      'service.version=v2,cloud.region=r1,cloud.availability_zone=z1',
  );
});

t.test('its node id is Envoy’s form, and says which proxy speaks', async (t) => {
  const { nodeId } = peerOfWorkload('ztunnel', workload);
  t.equal(nodeId, 'ztunnel~10.0.0.7~ratings-v2-5f8.default~default.svc.cluster.local');
});
