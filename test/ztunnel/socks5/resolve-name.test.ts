// Names that a pod's program gives to the explicit entry, as the pod's DNS would answer them.
import t from 'tap';
import { type NameAnswer, resolveName } from '../../../ztunnel/socks5/resolve-name.ts';
import { aService, aWorkload, meshOf, ports, vip } from '../../support/mesh-objects.ts';

const mesh = meshOf({
  workloads: [
    aWorkload({
      name: 'db-0',
      addresses: ['10.0.0.5'],
      services: { 'data/db.data.svc.cluster.local': ports(5432, 5432) },
    }),
    aWorkload({
      name: 'db-1',
      addresses: ['10.0.0.6'],
      services: { 'data/db.data.svc.cluster.local': ports(5432, 5432) },
    }),
  ],
  services: [
    aService({ name: 'web', namespace: 'shop', addresses: ['10.96.0.1'] }),
    aService({ name: 'web', namespace: 'other', addresses: ['10.96.0.2'] }),
    aService({ name: 'db', namespace: 'data' }),
    aService({ name: 'idle', namespace: 'shop' }),
    aService({ name: 'api', namespace: 'shop', hostname: '*.example.com', addresses: [vip('240.0.0.1')] }),
  ],
});
const resolve = (hostname: string, random = 0): NameAnswer =>
  resolveName({ mesh, hostname, clientNamespace: 'shop', network: '', clusterDomain: 'cluster.local', random });
const ipOf = (answer: NameAnswer): string => (answer.kind === 'address' ? answer.ip : answer.kind);

t.test('a short name is of the own namespace, a longer one of the namespace it names', async (t) => {
  t.equal(ipOf(resolve('web')), '10.96.0.1');
  for (const name of ['web.other', 'web.other.svc', 'web.other.svc.cluster.local'])
    t.equal(ipOf(resolve(name)), '10.96.0.2');
});

t.test('a headless service is one of its pods', async (t) => {
  t.equal(ipOf(resolve('db.data', 0)), '10.0.0.5');
  t.equal(ipOf(resolve('db.data', 0.99)), '10.0.0.6');
});

t.test('a wildcard host covers the names below it', async (t) => {
  t.equal(ipOf(resolve('a.example.com')), '240.0.0.1');
  t.equal(ipOf(resolve('a.b.example.com')), '240.0.0.1');
  t.equal(ipOf(resolve('example.com')), 'unknown');
});

t.test('a service without an address and an unknown name are told apart', async (t) => {
  t.match(resolve('idle'), { kind: 'no-address', service: { name: 'idle' } });
  t.same(resolve('db'), { kind: 'unknown' });
});
