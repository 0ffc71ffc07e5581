import t from 'tap';
import { resolveWaypoint } from '../../../common/mesh/resolve-waypoint.ts';
import type { GatewayAddress } from '../../../common/mesh/workload.ts';
import { aService, at, aWorkload, gatewayAt, gatewayNamed, meshOf, ports } from '../../support/mesh-objects.ts';

const key = 'default/waypoint.default.svc.cluster.local';
const mesh = meshOf({
  workloads: [
    aWorkload({
      name: 'waypoint',
      addresses: ['10.0.0.1', 'fd00::1'],
      tunnelProtocol: 'none',
      services: { [key]: [], 'default/no-port': [], 'default/tunnel': [] },
    }),
    aWorkload({
      name: 'tunnelled',
      addresses: ['10.0.0.2'],
      applicationTunnel: { protocol: 'proxy', port: 15088 },
      services: { 'default/tunnel': [] },
    }),
    aWorkload({ name: 'named', hostname: 'named.example', services: {} }),
    aWorkload({ name: 'remote', network: 'other', services: { 'default/remote': [] }, addresses: ['10.0.0.1'] }),
  ],
  services: [
    aService({ name: 'waypoint', addresses: ['10.1.0.1'], ports: ports(15008, 15009) }),
    aService({ name: 'no-port', hostname: 'no-port', ports: ports(80, 80) }),
    aService({ name: 'tunnel', hostname: 'tunnel', ports: [] }),
    aService({ name: 'empty', hostname: 'empty', ports: ports(15008, 15008) }),
    aService({ name: 'remote', hostname: 'remote', ports: ports(15008, 15008) }),
    aService({ name: 'hidden', namespace: 'infra', hostname: 'hidden', visibility: 'namespace', ports: [] }),
  ],
});

function resolve(reference: GatewayAddress, original = '10.9.0.1', resolved = new Map()) {
  const source = aWorkload({ name: 'client' });
  return resolveWaypoint({ mesh, reference, source, originalDestination: at(original), resolved, random: 0 });
}

t.test('a service is balanced on the HBONE port of the reference, whatever its endpoint’s own protocol', (t) => {
  for (const reference of [gatewayAt('10.1.0.1'), gatewayNamed(key)]) {
    t.hasStrict(resolve(reference), {
      kind: 'found',
      address: { ip: '10.0.0.1', port: 15009 },
      workload: { name: 'waypoint' },
      service: { name: 'waypoint' },
    });
  }
  t.end();
});

t.test('a workload is reached at the port of the reference', (t) => {
  t.hasStrict(resolve(gatewayAt('10.0.0.1', 15010)), { address: { ip: '10.0.0.1', port: 15010 }, service: undefined });
  t.end();
});

t.test('the family follows the reference where it is an address, the original destination where it is a name', (t) => {
  t.hasStrict(resolve(gatewayAt('10.1.0.1'), 'fd09::1'), { address: { ip: '10.0.0.1' } });
  t.hasStrict(resolve(gatewayNamed(key), 'fd09::1'), { address: { ip: 'fd00::1' } });
  t.end();
});

t.test('behind an application tunnel the service need not have the port', (t) => {
  t.hasStrict(resolve(gatewayNamed('default/tunnel')), { kind: 'found', address: { ip: '10.0.0.2', port: 15008 } });
  t.end();
});

t.test('a waypoint named by hostname is resolved first', (t) => {
  const reference = gatewayNamed('default/named.example');
  t.same(resolve(reference), { kind: 'resolve', hostname: 'named.example' });
  const resolved = new Map([['named.example', [at('192.0.2.1')]]]);
  t.hasStrict(resolve(reference, '10.9.0.1', resolved), { kind: 'found', address: { ip: '192.0.2.1', port: 15008 } });
  t.end();
});

t.test('a waypoint of another network is remote', (t) => {
  t.hasStrict(resolve(gatewayNamed('default/remote')), { kind: 'remote', workload: { name: 'remote' } });
  t.end();
});

t.test('why a waypoint is missing is told apart', (t) => {
  const rows = [
    [gatewayAt('10.7.7.7'), 'unknown', /^unknown waypoint: 10\.7\.7\.7:15008: no service or workload/],
    [gatewayNamed('default/nobody'), 'unknown', /^unknown waypoint: default\/nobody:15008/],
    [gatewayNamed('other/waypoint.default.svc.cluster.local'), 'unknown', /^unknown waypoint: other\//],
    [gatewayNamed('default/empty'), 'no-endpoint', /no healthy endpoint/],
    [gatewayNamed('default/no-port'), 'no-endpoint', /none of the 1 endpoints/],
    [gatewayNamed('infra/hidden'), 'no-endpoint', /no healthy endpoint/],
  ] as const;
  for (const [reference, reason, detail] of rows) t.match(resolve(reference), { kind: 'missing', reason, detail });
  t.end();
});
