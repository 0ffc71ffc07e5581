import t from 'tap';
import type { Service } from '../../../common/mesh/service.ts';
import type { Workload } from '../../../common/mesh/workload.ts';
import { illegalPorts } from '../../../ztunnel/illegal-ports.ts';
import { decideOutboundRoute, type OutboundFacts } from '../../../ztunnel/outbound/outbound-route.ts';
import { aService, at, aWorkload, endAt, gatewayAt, gatewayNamed, meshOf, ports } from '../../support/mesh-objects.ts';

const client = aWorkload({ name: 'client', addresses: ['127.0.0.1'], node: 'local' });
const waypointKey = 'default/waypoint.default.svc.cluster.local';
const waypoint = aWorkload({
  name: 'waypoint',
  addresses: ['127.0.0.10'],
  tunnelProtocol: 'none',
  services: { [waypointKey]: [] },
});
const waypointService = aService({ name: 'waypoint', addresses: ['127.10.0.10'], ports: ports(15008, 15008) });

interface Surroundings extends Partial<Omit<OutboundFacts, 'mesh' | 'originalDestination'>> {
  readonly workloads?: readonly Workload[];
  readonly services?: readonly Service[];
}

/** Where a connection of the client to that address goes. */
function route(to: string, { workloads = [], services = [], ...facts }: Surroundings = {}) {
  return decideOutboundRoute({
    originalDestination: endAt(to),
    source: client,
    mesh: meshOf({ workloads: [client, waypoint, ...workloads], services: [waypointService, ...services] }),
    network: '',
    illegalPorts: illegalPorts({ outbound: 15001, inbound: 15008, inboundPlaintext: 15006, socks5: 15080 }),
    random: 0,
    resolved: new Map(),
    ...facts,
  });
}

const toWaypoint = { kind: 'hbone', via: 'waypoint', nextHop: { ip: '127.0.0.10', port: 15008 } };
const key = (name: string) => `default/${name}.default.svc.cluster.local`;

t.test('an address that nobody in the mesh has is passed through', (t) => {
  t.same(route('1.2.3.4:80'), { kind: 'passthrough', to: { ip: '1.2.3.4', port: 80 } });
  t.same(route('[2001:db8::1]:443'), { kind: 'passthrough', to: { ip: '2001:db8::1', port: 443 } });
  t.end();
});

t.test(
  'a call of ztunnel’s own ports on loopback is refused, other loopback ports and other addresses are not',
  (t) => {
    for (const port of [15001, 15006, 15008, 15080]) {
      for (const ip of ['127.0.0.1', '127.8.0.1', '[::1]']) {
        t.match(route(`${ip}:${port}`), { kind: 'reject', code: 'SELF_CALL', detail: /recursive call to ourselves/ });
      }
    }
    t.hasStrict(route('127.8.0.1:15020'), { kind: 'passthrough' });
    t.hasStrict(route('10.0.0.1:15008'), { kind: 'passthrough' });
    t.end();
  },
);

t.test('a workload is reached over HBONE at its own address, on the same node and on another', (t) => {
  for (const node of ['local', 'remote']) {
    const workloads = [aWorkload({ name: 'server', addresses: ['127.0.0.2'], node })];
    t.hasStrict(route('127.0.0.2:80', { workloads }), {
      kind: 'hbone',
      via: 'destination',
      nextHop: { ip: '127.0.0.2', port: 15008 },
      nextHopWorkload: { name: 'server' },
      authority: '127.0.0.2:80',
      expected: [{ uri: 'spiffe://cluster.local/ns/default/sa/server' }],
      service: undefined,
    });
  }
  t.end();
});

t.test('a workload that does not speak HBONE is reached in plain text', (t) => {
  for (const node of ['local', 'remote']) {
    const workloads = [aWorkload({ name: 'server', addresses: ['127.0.0.2'], node, tunnelProtocol: 'none' })];
    t.hasStrict(route('127.0.0.2:80', { workloads }), {
      kind: 'plain',
      to: { ip: '127.0.0.2', port: 80 },
      workload: { name: 'server' },
      service: undefined,
    });
  }
  t.end();
});

t.test('a sidecar is reached in its own mutual TLS, except on ports where it takes none', (t) => {
  const sidecar = aWorkload({
    name: 'server',
    addresses: ['127.0.0.2'],
    tunnelProtocol: 'istio-mtls',
    plaintextPorts: [9090],
    services: { [key('web')]: ports(80, 8080) },
  });
  const services = [aService({ name: 'web', addresses: ['127.10.0.1'], subjectAltNames: [] })];
  t.hasStrict(route('127.0.0.2:80', { workloads: [sidecar] }), {
    kind: 'sidecar',
    to: { ip: '127.0.0.2', port: 80 },
    workload: { name: 'server' },
    expected: [{ uri: 'spiffe://cluster.local/ns/default/sa/server' }],
    service: undefined,
  });
  t.hasStrict(route('127.10.0.1:80', { workloads: [sidecar], services }), {
    kind: 'sidecar',
    to: { ip: '127.0.0.2', port: 8080 },
    service: { name: 'web' },
  });
  for (const port of [9090, 15_020, 15_021, 15_090]) {
    t.hasStrict(route(`127.0.0.2:${port}`, { workloads: [sidecar] }), { kind: 'plain', workload: { name: 'server' } });
  }
  t.end();
});

t.test('IPv6 authorities stand in brackets', (t) => {
  const workloads = [aWorkload({ name: 'server', addresses: ['fd00::2'] })];
  t.hasStrict(route('[fd00::2]:80', { workloads }), {
    authority: '[fd00::2]:80',
    nextHop: { ip: 'fd00::2', port: 15008 },
  });
  t.end();
});

t.test('a service leads to an endpoint, with the target port and the identities the service declares', (t) => {
  const services = [aService({ name: 's', addresses: ['10.1.0.1'], subjectAltNames: ['spiffe://td/ns/x/sa/y'] })];
  const workloads = [
    aWorkload({ name: 'server', addresses: ['127.0.0.2'], services: { [key('s')]: ports(80, 9090) } }),
  ];
  t.hasStrict(route('10.1.0.1:80', { services, workloads }), {
    kind: 'hbone',
    via: 'destination',
    nextHop: { ip: '127.0.0.2', port: 15008 },
    authority: '127.0.0.2:9090',
    expected: [{ uri: 'spiffe://td/ns/x/sa/y' }, { uri: 'spiffe://cluster.local/ns/default/sa/server' }],
    service: { name: 's' },
  });
  const plain = workloads.map((workload): Workload => ({ ...workload, tunnelProtocol: 'none' }));
  t.hasStrict(route('10.1.0.1:80', { services, workloads: plain }), {
    kind: 'plain',
    to: { ip: '127.0.0.2', port: 9090 },
    service: { name: 's' },
  });
  t.end();
});

t.test('a service without a healthy endpoint, or without the port, is refused, not passed through', (t) => {
  const services = [aService({ name: 's', addresses: ['10.1.0.1'] })];
  const sick = aWorkload({ name: 'sick', addresses: ['127.0.0.2'], services: { [key('s')]: [] }, status: 'unhealthy' });
  const well: Workload = { ...sick, status: 'healthy' };
  t.match(route('10.1.0.1:80', { services }), {
    kind: 'reject',
    code: 'NO_HEALTHY_UPSTREAM',
    detail: /^no healthy upstream: 10\.1\.0\.1:80: service default\/s/,
  });
  t.hasStrict(route('10.1.0.1:80', { services, workloads: [sick] }), { code: 'NO_HEALTHY_UPSTREAM' });
  t.match(route('10.1.0.1:81', { services, workloads: [well] }), { code: 'NO_HEALTHY_UPSTREAM', detail: /no port 81/ });
  t.hasStrict(route('10.1.0.1:80', { services, workloads: [well] }), { kind: 'hbone' });
  t.end();
});

t.test('of a named target port only the endpoint that maps it is used', (t) => {
  const services = [aService({ name: 's', addresses: ['10.1.0.1'], ports: ports(80, 0) })];
  const workloads = [
    aWorkload({ name: 'unmapped', addresses: ['127.0.0.2'], services: { [key('s')]: [] } }),
    aWorkload({ name: 'mapped', addresses: ['127.0.0.3'], services: { [key('s')]: ports(80, 9090) } }),
  ];
  for (const random of [0, 0.5, 0.99]) {
    t.hasStrict(route('10.1.0.1:80', { services, workloads, random }), { authority: '127.0.0.3:9090' });
  }
  t.end();
});

t.test('a host-network pod is reached through its service only: its node’s address is passed through', (t) => {
  const services = [aService({ name: 's', addresses: ['10.1.0.1'] })];
  const workloads = [
    aWorkload({
      name: 'pod1',
      addresses: ['127.0.0.2'],
      networkMode: 'host-network',
      tunnelProtocol: 'none',
      services: { [key('s')]: [] },
    }),
    aWorkload({ name: 'pod2', addresses: ['127.0.0.2'], networkMode: 'host-network' }),
  ];
  t.hasStrict(route('10.1.0.1:80', { services, workloads }), { kind: 'plain', workload: { name: 'pod1' } });
  t.same(route('127.0.0.2:80', { services, workloads }), { kind: 'passthrough', to: { ip: '127.0.0.2', port: 80 } });
  t.end();
});

t.test('the family that was dialled is kept where the workload has several addresses', (t) => {
  const services = [aService({ name: 's', addresses: ['10.1.0.1', 'fd10::1'] })];
  const addresses = ['127.0.0.2', '127.0.0.3', 'fd00::2'];
  const workloads = [aWorkload({ name: 'server', addresses, services: { [key('s')]: [] } })];
  const rows = [
    ['127.0.0.3:80', '127.0.0.3:80'],
    ['[fd00::2]:80', '[fd00::2]:80'],
    ['10.1.0.1:80', '127.0.0.2:8080'],
    ['[fd10::1]:80', '[fd00::2]:8080'],
  ] as const;
  for (const [to, authority] of rows) t.hasStrict(route(to, { services, workloads }), { authority }, to);
  t.end();
});

t.test('the families of a service bind its endpoints’ addresses', (t) => {
  const addresses = ['127.0.0.2', 'fd00::2'];
  const workloads = [aWorkload({ name: 'server', addresses, services: { [key('s')]: [] } })];
  const service = (ipFamilies: Service['ipFamilies']) =>
    aService({ name: 's', addresses: ['10.1.0.1', 'fd10::1'], ipFamilies });
  const rows = [
    ['ipv4', '[fd10::1]:80', '127.0.0.2:8080'],
    ['ipv6', '10.1.0.1:80', '[fd00::2]:8080'],
    ['dual', '[fd10::1]:80', '[fd00::2]:8080'],
  ] as const;
  for (const [families, to, authority] of rows) {
    t.hasStrict(route(to, { services: [service(families)], workloads }), { authority }, `${families} ${to}`);
  }
  const v6Only = [aWorkload({ name: 'server', addresses: ['fd00::2'], services: { [key('s')]: [] } })];
  t.match(route('10.1.0.1:80', { services: [service('ipv4')], workloads: v6Only }), {
    kind: 'reject',
    code: 'NO_ROUTE',
    detail: /no valid routing destination for workload/,
  });
  t.end();
});

t.test('a service in passthrough mode is passed through, or goes to its waypoint if it has one', (t) => {
  const loadBalancing = { mode: 'passthrough', routingPreference: [], healthPolicy: 'only-healthy' } as const;
  const service = aService({ name: 's', addresses: ['10.1.0.1'], loadBalancing });
  t.same(route('10.1.0.1:80', { services: [service] }), { kind: 'passthrough', to: { ip: '10.1.0.1', port: 80 } });
  const services = [{ ...service, waypoint: gatewayAt('127.0.0.10') }];
  t.hasStrict(route('10.1.0.1:80', { services }), { ...toWaypoint, authority: '10.1.0.1:80' });
  t.end();
});

t.test('a workload’s waypoint gets what is sent to the workload’s own address', (t) => {
  for (const reference of [gatewayAt('127.0.0.10'), gatewayAt('127.10.0.10'), gatewayNamed(waypointKey)]) {
    for (const to of ['127.0.0.2:80', '[fd00::2]:80']) {
      const workloads = [aWorkload({ name: 'server', addresses: ['127.0.0.2', 'fd00::2'], waypoint: reference })];
      t.hasStrict(route(to, { workloads }), {
        ...toWaypoint,
        nextHopWorkload: { name: 'waypoint' },
        authority: to,
        expected: [{ uri: 'spiffe://cluster.local/ns/default/sa/waypoint' }],
        service: undefined,
      });
    }
  }
  t.end();
});

t.test('service-addressed traffic never uses the workload’s waypoint', (t) => {
  const services = [aService({ name: 's', addresses: ['10.1.0.1'] })];
  const workloads = [
    aWorkload({
      name: 'server',
      addresses: ['127.0.0.2'],
      services: { [key('s')]: [] },
      waypoint: gatewayAt('127.0.0.10'),
    }),
  ];
  t.hasStrict(route('10.1.0.1:80', { services, workloads }), { via: 'destination', authority: '127.0.0.2:8080' });
  t.end();
});

t.test('a waypoint reaches the workload it fronts directly, a workload with only its identity does not', (t) => {
  for (const reference of [gatewayAt('127.0.0.10'), gatewayNamed(waypointKey)]) {
    const workloads = [aWorkload({ name: 'server', addresses: ['127.0.0.2'], waypoint: reference })];
    t.hasStrict(route('127.0.0.2:80', { workloads, source: waypoint }), { via: 'destination' });
    const twin = aWorkload({ name: 'twin', serviceAccount: 'waypoint', addresses: ['127.0.0.11'] });
    t.hasStrict(route('127.0.0.2:80', { workloads, source: twin }), { via: 'waypoint' });
  }
  t.end();
});

t.test('the source’s own waypoint is never used', (t) => {
  const workloads = [aWorkload({ name: 'server', addresses: ['127.0.0.2'] })];
  const source: Workload = { ...client, waypoint: gatewayAt('127.0.0.10') };
  t.hasStrict(route('127.0.0.2:80', { workloads, source }), { via: 'destination' });
  t.end();
});

t.test('a service’s waypoint gets the service’s address as authority', (t) => {
  const subjectAltNames = ['spiffe://td/ns/x/sa/y'];
  const declared = { ...waypointService, subjectAltNames };
  const service = aService({ name: 's', addresses: ['10.1.0.1'] });
  for (const reference of [gatewayAt('127.10.0.10'), gatewayNamed(waypointKey)]) {
    const services = [{ ...service, waypoint: reference }, declared];
    t.hasStrict(route('10.1.0.1:80', { services }), {
      ...toWaypoint,
      authority: '10.1.0.1:80',
      expected: [{ uri: 'spiffe://td/ns/x/sa/y' }, { uri: 'spiffe://cluster.local/ns/default/sa/waypoint' }],
      service: { name: 's' },
    });
  }
  t.end();
});

t.test('weighted waypoints share the connections, and all weights 0 fall back to the waypoint', (t) => {
  const second = aWorkload({ name: 'second', addresses: ['127.0.0.20'] });
  const weighted = (first: number, other: number) =>
    aService({
      name: 's',
      addresses: ['10.1.0.1'],
      waypoint: gatewayAt('127.0.0.10'),
      weightedWaypoints: [
        { destination: gatewayAt('127.0.0.10'), weight: first },
        { destination: gatewayAt('127.0.0.20'), weight: other },
      ],
    });
  const nextHops = (service: Service) => {
    const ips = [0, 0.24, 0.26, 0.5, 0.99].map((random) => {
      const decided = route('10.1.0.1:80', { services: [service], workloads: [second], random });
      return decided.kind === 'hbone' ? decided.nextHop.ip : decided.kind;
    });
    return ips.join(' ');
  };
  t.equal(nextHops(weighted(1, 3)), '127.0.0.10 127.0.0.10 127.0.0.20 127.0.0.20 127.0.0.20');
  t.equal(nextHops(weighted(0, 1)), Array(5).fill('127.0.0.20').join(' '));
  t.equal(nextHops(weighted(0, 0)), Array(5).fill('127.0.0.10').join(' '));
  t.end();
});

t.test('is rejected, not bypassed, when the waypoint is unknown or has no endpoint', (t) => {
  const empty = aService({ name: 'empty', ports: ports(15008, 15008) });
  for (const reference of [gatewayAt('127.9.9.9'), gatewayNamed('default/nobody'), gatewayNamed(key('empty'))]) {
    const services = [empty, aService({ name: 's', addresses: ['10.1.0.1'], waypoint: reference })];
    const workloads = [
      aWorkload({
        name: 'server',
        addresses: ['127.0.0.2'],
        services: { [key('s')]: [] },
        waypoint: reference,
        tunnelProtocol: 'none',
      }),
    ];
    for (const to of ['10.1.0.1:80', '127.0.0.2:80']) {
      t.match(route(to, { services, workloads }), {
        kind: 'reject',
        code: 'WAYPOINT_UNKNOWN',
        detail: /^unknown waypoint: /,
      });
    }
  }
  t.end();
});

t.test('what lies in another network is refused with both networks named', (t) => {
  const remoteWaypoint = aWorkload({ name: 'far', addresses: ['127.0.0.30'], network: 'two', hostname: 'far.example' });
  const workloads = [
    aWorkload({ name: 'remote', addresses: ['127.0.0.2'], network: 'two', services: { [key('s')]: [] } }),
    remoteWaypoint,
  ];
  const services = [
    aService({ name: 's', addresses: ['10.1.0.1'] }),
    aService({ name: 'w', addresses: ['10.1.0.2'], waypoint: gatewayNamed('default/far.example') }),
  ];
  for (const to of ['10.1.0.1:80', '10.1.0.2:80']) {
    t.match(route(to, { services, workloads }), { kind: 'reject', code: 'NO_ROUTE', detail: /network "two".*"", and/ });
  }
  t.hasStrict(
    route('127.0.0.2:80', { services, workloads }),
    { kind: 'passthrough' },
    'not an address of this network',
  );
  t.end();
});

t.test('a service that its client’s network does not have is refused, not passed through', (t) => {
  const services = [aService({ name: 's', addresses: ['10.1.0.1'] })];
  const source: Workload = { ...client, network: 'elsewhere' };
  t.hasStrict(route('10.1.0.1:80', { services, source }), { kind: 'reject', code: 'NO_HEALTHY_UPSTREAM' });
  t.end();
});

t.test('a workload with a hostname is resolved, then decided again with the answer', (t) => {
  const services = [aService({ name: 's', addresses: ['10.1.0.1'] })];
  const workloads = [
    aWorkload({ name: 'db', hostname: 'db.example', tunnelProtocol: 'none', services: { [key('s')]: [] } }),
  ];
  t.same(route('10.1.0.1:80', { services, workloads }), { kind: 'resolve', hostname: 'db.example' });
  const resolved = new Map([['db.example', [at('192.0.2.1')]]]);
  t.hasStrict(route('10.1.0.1:80', { services, workloads, resolved }), {
    kind: 'plain',
    to: { ip: '192.0.2.1', port: 8080 },
  });
  t.match(route('10.1.0.1:80', { services, workloads, resolved: new Map([['db.example', []]]) }), {
    kind: 'reject',
    code: 'NO_ROUTE',
    detail: /no ip addresses were resolved/,
  });
  t.end();
});

t.test('a service of namespace visibility does not exist for clients of other namespaces', (t) => {
  const services = [aService({ name: 's', namespace: 'other', addresses: ['10.1.0.1'], visibility: 'namespace' })];
  t.hasStrict(route('10.1.0.1:80', { services }), { kind: 'passthrough' });
  t.end();
});
