// Who a waypoint says its client is: the mesh's word, then the client's own, which its certificate may belie.
import t from 'tap';
import { identityOf } from '../../../common/identity/identity.ts';
import { createPeerClaims } from '../../../common/peer/peer-claims.ts';
import { encodePeerMetadata } from '../../../common/peer/peer-headers.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { describeByHeaders, describeClient } from '../../../waypoint/listener/describe-client.ts';
import { collectLog } from '../../support/collected-log.ts';
import { aWorkload, endAt, meshOf } from '../../support/mesh-objects.ts';
import { ratingsPeer } from '../../support/peer-frames.ts';

const known = aWorkload({ name: 'known', addresses: ['10.0.0.1'] });
const ratings = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'ratings' });
const thief = identityOf({ trustDomain: 'cluster.local', namespace: 'dungeon', serviceAccount: 'thief' });

function surroundings() {
  const metrics = createMetricsRegistry();
  const peerClaims = createPeerClaims({ recorder: metrics.recorder, log: collectLog().log });
  return { mesh: meshOf({ workloads: [known] }), network: '', peerClaims };
}

function request(from: string, peerIdentity = ratings, baggage = 'k8s.namespace.name=default,k8s.job.name=cart') {
  return { headers: [['baggage', baggage]] as const, peerAddress: endAt(from), peerIdentity };
}

t.test('the mesh’s word comes first', async (t) => {
  t.equal(describeClient(surroundings(), request('10.0.0.1:4000')), known);
});

t.test('a client that the mesh does not know is what its baggage says', async (t) => {
  t.match(describeClient(surroundings(), request('10.9.9.9:4000')), {
    workloadName: 'cart',
    workloadType: 'job',
    namespace: 'default',
    serviceAccount: 'ratings',
  });
  t.equal(describeClient(surroundings(), request('10.9.9.9:4000', ratings, '')), undefined);
});

t.test('but not what its certificate belies', async (t) => {
  t.equal(describeClient(surroundings(), request('10.9.9.9:4000', thief)), undefined);
});

t.test('a client that is still unknown may tell in HTTP’s headers', async (t) => {
  const address = endAt('10.9.9.9:4000');
  const target = { kind: 'workload', workload: known, address, appProtocol: 'http11' } as const;
  const downstream = { identity: ratings, localIdentity: ratings, address, workload: undefined, target };
  const header = (name: string): string | undefined =>
    name === 'x-envoy-peer-metadata' ? encodePeerMetadata(ratingsPeer.metadata) : undefined;
  const { mesh: _, ...claims } = surroundings();
  t.match(describeByHeaders(claims, downstream, header), {
    identity: ratings,
    workload: { workloadName: 'ratings-v2', canonicalName: 'ratings', canonicalRevision: 'v2', name: 'ratings-v2-5f8' },
  });
  const inKnown = { ...downstream, workload: known };
  t.equal(describeByHeaders(claims, inKnown, header), inKnown, 'who is known is not asked');
  const lying = { ...downstream, identity: thief };
  t.equal(describeByHeaders(claims, lying, header), lying, 'who lies is not believed');
  t.equal(
    describeByHeaders(claims, downstream, () => 'no base64!'),
    downstream,
  );
});
