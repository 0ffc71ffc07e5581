import t from 'tap';
import { type EndpointQuery, pickEndpoint } from '../../../common/mesh/pick-endpoint.ts';
import type { LoadBalancing, Service } from '../../../common/mesh/service.ts';
import type { Workload } from '../../../common/mesh/workload.ts';
import { aService, aWorkload, gatewayAt, meshOf, ports } from '../../support/mesh-objects.ts';

const key = 'default/s.default.svc.cluster.local';
const randoms = Array.from({ length: 40 }, (_, i) => i / 40);

type Member = Partial<Omit<Workload, 'addresses' | 'services' | 'uid'>> & {
  readonly name: string;
  readonly addresses?: readonly string[];
  readonly own?: readonly number[];
};

function member(given: Member): Workload {
  const { own = [], ...workload } = given;
  return aWorkload({ addresses: ['10.0.0.1'], ...workload, services: { [key]: ports(...own) } });
}

/** Names of all endpoints that some random number picks, with their ports; or the reason why none is. */
function picks(
  workloads: readonly Workload[],
  service: Service,
  query: Partial<EndpointQuery> = {},
): readonly string[] | string {
  const endpoints = meshOf({ workloads, services: [service] }).endpointsOf(service);
  const names = new Set<string>();
  for (const random of randoms) {
    const source = aWorkload({ name: 'client' });
    const choice = pickEndpoint({
      service,
      servicePort: 80,
      endpoints,
      source,
      resolution: 'service',
      random,
      ...query,
    });
    if (choice.kind === 'none') return choice.detail;
    names.add(`${choice.endpoint.workload.name}:${choice.targetPort}`);
  }
  return [...names].sort();
}

function balanced(mode: LoadBalancing['mode'], ...routingPreference: LoadBalancing['routingPreference'][number][]) {
  return aService({ name: 's', loadBalancing: { mode, routingPreference, healthPolicy: 'only-healthy' } });
}

t.test('every endpoint of the service is picked, at the service port’s target', (t) => {
  t.same(picks([member({ name: 'a' }), member({ name: 'b' })], aService({ name: 's' })), ['a:8080', 'b:8080']);
  t.end();
});

t.test('an endpoint’s own port map comes before the service’s', (t) => {
  const service = aService({ name: 's', ports: ports(80, 8080) });
  t.same(picks([member({ name: 'a', own: [80, 9090] }), member({ name: 'b' })], service), ['a:9090', 'b:8080']);
  t.end();
});

t.test('of a named target port only the endpoints that map it are picked', (t) => {
  const service = aService({ name: 's', ports: ports(80, 0) });
  t.same(picks([member({ name: 'a', own: [80, 9090] }), member({ name: 'b' })], service), ['a:9090']);
  t.match(picks([member({ name: 'b' })], service), /none of the 1 endpoints .* a target for 80/);
  t.end();
});

t.test('a port that the service lacks has no endpoint, and the reason lists those it has', (t) => {
  const service = aService({ name: 's', ports: ports(80, 8080, 443, 8443) });
  t.match(picks([member({ name: 'a', own: [81, 81] })], service, { servicePort: 81 }), /no port 81; it has 80, 443/);
  t.match(picks([member({ name: 'a' })], aService({ name: 's', ports: [] })), /no port 80; it has none/);
  t.end();
});

t.test('a waypoint behind an application tunnel need not have its port on the service', (t) => {
  const bare = aService({ name: 's', ports: [] });
  const query = { servicePort: 15008, resolution: 'waypoint' } as const;
  const tunnel = { protocol: 'proxy', port: 15088 } as const;
  t.same(picks([member({ name: 'a', applicationTunnel: tunnel }), member({ name: 'b' })], bare, query), ['a:15008']);
  t.match(picks([member({ name: 'a', applicationTunnel: { ...tunnel, port: 0 } })], bare, query), /none of the 1/);
  t.same(picks([member({ name: 'a' })], aService({ name: 's', ports: ports(15008, 15008) }), query), ['a:15008']);
  t.end();
});

t.test('an endpoint without an address is never picked in its own network', (t) => {
  const service = aService({ name: 's' });
  const networkGateway = gatewayAt('10.9.9.9');
  t.match(picks([member({ name: 'a', addresses: [] })], service), /none of the 1/);
  t.match(picks([member({ name: 'a', addresses: [], networkGateway })], service), /none of the 1/);
  t.same(picks([member({ name: 'a', addresses: [], hostname: 'a.example' })], service), ['a:8080']);
  t.same(picks([member({ name: 'a', addresses: [], networkGateway, network: 'other' })], service), ['a:8080']);
  t.match(picks([member({ name: 'a', addresses: [], network: 'other' })], service), /none of the 1/);
  t.end();
});

t.test('a service without endpoints says so', (t) => {
  t.match(picks([], aService({ name: 's' })), /default\/s\.default\.svc\.cluster\.local has no healthy endpoint/);
  t.match(picks([member({ name: 'a', status: 'unhealthy' })], aService({ name: 's' })), /no healthy endpoint/);
  t.end();
});

t.test('capacity is the weight, and 0 is never picked', (t) => {
  const service = aService({ name: 's' });
  t.same(picks([member({ name: 'a', capacity: 0 }), member({ name: 'b' })], service), ['b:8080']);
  t.match(picks([member({ name: 'a', capacity: 0 })], service), /capacity 0/);
  const endpoints = meshOf({
    workloads: [member({ name: 'a', capacity: 3 }), member({ name: 'b', capacity: 1 })],
  }).endpointsOf(service);
  const source = aWorkload({ name: 'client' });
  const times = randoms.filter((random) => {
    const choice = pickEndpoint({ service, servicePort: 80, endpoints, source, resolution: 'service', random });
    return choice.kind === 'picked' && choice.endpoint.workload.name === 'a';
  });
  t.equal(times.length, 30, 'three of four times');
  t.end();
});

const here = { region: 'r1', zone: 'z1', subzone: 's1' };
const source = aWorkload({ name: 'client', network: 'n1', node: 'node-1', clusterId: 'c1', locality: here });
const near = { network: 'n1', node: 'node-1', clusterId: 'c1', locality: here };

t.test('failover keeps the endpoints that agree in the most scopes, in order', (t) => {
  const service = balanced('failover', 'region', 'zone');
  const sameZone = member({ name: 'zone', ...near });
  const sameRegion = member({ name: 'region', ...near, locality: { ...here, zone: 'z2' } });
  const otherRegion = member({ name: 'far', ...near, locality: { ...here, region: 'r2' } });
  const nowhere = member({ name: 'nowhere', ...near, locality: undefined });
  t.same(picks([sameZone, sameRegion, otherRegion], service, { source }), ['zone:8080']);
  t.same(picks([sameRegion, otherRegion], service, { source }), ['region:8080']);
  t.same(
    picks([otherRegion, nowhere], service, { source }),
    ['far:8080', 'nowhere:8080'],
    'the zone alone counts for nothing',
  );
  t.end();
});

t.test('strict drops the endpoints that do not agree in every scope', (t) => {
  const service = balanced('strict', 'region', 'zone');
  const sameZone = member({ name: 'zone', ...near });
  const sameRegion = member({ name: 'region', ...near, locality: { ...here, zone: 'z2' } });
  t.same(picks([sameZone, sameRegion], service, { source }), ['zone:8080']);
  t.match(picks([sameRegion], service, { source }), /is in the client's region, zone \(mode strict\)/);
  t.end();
});

t.test('each scope compares its own field and no other', (t) => {
  const foreign = { network: 'x', node: 'x', clusterId: 'x' };
  const elsewhere = { region: 'x', zone: 'x', subzone: 'x' };
  const agreesOnlyIn: Record<LoadBalancing['routingPreference'][number], Partial<Member>> = {
    region: { ...foreign, locality: { ...elsewhere, region: 'r1' } },
    zone: { ...foreign, locality: { ...elsewhere, zone: 'z1' } },
    subzone: { ...foreign, locality: { ...elsewhere, subzone: 's1' } },
    node: { ...foreign, locality: elsewhere, node: 'node-1' },
    cluster: { ...foreign, locality: elsewhere, clusterId: 'c1' },
    network: { ...foreign, locality: elsewhere, network: 'n1' },
  };
  const scopes = Object.keys(agreesOnlyIn) as (keyof typeof agreesOnlyIn)[];
  for (const scope of scopes) {
    const endpoints = scopes.map((other) => member({ name: other, ...agreesOnlyIn[other] }));
    for (const mode of ['failover', 'strict'] as const) {
      t.same(picks(endpoints, balanced(mode, scope), { source }), [`${scope}:8080`], `${mode} ${scope}`);
    }
  }
  t.end();
});

t.test(
  'a preference that begins with the network puts the own network before all else, and goes on in a foreign one',
  (t) => {
    const service = balanced('failover', 'network', 'region', 'zone');
    const ownFar = member({ name: 'own-far', ...near, locality: { ...here, region: 'r2' } });
    const foreignNear = member({ name: 'foreign-near', ...near, network: 'n2' });
    const foreignFar = member({ name: 'foreign-far', ...near, network: 'n2', locality: { ...here, region: 'r2' } });
    t.same(picks([ownFar, foreignNear, foreignFar], service, { source }), ['own-far:8080']);
    t.same(picks([foreignNear, foreignFar], service, { source }), ['foreign-near:8080']);
    t.match(picks([foreignNear], balanced('strict', 'network', 'region'), { source }), /mode strict/);
    t.end();
  },
);

t.test('standard mode does not look at the preference', (t) => {
  const far = member({ name: 'far', ...near, node: 'node-2' });
  t.same(picks([member({ name: 'near', ...near }), far], balanced('standard', 'node'), { source }), [
    'far:8080',
    'near:8080',
  ]);
  t.end();
});
