// The YAML of ztunnel's standalone mode as a mesh, and what is said of mistakes in it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { createMeshIndex } from '../../../common/mesh/mesh-index.ts';
import type { MeshSnapshot } from '../../../common/mesh/mesh-source.ts';
import { readLocalMesh } from '../../../common/xds/local-mesh-client.ts';
import { parseLocalMesh } from '../../../common/xds/local-mesh-parser.ts';
import { aPolicy, aService, at, aWorkload, gatewayAt, gatewayNamed, ports, vip } from '../../support/mesh-objects.ts';

const example = `
workloads:
- uid: cluster1//v1/Pod/default/local
  name: local
  namespace: default
  serviceAccount: local
  workloadIps: ["127.0.0.1"]
  protocol: HBONE
  node: local
  waypoint: {destination: "remote/10.0.0.9", hboneMtlsPort: 15008}
  networkGateway: {destination: "gates/east.example.com", hboneMtlsPort: 15009}
  services:
    default/example.com: {80: 8080}
- {name: bare, namespace: default, workloadIps: [], services: {}}
services:
- name: local
  namespace: default
  hostname: example.com
  vips: [/127.10.0.1]
  cidrVips: [{cidr: 10.8.0.0/16, network: remote}]
  ports: {80: 8080}
  subjectAltNames: [spiffe://cluster.local/ns/default/sa/local]
  endpoints: {default/bare: {port: {80: 81}, status: Healthy, workloadUid: default/bare}}
  loadBalancer: {mode: Failover, routingPreferences: [Network, Zone], healthPolicy: OnlyHealthy}
policies:
- name: deny-9999
  namespace: default
  scope: Namespace
  action: Allow
  dryRun: false
  rules: [[[{notDestinationPorts: [9999], principals: [{Exact: a}, {Presence: []}], sourceIps: [10.0.0.0/8]}]]]
`;

t.test('workloads, services and policies are what is written', async (t) => {
  const { workloads, services, policies } = parseLocalMesh(example, 'mesh.yaml');
  const absent = { clusterId: '', trustDomain: '', canonicalName: '', canonicalRevision: '', workloadName: '' };
  t.same(workloads, [
    aWorkload({
      ...absent,
      ...{ uid: 'cluster1//v1/Pod/default/local', name: 'local', node: 'local', addresses: ['127.0.0.1'] },
      waypoint: { ...gatewayAt('10.0.0.9'), kind: 'address', address: vip('10.0.0.9', 'remote') },
      networkGateway: gatewayNamed('gates/east.example.com', 15_009),
      services: { 'default/example.com': ports(80, 8080) },
    }),
    aWorkload({
      ...absent,
      ...{ uid: 'default/bare', name: 'bare', serviceAccount: '', tunnelProtocol: 'none' },
      services: { 'default/example.com': ports(80, 81) },
    }),
  ]);
  t.same(services, [
    aService({
      ...{ name: 'local', hostname: 'example.com', subjectAltNames: ['spiffe://cluster.local/ns/default/sa/local'] },
      addresses: [vip('127.10.0.1'), vip('10.8.0.0/16', 'remote')],
      loadBalancing: { mode: 'failover', routingPreference: ['network', 'zone'], healthPolicy: 'only-healthy' },
    }),
  ]);
  t.same(policies, [
    aPolicy({
      name: 'deny-9999',
      match: {
        principals: [{ kind: 'exact', value: 'a' }, { kind: 'presence' }],
        sourceIps: [{ ip: at('10.0.0.0'), prefixLength: 8 }],
        notDestinationPorts: [9999],
      },
    }),
  ]);
});

t.test('an empty document is an empty mesh', async (t) => {
  t.same(parseLocalMesh('', 'x'), { workloads: [], services: [], policies: [] });
});

t.test('every mistake is named with its place', async (t) => {
  const text = `
workloads:
- {name: a, namespace: n, workloadIps: [10.0.0.300], services: {}}
- {name: b, namespace: n, workloadIps: [], services: {}, colour: red}
- {name: c, namespace: n, workloadIps: [], services: {n/h: {high: 1}}}
services:
- {name: s, namespace: n, hostname: h, vips: [10.0.0.1], ports: {}}
policies:
- {name: p, namespace: n, scope: Some, action: Allow, rules: []}
extra: []
`;
  const places = [
    'extra',
    'workloads[0].workloadIps[0]',
    'workloads[1].colour',
    'workloads[2].services',
    'services[0].vips[0]',
  ];
  for (const place of [...places, 'policies[0].scope']) {
    const message = new RegExp(`^mesh.yaml: .*${place.replace(/[[\].]/g, '\\$&')}`);
    t.throws(() => parseLocalMesh(text, 'mesh.yaml'), { code: 'CONFIG_INVALID', message });
  }
  t.throws(() => parseLocalMesh('{', 'mesh.yaml'), { code: 'CONFIG_INVALID', message: /mesh.yaml is no YAML/ });
});

t.test('however it is laid out, it is the same mesh', async (t) => {
  const expected = parseLocalMesh(example, 'x');
  t.same(parseLocalMesh(JSON.stringify(parse(example)), 'x'), expected, 'as one JSON text');
  const lines = Object.entries<unknown[]>(parse(example)).flatMap(([name, entries]) => [
    `${name}:`,
    ...entries.map((entry) => `- ${JSON.stringify(entry).replace(/"(\d+)":/g, '$1:')}`),
  ]);
  t.same(parseLocalMesh(lines.join('\n'), 'x'), expected, 'one entry a line, ports as bare numbers');
  const odd = '- {name: "a,80:b", namespace: n, workloadIps: [], services: {}}';
  t.match(parseLocalMesh(`workloads:\n${odd}\n# end\n`, 'x').workloads, [{ name: 'a,80:b' }]);
  const aliased = `workloads:\n- &a {name: w, namespace: n, workloadIps: [], services: {}}\n- {<<: *a, name: v}`;
  t.throws(() => parseLocalMesh(aliased, 'x'), { code: 'CONFIG_INVALID' }, 'merges between entries are no part of it');
});

/** All parts, as one. */
async function readAll(source: Parameters<typeof readLocalMesh>[0]): Promise<MeshSnapshot> {
  const parts: MeshSnapshot[] = [];
  for await (const part of readLocalMesh(source)) parts.push(part);
  return {
    workloads: parts.flatMap(({ workloads }) => workloads),
    services: parts.flatMap(({ services }) => services),
    policies: parts.flatMap(({ policies }) => policies),
  };
}

t.test('it is read from a file, or given as text', async (t) => {
  const path = join(t.testdir(), 'mesh.yaml');
  writeFileSync(path, example);
  const mesh = createMeshIndex();
  mesh.replace(await readAll({ kind: 'file', path }));
  t.equal([...mesh.workloads()].length, 2);
  t.same(await readAll({ kind: 'literal', text: example }), await readAll({ kind: 'file', path }));
  await t.rejects(readAll({ kind: 'file', path: `${path}.not` }), {
    code: 'CONFIG_INVALID',
    message: /cannot read LOCAL_XDS_PATH=.*ENOENT/,
  });
});

t.test('a large file comes in parts, services before the workloads that belong to them', async (t) => {
  const path = join(t.testdir(), 'mesh.yaml');
  const entry = (number: number): string =>
    `- {name: w${number}, namespace: n, workloadIps: [], services: {n/s.example: {80: 8080}}}`;
  const workloads = Array.from({ length: 200 }, (_, number) => entry(number)).join('\n');
  writeFileSync(
    path,
    `workloads:\n${workloads}\nservices:\n- {name: s, namespace: n, hostname: s.example, vips: [], ports: {}}\n`,
  );
  const sizes: (readonly [number, number])[] = [];
  for await (const part of readLocalMesh({ kind: 'file', path })) {
    sizes.push([part.services.length, part.workloads.length]);
  }
  t.same(sizes, [
    [1, 0],
    [0, 64],
    [0, 64],
    [0, 64],
    [0, 8],
  ]);
});

t.test('a file that is written in another way, or with mistakes, is read as a whole', async (t) => {
  const path = join(t.testdir(), 'mesh.yaml');
  const read = async (text: string): Promise<MeshSnapshot> => {
    writeFileSync(path, text);
    return await readAll({ kind: 'file', path });
  };
  t.same(await read(JSON.stringify(parse(example))), parseLocalMesh(example, 'x'));
  const mistakes: readonly [text: string, message: RegExp][] = [
    ['workloads:\n- {name: a, namespace: n, workloadIps: [x], services: {}}', /workloads\[0\].workloadIps\[0\]/],
    ['workloads: []\nextra: []', /extra/],
    ['workloads:\n- {name: [', /is no YAML/],
    ['extra:\n- {}', /extra/],
  ];
  for (const [text, message] of mistakes) await t.rejects(read(text), { code: 'CONFIG_INVALID', message });
});
