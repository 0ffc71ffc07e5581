import t from 'tap';
import {
  findAddress,
  findUpstream,
  formatGatewayAddress,
  isGatewayInstance,
} from '../../../common/mesh/find-destination.ts';
import type { MeshIndex } from '../../../common/mesh/mesh-index.ts';
import { aService, at, aWorkload, endAt, gatewayAt, gatewayNamed, meshOf, ports } from '../../support/mesh-objects.ts';

const key = 'default/s.default.svc.cluster.local';
const shared = meshOf({
  workloads: [
    aWorkload({ name: 'pod', addresses: ['10.0.0.1'], services: { [key]: ports(81, 9191) } }),
    aWorkload({ name: 'same-address', addresses: ['10.1.0.1'] }),
  ],
  services: [aService({ name: 's', addresses: ['10.1.0.1'], ports: ports(80, 8080, 81, 0) })],
});

function upstreamOf(mesh: MeshIndex, destination: string) {
  const source = aWorkload({ name: 'client' });
  return findUpstream({
    mesh,
    network: '',
    destination: endAt(destination),
    clientNamespace: 'default',
    source,
    resolution: 'service',
    random: 0,
  });
}

t.test('who is addressed: a workload’s own address comes before a service’s', (t) => {
  t.hasStrict(findAddress(shared, '', at('10.1.0.1'), 'default'), { workload: { name: 'same-address' } });
  t.hasStrict(findAddress(shared, '', at('10.0.0.1'), 'default'), { workload: { name: 'pod' } });
  t.equal(findAddress(shared, '', at('10.0.0.9'), 'default'), undefined);
  t.end();
});

t.test('where it goes: a service’s address comes before a workload’s', (t) => {
  t.hasStrict(upstreamOf(shared, '10.1.0.1:80'), {
    kind: 'workload',
    workload: { name: 'pod' },
    port: 8080,
    service: { name: 's' },
  });
  t.hasStrict(upstreamOf(shared, '10.1.0.1:81'), { kind: 'workload', workload: { name: 'pod' }, port: 9191 });
  t.hasStrict(upstreamOf(shared, '10.0.0.1:1234'), {
    kind: 'workload',
    workload: { name: 'pod' },
    port: 1234,
    service: undefined,
  });
  t.hasStrict(upstreamOf(shared, '10.1.0.1:82'), { kind: 'no-endpoint', service: { name: 's' } });
  t.same(upstreamOf(shared, '10.0.0.9:80'), { kind: 'unknown' });
  t.end();
});

t.test('a service in passthrough mode sends clients where they dialled', (t) => {
  const loadBalancing = { mode: 'passthrough', routingPreference: [], healthPolicy: 'only-healthy' } as const;
  const mesh = meshOf({ services: [aService({ name: 's', addresses: ['10.1.0.1'], loadBalancing })] });
  t.hasStrict(upstreamOf(mesh, '10.1.0.1:80'), { kind: 'original-destination', service: { name: 's' } });
  t.end();
});

t.test('a workload is an instance of a gateway by membership, or by being it', (t) => {
  const waypointKey = 'default/waypoint.default.svc.cluster.local';
  const ready = aWorkload({ name: 'ready', addresses: ['10.0.0.1'], services: { [waypointKey]: [] } });
  const sick = aWorkload({ name: 'sick', services: { [waypointKey]: [] }, status: 'unhealthy' });
  const alone = aWorkload({ name: 'alone', addresses: ['10.0.0.3'], hostname: 'alone.example' });
  const mesh = meshOf({
    workloads: [ready, sick, alone],
    services: [aService({ name: 'waypoint', addresses: ['10.1.0.1'] })],
  });
  const rows = [
    [gatewayAt('10.1.0.1'), ['ready', 'sick']],
    [gatewayNamed(waypointKey), ['ready', 'sick']],
    [gatewayAt('10.0.0.3'), ['alone']],
    [gatewayNamed('default/alone.example'), ['alone']],
    [gatewayAt('10.0.0.9'), []],
    [gatewayNamed('default/unknown'), []],
  ] as const;
  for (const [reference, names] of rows) {
    const instances = [...mesh.workloads()].filter((workload) => isGatewayInstance(mesh, reference, workload));
    t.same(
      instances.map((workload) => workload.name),
      names,
      formatGatewayAddress(reference),
    );
  }
  t.end();
});

t.test('a gateway reference is written for people', (t) => {
  t.equal(formatGatewayAddress(gatewayNamed('ns/host', 1)), 'ns/host:1');
  t.equal(formatGatewayAddress(gatewayAt('fd00::1')), '[fd00::1]:15008');
  const address = { network: 'net', ip: at('10.0.0.1') };
  t.equal(formatGatewayAddress({ kind: 'address', address, hboneMtlsPort: 2 }), 'net/10.0.0.1:2');
  t.end();
});
