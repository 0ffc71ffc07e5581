import t from 'tap';
import { parseIdentity } from '../../../common/identity/identity.ts';
import type { AuthorizationPolicy } from '../../../common/mesh/authorization-policy.ts';
import type { Service } from '../../../common/mesh/service.ts';
import type { ApplicationTunnel, Workload } from '../../../common/mesh/workload.ts';
import { illegalPorts } from '../../../ztunnel/illegal-ports.ts';
import { decideInboundAdmission, type InboundFacts } from '../../../ztunnel/inbound/inbound-admission.ts';
import {
  aPolicy,
  aService,
  aWorkload,
  endAt,
  gatewayAt,
  gatewayNamed,
  meshOf,
  ports,
} from '../../support/mesh-objects.ts';

const key = (name: string) => `default/${name}.default.svc.cluster.local`;
const server = aWorkload({ name: 'server', addresses: ['10.0.0.2'], services: { [key('web')]: ports(90, 9090) } });
const web = aService({ name: 'web', addresses: ['10.1.0.1'], ports: ports(80, 8080, 90, 0, 91, 0) });
const waypoint = aWorkload({ name: 'waypoint', addresses: ['10.0.0.3'], services: { [key('waypoint')]: [] } });
const waypointService = aService({ name: 'waypoint', addresses: ['10.1.0.3'], ports: ports(15008, 15008) });

interface Surroundings extends Partial<Omit<InboundFacts, 'mesh'>> {
  readonly workloads?: readonly Workload[];
  readonly services?: readonly Service[];
  readonly policies?: readonly AuthorizationPolicy[];
}

/** What becomes of a CONNECT to that authority at the pod (the server unless another is given). */
function admit(authority: string, { workloads = [], services = [], policies = [], ...facts }: Surroundings = {}) {
  const workload = facts.workload ?? server;
  return decideInboundAdmission({
    method: 'CONNECT',
    authority,
    forwardedHost: undefined,
    peerAddress: endAt('10.0.0.1:40000'),
    peerIdentity: parseIdentity('spiffe://cluster.local/ns/default/sa/client'),
    localAddress: endAt(`${workload.addresses[0]}:15008`),
    workload,
    mesh: meshOf({
      workloads: [server, waypoint, ...workloads],
      services: [web, waypointService, ...services],
      policies,
    }),
    network: '',
    illegalPorts: illegalPorts({ outbound: 15001, inbound: 15008, inboundPlaintext: 15006, socks5: undefined }),
    ...facts,
  });
}

t.test('the pod’s own address is admitted to the port that was asked for', (t) => {
  t.hasStrict(admit('10.0.0.2:1234'), {
    kind: 'admit',
    upstream: { ip: '10.0.0.2', port: 1234 },
    service: undefined,
    verdict: { kind: 'permit', policy: undefined },
  });
  t.hasStrict(admit('[::ffff:10.0.0.2]:1234'), { kind: 'admit', upstream: { ip: '10.0.0.2', port: 1234 } });
  t.end();
});

t.test('a method other than CONNECT is refused', (t) => {
  t.hasStrict(admit('10.0.0.2:80', { method: 'GET' }), {
    kind: 'reject',
    code: 'METHOD_NOT_CONNECT',
    detail: 'expected method CONNECT, got "GET"',
  });
  t.end();
});

t.test('an authority that is no target is refused, and quoted in part', (t) => {
  for (const authority of ['', '10.0.0.2', 'web:http', '10.0.0.2:0']) {
    t.match(admit(authority), {
      kind: 'reject',
      code: 'TARGET_MALFORMED',
      detail: /^no valid authority pseudo header/,
    });
  }
  const long = admit('x'.repeat(100_000));
  t.ok(long.kind === 'reject' && long.detail.length < 500);
  t.end();
});

t.test('another address is refused', (t) => {
  t.match(admit('10.0.0.9:80'), {
    kind: 'reject',
    code: 'TARGET_NOT_HERE',
    detail: /^ip mismatch: 10\.0\.0\.2 != 10\.0\.0\.9: /,
  });
  t.hasStrict(admit('10.0.0.3:80'), { code: 'TARGET_NOT_HERE' });
  t.hasStrict(admit('10.1.0.1:80'), { code: 'TARGET_NOT_HERE' }, 'nor the address of a service that the pod is in');
  t.hasStrict(admit('[::1]:80'), { code: 'TARGET_NOT_HERE' });
  t.end();
});

t.test('a hostname leads to the pod’s port for that service', (t) => {
  const hostname = web.hostname;
  t.hasStrict(admit(`${hostname}:80`), {
    kind: 'admit',
    upstream: { ip: '10.0.0.2', port: 8080 },
    service: { name: 'web' },
  });
  t.hasStrict(admit(`${hostname}:90`), {
    kind: 'admit',
    upstream: { ip: '10.0.0.2', port: 9090 },
    service: { name: 'web' },
  });
  t.match(admit(`${hostname}:91`), {
    kind: 'reject',
    code: 'TARGET_UNKNOWN',
    detail: /found, but cannot resolve port$/,
  });
  t.match(admit(`${hostname}:1`), { kind: 'reject', code: 'TARGET_UNKNOWN', detail: /cannot resolve port/ });
  t.hasStrict(admit('nobody.example:80'), {
    kind: 'reject',
    code: 'TARGET_UNKNOWN',
    detail: 'no service or workload for hostname: nobody.example',
  });
  t.end();
});

t.test('of services with one hostname the one of the pod’s namespace is meant', (t) => {
  const other = aService({ name: 'web', namespace: 'other', hostname: web.hostname, ports: ports(80, 1) });
  t.hasStrict(admit(`${web.hostname}:80`, { services: [other] }), {
    upstream: { port: 8080 },
    service: { namespace: 'default' },
  });
  t.end();
});

t.test('a waypoint is admitted for the workloads and services that name it', (t) => {
  const references = [gatewayAt('10.1.0.3'), gatewayAt('10.0.0.3'), gatewayNamed(key('waypoint'))];
  for (const reference of references) {
    const workloads = [aWorkload({ name: 'fronted', addresses: ['10.0.0.4'], waypoint: reference })];
    const services = [aService({ name: 'fronted', addresses: ['10.1.0.4'], waypoint: reference })];
    for (const authority of ['10.0.0.4:80', '10.1.0.4:80']) {
      t.hasStrict(admit(authority, { workload: waypoint, workloads, services }), {
        kind: 'admit',
        upstream: { ip: '10.0.0.3', port: 80 },
      });
    }
  }
  const weightedWaypoints = [{ destination: gatewayAt('10.1.0.3'), weight: 1 }];
  const weighted = aService({ name: 'weighted', addresses: ['10.1.0.4'], weightedWaypoints });
  t.hasStrict(admit('10.1.0.4:80', { workload: waypoint, services: [weighted] }), { kind: 'admit' });
  t.end();
});

t.test('a waypoint is refused for what does not name it', (t) => {
  const reference = gatewayAt('10.1.0.3');
  const inService = aWorkload({ name: 'pod', addresses: ['10.0.0.4'], services: { [key('attached')]: [] } });
  const attached = aService({ name: 'attached', addresses: ['10.1.0.4'], waypoint: reference });
  const onWorkload = aWorkload({
    name: 'attached-pod',
    addresses: ['10.0.0.5'],
    waypoint: reference,
    services: { [key('detached')]: [] },
  });
  const detached = aService({ name: 'detached', addresses: ['10.1.0.5'] });
  const surroundings = { workload: waypoint, workloads: [inService, onWorkload], services: [attached, detached] };
  t.hasStrict(admit('10.0.0.2:80', surroundings), { code: 'TARGET_NOT_HERE' }, 'a workload without waypoint');
  t.hasStrict(
    admit('10.0.0.4:80', surroundings),
    { code: 'TARGET_NOT_HERE' },
    'a workload whose service has the waypoint',
  );
  t.hasStrict(
    admit('10.1.0.5:80', surroundings),
    { code: 'TARGET_NOT_HERE' },
    'a service whose workload has the waypoint',
  );
  t.hasStrict(admit('10.1.0.4:80', surroundings), { kind: 'admit' });
  t.hasStrict(admit('10.0.0.5:80', surroundings), { kind: 'admit' });
  t.end();
});

t.test('behind an application tunnel any target is here, at the tunnel’s port if it has one', (t) => {
  const behind = (applicationTunnel: ApplicationTunnel): Workload => ({ ...waypoint, applicationTunnel });
  t.hasStrict(admit('10.0.0.2:80', { workload: behind({ protocol: 'none', port: 15088 }) }), {
    kind: 'admit',
    upstream: { ip: '10.0.0.3', port: 15088 },
  });
  t.hasStrict(admit(`${web.hostname}:80`, { workload: behind({ protocol: 'none', port: 15088 }) }), {
    upstream: { ip: '10.0.0.3', port: 15088 },
    service: { name: 'web' },
  });
  t.hasStrict(admit('10.0.0.2:80', { workload: behind({ protocol: 'none', port: 0 }) }), {
    upstream: { ip: '10.0.0.3', port: 80 },
  });
  t.match(admit('10.0.0.2:80', { workload: behind({ protocol: 'proxy', port: 15088 }) }), {
    kind: 'reject',
    code: 'NOT_SUPPORTED',
    detail: /application tunnel PROXY on port 15088/,
  });
  t.end();
});

t.test('ztunnel’s own ports are refused, by number, by hostname and by tunnel', (t) => {
  for (const port of [15001, 15006, 15008]) {
    t.match(admit(`10.0.0.2:${port}`), { kind: 'reject', code: 'SELF_CALL', detail: /recursive call to ourselves/ });
  }
  const circle = aService({ name: 'circle', ports: ports(80, 15006) });
  t.hasStrict(admit(`${circle.hostname}:80`, { services: [circle] }), { kind: 'reject', code: 'SELF_CALL' });
  const workload: Workload = { ...server, applicationTunnel: { protocol: 'none', port: 15001 } };
  t.hasStrict(admit('10.0.0.2:80', { workload }), { kind: 'reject', code: 'SELF_CALL' });
  t.hasStrict(admit('10.0.0.2:15020'), { kind: 'admit' });
  t.end();
});

t.test('policies see the pod’s address and the port that is really connected to', (t) => {
  const onTarget = aPolicy({ name: 'target', action: 'deny', match: { destinationPorts: [8080] } });
  const onService = aPolicy({ name: 'service', action: 'deny', match: { destinationPorts: [80] } });
  t.match(admit(`${web.hostname}:80`, { policies: [onTarget] }), {
    kind: 'deny',
    code: 'AUTHORIZATION_DENIED',
    detail: /^connection closed due to policy rejection: explicitly denied by: default\/target \(rule 1\)/,
    upstream: { ip: '10.0.0.2', port: 8080 },
    service: { name: 'web' },
    verdict: { kind: 'deny', policies: ['default/target'] },
  });
  t.hasStrict(admit(`${web.hostname}:80`, { policies: [onService] }), { kind: 'admit' });
  const workload: Workload = { ...server, applicationTunnel: { protocol: 'none', port: 8080 } };
  t.hasStrict(admit('10.0.0.2:80', { workload, policies: [onTarget] }), { kind: 'deny' });
  t.end();
});

t.test('policies see the peer’s identity', (t) => {
  const principals = [{ kind: 'exact', value: 'cluster.local/ns/default/sa/client' }] as const;
  const policies = [aPolicy({ name: 'clients', match: { principals } })];
  t.hasStrict(admit('10.0.0.2:80', { policies }), { kind: 'admit', verdict: { policy: 'default/clients' } });
  const peerIdentity = parseIdentity('spiffe://cluster.local/ns/default/sa/stranger');
  t.match(admit('10.0.0.2:80', { policies, peerIdentity }), {
    kind: 'deny',
    detail: /policy rejection: allow policies exist, but none allowed \(default\/clients: .*stranger/,
  });
  t.end();
});

t.test('a policy that the pod names and nobody has sent denies', (t) => {
  const workload: Workload = { ...server, authorizationPolicies: ['default/late'] };
  t.hasStrict(admit('10.0.0.2:80', { workload }), { kind: 'deny', verdict: { reason: 'policy-unknown' } });
  t.end();
});

t.test('the service is guessed from the forwarded host, else from the port', (t) => {
  t.hasStrict(admit('10.0.0.2:1', { forwardedHost: web.hostname }), { service: { name: 'web' } });
  t.hasStrict(admit('10.0.0.2:8080'), { service: { name: 'web' } });
  t.hasStrict(admit('10.0.0.2:9090'), { service: { name: 'web' } });
  t.hasStrict(admit('10.0.0.2:1'), { service: undefined });
  t.end();
});
