// Workloads, services and policies from istiod's bytes: byte by byte, against the schema by reflection, against what a real
// istiod sent, and everything that is refused.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { deriveMesh } from '../../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings } from '../../../common/sources/derive/mesh-settings.ts';
import { parseKubernetesObject } from '../../../common/sources/kubernetes-object.ts';
import { readResources } from '../../../common/sources/resources.ts';
import { decodeAuthorization } from '../../../common/xds/authorization-codec.ts';
import { decodeAddress } from '../../../common/xds/workload-codec.ts';
import { aPolicy, aService, at, aWorkload, gatewayAt, gatewayNamed, ports, vip } from '../../support/mesh-objects.ts';
import { randomFrom } from '../../support/random-from.ts';
import { encodePolicy, encodeRaw, encodeService, encodeWorkload } from '../../support/wds-messages.ts';

const shared = process.env['AMBIENTD_SHARED'] ?? new URL('../../../../shared', import.meta.url).pathname;
const skip = existsSync(`${shared}/lab`) ? false : `no recordings of istiod at ${shared}/lab`;

t.test('a workload, byte by byte', async (t) => {
  const bytes = Buffer.from([
    ...[0x0a, 30], // Address.workload
    ...[0x0a, 3, ...Buffer.from('web')], // name
    ...[0x12, 2, ...Buffer.from('ns')], // namespace
    ...[0x1a, 4, 10, 0, 0, 1], // one address
    ...[0x28, 1], // tunnel_protocol HBONE
    ...[0xa2, 0x01, 2, ...Buffer.from('u1')], // uid, field 20
    ...[0xda, 0x01, 2, 0x08, 3], // capacity, field 27
    ...[0xf8, 0x3f, 1], // a field that nobody knows
  ]);
  t.same(decodeAddress(bytes), {
    kind: 'workload',
    workload: aWorkload({
      ...{ uid: 'u1', name: 'web', namespace: 'ns', addresses: ['10.0.0.1'], capacity: 3 },
      ...{ serviceAccount: 'default', clusterId: 'Kubernetes', trustDomain: 'cluster.local' },
      ...{ workloadName: '', canonicalName: '', canonicalRevision: '', workloadType: 'deployment', node: '' },
    }),
  });
});

t.test('a policy, byte by byte', async (t) => {
  const match = [...[0x1a, 3, 0x12, 1, 0x61], ...[0x4a, 2, 0x50, 0x51], ...[0x50, 0x52]];
  const clause = [0x12, match.length, ...match];
  const rule = [0x0a, clause.length, ...clause];
  const bytes = Buffer.from([0x0a, 1, 0x70, 0x12, 1, 0x6e, 0x18, 1, 0x20, 1, 0x2a, rule.length, ...rule, 0x30, 1]);
  t.same(decodeAuthorization(bytes), {
    name: 'p',
    namespace: 'n',
    scope: 'namespace',
    action: 'deny',
    rules: [
      [[{ principals: [{ kind: 'prefix', value: 'a' }], destinationPorts: [80, 81], notDestinationPorts: [82] }]],
    ],
    dryRun: true,
  });
});

t.test('every member survives the way through the schema', async (t) => {
  const workload = aWorkload({
    ...{ name: 'all', addresses: ['10.1.2.3', 'fd00::7'], hostname: 'all.example.com', network: 'net' },
    ...{ trustDomain: 'td', serviceAccount: 'sa', node: 'n', canonicalName: 'cn', canonicalRevision: 'cr' },
    ...{ workloadType: 'job', workloadName: 'wn', nativeTunnel: true, clusterId: 'c2', capacity: 0 },
    ...{ status: 'unhealthy', networkMode: 'host-network', tunnelProtocol: 'none' },
    waypoint: gatewayAt('10.9.9.9', 15_009),
    networkGateway: gatewayNamed('ns/gate.example.com'),
    applicationTunnel: { protocol: 'proxy', port: 15_088 },
    locality: { region: 'r', zone: 'z', subzone: 's' },
    services: { 'ns/a': ports(80, 8080, 81, 0), 'ns/b': [] },
    authorizationPolicies: ['ns/p', 'ns/q'],
  });
  t.same(decodeAddress(encodeWorkload(workload)), { kind: 'workload', workload });
  const service = aService({
    ...{ name: 'all', canonical: true, ingressUseWaypoint: true, visibility: 'namespace', ipFamilies: 'dual' },
    addresses: ['10.0.0.9', '10.8.0.0/16', vip('fd00::1', 'net')],
    ports: [{ servicePort: 80, targetPort: 0, appProtocol: 'grpc' }],
    subjectAltNames: ['spiffe://td/ns/a/sa/b'],
    waypoint: gatewayNamed('ns/way'),
    weightedWaypoints: [{ destination: gatewayAt('10.0.0.8'), weight: 7 }],
    loadBalancing: { mode: 'failover', routingPreference: ['network', 'zone'], healthPolicy: 'allow-all' },
  });
  t.same(decodeAddress(encodeService(service)), { kind: 'service', service });
  const policy = aPolicy({
    ...{ name: 'all', scope: 'global', action: 'deny', dryRun: true },
    match: {
      namespaces: [{ kind: 'exact', value: 'a' }],
      notNamespaces: [{ kind: 'suffix', value: 'b' }],
      principals: [{ kind: 'presence' }],
      notPrincipals: [{ kind: 'prefix', value: '' }],
      serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }],
      notServiceAccounts: [{ namespace: 'n', serviceAccount: 't' }],
      sourceIps: [{ ip: at('10.0.0.0'), prefixLength: 8 }],
      notSourceIps: [{ ip: at('fd00::'), prefixLength: 64 }],
      destinationIps: [{ ip: at('0.0.0.0'), prefixLength: 0 }],
      notDestinationIps: [{ ip: at('10.0.0.1'), prefixLength: 32 }],
      destinationPorts: [80, 65_535],
      notDestinationPorts: [1],
    },
  });
  t.same(decodeAuthorization(encodePolicy(policy)), policy);
});

t.test('what an istiod would send for any recorded cluster comes out as it went in', { skip }, async (t) => {
  for (const name of readdirSync(`${shared}/lab/fixtures`).filter((entry) => /^\d/.test(entry))) {
    const list: { items: unknown[] } = JSON.parse(readFileSync(`${shared}/lab/fixtures/${name}/objects.json`, 'utf8'));
    const objects = list.items.map((item) => parseKubernetesObject(item, undefined));
    const { snapshot } = deriveMesh(readResources(objects, 'istio-system').resources, defaultMeshSettings);
    for (const given of snapshot.workloads) {
      // Labels are ours alone: WDS has none.
      const { serviceAccount, clusterId, labels: _, ...told } = given;
      const defaults = { serviceAccount: serviceAccount || 'default', clusterId: clusterId || 'Kubernetes' };
      const workload = { ...told, ...defaults };
      t.same(decodeAddress(encodeWorkload(given)), { kind: 'workload', workload }, `${name}: ${given.uid}`);
    }
    for (const service of snapshot.services)
      t.same(decodeAddress(encodeService(service)), { kind: 'service', service });
    for (const policy of snapshot.policies) t.same(decodeAuthorization(encodePolicy(policy)), policy);
  }
});

t.test('what cannot be meant is refused, with the reason', async (t) => {
  const workload = (fields: Record<string, unknown>) => () => {
    decodeAddress(encodeRaw('Address', { workload: { uid: 'u', ...fields } }));
  };
  const service = (fields: Record<string, unknown>) => () => {
    decodeAddress(encodeRaw('Address', { service: { hostname: 'h', ...fields } }));
  };
  const match = (fields: Record<string, unknown>) => () => {
    decodeAuthorization(encodeRaw('Authorization', { name: 'p', rules: [{ clauses: [{ matches: [fields] }] }] }));
  };
  const refusals: readonly (readonly [() => void, RegExp])[] = [
    [workload({ uid: '' }), /no uid/],
    [workload({ addresses: [Buffer.alloc(5)] }), /5 bytes instead of 4 or 16/],
    [workload({ tunnelProtocol: 3 }), /tunnel_protocol 3 is unknown/],
    [workload({ status: -1 }), /status -1 is unknown/],
    [workload({ services: { plain: {} } }), /"plain" is not written as namespace/],
    [workload({ services: { 'a/b': { ports: [{ servicePort: 65_536 }] } } }), /65536 is no port/],
    [workload({ waypoint: { port: 1 } }), /neither hostname nor address/],
    [workload({ waypoint: { address: { network: 'n' } } }), /has no bytes/],
    [service({ hostname: '' }), /no hostname/],
    [service({ addresses: [{ address: Buffer.alloc(4), length: 33 }] }), /0\.0\.0\.0\/33 is no CIDR/],
    [service({ loadBalancing: { routingPreference: [0] } }), /routing preference 0 is unknown/],
    [service({ weightedWaypoints: [{ weight: 1 }] }), /no destination/],
    [match({ principals: [{}] }), /of a kind that is unknown/],
    [match({ sourceIps: [{ address: Buffer.alloc(4), length: 40 }] }), /no CIDR/],
    [() => decodeAddress(Buffer.alloc(0)), /neither a workload nor a service/],
    [() => decodeAuthorization(Buffer.alloc(0)), /no name/],
    [() => decodeAuthorization(Buffer.from([0x08, 1])), /wire type 0, expected 2/],
    [() => decodeAddress(Buffer.from([0x0a, 2, 0x0a, 9, 1])), /malformed|beyond/],
  ];
  for (const [refused, message] of refusals) t.throws(refused, { code: 'RESOURCE_INVALID', message });
  t.doesNotThrow(service({ visibility: 9, ports: [{ servicePort: 1, appProtocol: 77 }] }), 'new hints are no fault');
});

t.test('whatever the bytes, the answer is a value or a reason', async (t) => {
  const random = randomFrom(7);
  const whole = encodeWorkload(aWorkload({ name: 'w', services: { 'ns/a': ports(80, 81) }, addresses: ['10.0.0.1'] }));
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(whole.subarray(0, 1 + Math.floor(random() * whole.length)));
    for (let hits = 0; hits < 3; hits++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    for (const decode of [decodeAddress, decodeAuthorization]) {
      try {
        decode(bytes);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'RESOURCE_INVALID')) throw error;
      }
    }
  }
  t.pass('3000 mutilated resources');
});
