// Names without a DNS server.
import t from 'tap';
import { hostsFileOf } from '../../../../deploy/local/supervisor/hosts-file.ts';

const services = [
  { namespace: 'shop', name: 'web', clusterIp: '10.96.0.1', ports: [], pods: [] },
  { namespace: 'shop', name: 'db', clusterIp: undefined, ports: [], pods: [{ name: 'db-0', ip: '10.244.0.7' }] },
];
const pods = [
  { namespace: 'shop', name: 'db-0', ip: '10.244.0.7' },
  { namespace: 'else', name: 'x', ip: '10.244.0.9' },
];

t.test('inside the namespace a service has its short name too, a headless one the names of its pods', async (t) => {
  t.same(hostsFileOf('shop', services, pods, 'cluster.local').trim().split('\n').slice(2), [
    '10.244.0.7 db-0',
    '10.96.0.1 web.shop.svc.cluster.local web.shop.svc web.shop web',
    '10.244.0.7 db-0.db.shop.svc.cluster.local db-0.db.shop.svc db-0.db.shop db-0.db db.shop.svc.cluster.local db.shop.svc db.shop db',
  ]);
});

t.test('elsewhere only the names that say the namespace', async (t) => {
  t.match(
    hostsFileOf('else', services, pods, 'cluster.local'),
    /^10\.96\.0\.1 web\.shop\.svc\.cluster\.local web\.shop\.svc web\.shop$/m,
  );
});

t.test('a short name means the service where a pod has the same name', async (t) => {
  const both = [...pods, { namespace: 'shop', name: 'web', ip: '10.244.0.8' }];
  const text = hostsFileOf('shop', services, both, 'cluster.local');
  t.notMatch(text, /10\.244\.0\.8/);
  t.match(text, /^10\.96\.0\.1 .* web$/m);
});
