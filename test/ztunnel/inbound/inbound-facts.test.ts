// Who telemetry says has sent a CONNECT: the mesh's word first, then the caller's own where its certificate does not belie it.
import t from 'tap';
import { identityOf } from '../../../common/identity/identity.ts';
import { createPeerClaims } from '../../../common/peer/peer-claims.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { inboundFacts } from '../../../ztunnel/inbound/inbound-facts.ts';
import { readPeerHeaders } from '../../../ztunnel/inbound/peer-headers.ts';
import { collectLog } from '../../support/collected-log.ts';
import { aWorkload, endAt, meshOf } from '../../support/mesh-objects.ts';

const caller = aWorkload({ name: 'caller', namespace: 'shop', addresses: ['10.0.0.1'] });
const server = aWorkload({ name: 'server', addresses: ['10.0.0.2'] });
const identity = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'caller' });
const log = collectLog();
const peerClaims = createPeerClaims({ recorder: createMetricsRegistry().recorder, log: log.log });

/** What is known of the source of a CONNECT from that address with that baggage. */
function sourceOf(from: string, baggage: string, network = '') {
  const proxy = {
    mesh: meshOf({ workloads: [caller, server] }),
    network: '',
    baggage: 'exchanged',
    peerClaims,
  } as const;
  const headers = readPeerHeaders([
    ['baggage', baggage],
    ['x-forwarded-network', network],
  ]);
  const request = {
    peerAddress: endAt(from),
    peerIdentity: identity,
    localAddress: endAt('10.0.0.2:15008'),
    localIdentity: identityOf(server),
    authority: '10.0.0.2:80',
  };
  return inboundFacts(proxy, request, server, undefined, headers).source;
}

const truth = 'k8s.namespace.name=shop,k8s.deployment.name=cart,service.name=cart';
const lie = 'k8s.namespace.name=bank,k8s.deployment.name=vault,service.name=vault';

t.test('whom the mesh knows is not asked, so there is nothing to believe', async (t) => {
  t.match(sourceOf('10.0.0.1:4000', lie), { workload: caller, claimed: undefined, identity });
  t.same(log.lines, []);
});

t.test('whom the mesh does not know says who it is', async (t) => {
  t.match(sourceOf('10.9.9.9:4000', truth), { workload: undefined, claimed: { workload: 'cart', namespace: 'shop' } });
  const throughGateway = sourceOf('10.0.0.1:4000', truth, 'other-network');
  t.match(throughGateway, { workload: undefined, claimed: { workload: 'cart' } });
});

t.test('unless its certificate says otherwise: then nothing of it counts, and the log says who it was', async (t) => {
  t.match(sourceOf('10.9.9.9:4000', lie), { workload: undefined, claimed: undefined, identity });
  t.match(log.lines, [{ 'peer.addr': '10.9.9.9:4000', 'peer.identity': identity.uri, carrier: 'baggage' }]);
});
