import t from 'tap';
import { findServedTarget } from '../../../waypoint/listener/find-served-target.ts';
import { aService, aWorkload, gatewayAt, gatewayNamed, meshOf, ports } from '../../support/mesh-objects.ts';

const self = { gateway: 'gate', namespace: 'shop', network: '' };
const ours = gatewayNamed('shop/gate.shop.svc.cluster.local');
const mesh = meshOf({
  services: [
    aService({ name: 'gate', namespace: 'shop', addresses: ['10.0.0.1'] }),
    aService({ name: 'gate', namespace: 'other', addresses: ['10.0.0.2'] }),
    aService({
      name: 'web',
      namespace: 'shop',
      addresses: ['10.0.1.1'],
      waypoint: ours,
      ports: ports(80, 8080, 81, 0),
    }),
    aService({ name: 'by-address', addresses: ['10.0.1.2'], waypoint: gatewayAt('10.0.0.1') }),
    aService({ name: 'canary', addresses: ['10.0.1.3'], weightedWaypoints: [{ destination: ours, weight: 1 }] }),
    aService({ name: 'plain', addresses: ['10.0.1.4'] }),
    aService({ name: 'theirs', addresses: ['10.0.1.5'], waypoint: gatewayNamed('other/gate.other.svc.cluster.local') }),
    aService({ name: 'theirs-by-address', addresses: ['10.0.1.6'], waypoint: gatewayAt('10.0.0.2') }),
    aService({ name: 'headless', waypoint: ours }),
  ],
  workloads: [
    aWorkload({ name: 'bound', addresses: ['10.1.0.1'], waypoint: ours }),
    aWorkload({ name: 'free', addresses: ['10.1.0.2'] }),
  ],
});
const find = (authority: string): unknown => findServedTarget(mesh, self, authority, 'shop');

t.test('a service that names this waypoint is served', async (t) => {
  t.match(find('10.0.1.1:80'), {
    kind: 'served',
    target: { kind: 'service', service: { name: 'web' }, servicePort: 80 },
  });
  t.match(
    find('10.0.1.2:80'),
    { kind: 'served', target: { service: { name: 'by-address' } } },
    'by the address of its Service',
  );
  t.match(find('10.0.1.3:80'), { kind: 'served' }, 'as one of several waypoints');
  t.match(
    find('web.shop.svc.cluster.local:81'),
    { kind: 'served', target: { servicePort: 81, address: { ip: '10.0.1.1' } } },
    'by hostname',
  );
});

t.test('a workload that names this waypoint is served', async (t) => {
  t.match(find('10.1.0.1:9999'), {
    kind: 'served',
    target: { kind: 'workload', workload: { name: 'bound' }, appProtocol: 'unknown' },
  });
});

t.test('everything else is refused, with the reason', async (t) => {
  const refusals: [string, string, RegExp][] = [
    ['10.0.1.4:80', 'TARGET_NOT_HERE', /service default\/plain.* does not use waypoint shop\/gate/],
    ['10.0.1.5:80', 'TARGET_NOT_HERE', /theirs/],
    ['10.0.1.6:80', 'TARGET_NOT_HERE', /theirs-by-address/],
    ['10.1.0.2:80', 'TARGET_NOT_HERE', /workload .*free does not use/],
    ['10.0.1.1:82', 'TARGET_UNKNOWN', /has no port 82; it has 80, 81/],
    ['10.9.9.9:80', 'TARGET_UNKNOWN', /10.9.9.9:80/],
    ['nobody.shop:80', 'TARGET_UNKNOWN', /no service is called nobody.shop/],
    ['headless.default.svc.cluster.local:80', 'TARGET_UNKNOWN', /has no address/],
    ['10.0.1.1', 'TARGET_MALFORMED', /is not host:port/],
    ['10.0.1.1:0', 'TARGET_MALFORMED', /is not host:port/],
    ['web:99999', 'TARGET_MALFORMED', /is not host:port/],
    ['', 'TARGET_MALFORMED', /is not host:port/],
  ];
  for (const [authority, code, detail] of refusals)
    t.match(find(authority), { kind: 'refused', code, detail }, authority);
});
