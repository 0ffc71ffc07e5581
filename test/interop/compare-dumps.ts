// /config_dump of both proxies while connections of each kind live, both ways: key by key, what is of the mesh must be
// equal, what is of the pod the mirror image. What only one of them has stands in a list with the reason.
import { once } from 'node:events';
import type { Test } from 'tap';
import { eventually } from './eventually.ts';
import type { IstiodMesh } from './istiod-mesh.ts';
import { mirror } from './mirror.ts';
import { connectFrom, podAddress, serviceAddress } from './pod-application.ts';
import type { PodProxy } from './pod-proxy-process.ts';
import type { PodSide } from './pod-side.ts';
import { appPorts } from './two-pod-mesh.ts';

export interface Dump {
  readonly certificates: readonly DumpedCertificate[];
  readonly config: Readonly<Record<string, unknown>>;
  readonly version: Readonly<Record<string, string>>;
  readonly workloadState: Readonly<Record<string, DumpedPod>>;
  readonly [part: string]: unknown;
}

interface DumpedCertificate {
  readonly identity: string;
  readonly state: string;
  readonly certChain: readonly Readonly<Record<string, string>>[];
  readonly rootCerts: readonly Readonly<Record<string, string>>[];
}

interface DumpedPod {
  readonly connections: Readonly<Record<'inbound' | 'outbound', readonly Readonly<Record<string, string>>[]>>;
}

/** Keys of Istio's section `config` that ours has not. */
const settingsOfTheirs: Readonly<Record<string, string>> = {
  dnsResolverCfg: 'of its resolver: ours tells its name servers apart',
  dnsResolverOpts: 'of its resolver: ours has no settings there',
  fakeCa: 'of its tests',
  fakeSelfInbound: 'of its tests',
  inpodPortReuse: 'ours always shares the ports, so that a new ztunnel can come before the old one goes',
  localhostAppTunnel: 'ours refuses application tunnels of the protocol PROXY',
  proxyArgs: 'ours has no settings there',
  ztunnelIdentity: 'ours has no listener for itself',
  ztunnelWorkload: 'ours has no listener for itself',
};
/** Keys that only ours has there. */
const settingsOfOurs = ['ambientd'];

/** @returns both dumps as text, theirs first */
export async function compareDumps(t: Test, { sides, theirs, ours }: IstiodMesh): Promise<readonly [string, string]> {
  for (const [from, to] of [
    [sides.theirs, sides.ours],
    [sides.ours, sides.theirs],
  ] as const) {
    await openConnections(t, from, to);
  }
  const [theirText, ourText] = [await dumpOf(theirs.proxy), await dumpOf(ours.proxy)];
  const [their, our] = [JSON.parse(theirText) as Dump, JSON.parse(ourText) as Dump];

  await t.test('the top level has the same keys, and the mesh is the same', async (t) => {
    t.strictSame(Object.keys(our), Object.keys(their));
    for (const part of ['workloads', 'services', 'policies', 'stagedServices', 'staticConfig']) {
      t.strictSame(our[part], their[part], part);
    }
    t.strictSame(Object.keys(our.version), Object.keys(their.version), 'version');
  });

  await t.test('a certificate is told of alike, and is of the same root', async (t) => {
    t.strictSame(our.certificates.map(describe), mirror(their.certificates.map(describe)));
  });

  await t.test('the living connections are told of alike', async (t) => {
    t.strictSame(describePods(our), describePods(mirror(their)));
    const [pod] = Object.values(our.workloadState);
    t.same([pod?.connections.inbound.length, pod?.connections.outbound.length], [3, 2]);
  });

  await t.test('a setting that both have has the same name and the same form', async (t) => {
    const theirSettings = mirror(their.config);
    for (const [name, value] of Object.entries(theirSettings)) {
      if (name in settingsOfTheirs) t.notOk(name in our.config, `${name}: ${settingsOfTheirs[name]}`);
      else t.strictSame(inAnyOrder(our.config[name]), inAnyOrder(value), name);
    }
    t.same(
      Object.keys(our.config).filter((name) => !(name in theirSettings)),
      settingsOfOurs,
    );
    t.same(
      Object.keys(settingsOfTheirs).filter((name) => !(name in theirSettings)),
      [],
      'the list of differences names nothing else',
    );
  });
  return [theirText, ourText];
}

/** To the service, to the pod, and in plain text from outside of the mesh; all end with the test. */
async function openConnections(t: Test, from: PodSide, to: PodSide): Promise<void> {
  const outside = await from.asProxy.connectSocket({ to: podAddress(to.pod, appPorts.echoes), timeoutMs: 5_000 });
  t.teardown(() => outside.destroy());
  const captured = [serviceAddress(to.pod, appPorts.echoes), podAddress(to.pod, appPorts.echoes)];
  const sockets = [outside, ...(await Promise.all(captured.map((address) => connectFrom(t, from, address))))];
  for (const socket of sockets) {
    socket.write('hello');
    await once(socket, 'data');
  }
}

/** Once it has a certificate. */
async function dumpOf(proxy: PodProxy): Promise<string> {
  const ask = async () => (await proxy.admin('/config_dump')).body;
  return await eventually(ask, (text) => text.includes('"Available"'));
}

function describe({ identity, state, certChain, rootCerts }: DumpedCertificate) {
  // The same certificate has its lines wrapped elsewhere.
  const roots = rootCerts.map(({ pem, ...facts }) => ({ ...facts, keys: pem === undefined ? [] : ['pem'] }));
  return { identity, state, chain: certChain.map((certificate) => Object.keys(certificate)), roots };
}

function describePods({ workloadState }: Dump): unknown {
  const pods = Object.entries(workloadState).map(([uid, { connections, ...facts }]) => {
    const [inbound, outbound] = [connections.inbound, connections.outbound].map((list) => inAnyOrder(list.map(stable)));
    return [uid, { ...facts, connections: { inbound, outbound } }];
  });
  return Object.fromEntries(pods);
}

/** Without the port of the client, which is another each time. */
function stable(connection: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { ...connection, src: `${connection['src']}`.replace(/:\d+$/, '') };
}

function inAnyOrder(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((member) => JSON.stringify(member)).sort();
}
